//! Deciding a batch: rounds of look, plan, commit, carry out, until every wish has its answer.
//!
//! A remembered counter may let wishes pass, as the commit compares its epoch; whatever it would refuse is looked at
//! afresh. A refusal comes only from a counter that was read in this call and has nothing pending, and ids are looked up
//! after it. What does not fit behind others of its batch is decided in the next round.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mongodb::bson::RawDocumentBuf;
use myevents_core::counter::{self, Counter, Tally};
use myevents_core::domain::{BookingId, EventId, Person, PersonLimits};
use myevents_core::ports::{BookOptions, BookingRequest, Committed, Outcome};
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};

use super::bookings::booking_of;
use super::codec::Fields;
use super::commit::Added;
use super::counters::{Entry, MOST_PENDING, Seen};
use super::desks::Desk;
use super::limits::Held;
use super::messages::{Kind, held_rows};
use super::patience::Patience;
use super::rollforward::Rolled;
use super::store::Inner;

/// What became of a wish.
pub(super) type Decision = Result<Committed<Outcome>>;

/// A wish on its way to an answer.
pub(super) struct Wish {
    pub(super) request: BookingRequest,
    pub(super) answer: Option<Decision>,
    /// A commit with it was sent whose outcome is not known, or which is not carried out yet.
    pub(super) sent: bool,
    /// It was within the limits per person when its turn came, and did not fit for seats.
    pub(super) within_limits: bool,
    /// The token of its reservation in the holder record, if this call made it.
    pub(super) reserved: Option<String>,
}

impl Wish {
    pub(super) fn id(&self) -> &BookingId {
        &self.request.booking.id
    }

    pub(super) fn seats(&self) -> u32 {
        self.request.booking.seats.get()
    }

    pub(super) fn is_open(&self) -> bool {
        self.answer.is_none()
    }

    fn settle(&mut self, outcome: Outcome) {
        self.answer = Some(Ok(Committed::quiet(outcome)));
    }
}

/// How the next round begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// With the counter as it is remembered.
    Remembered,
    /// With a look at the counter.
    Look,
    /// With a look, after others were let go first.
    LookLater,
}

/// A batch on its way.
pub(super) struct Batch {
    pub(super) inner: Arc<Inner>,
    pub(super) desk: Arc<Desk>,
    pub(super) event: EventId,
    pub(super) options: BookOptions,
    pub(super) wishes: Vec<Wish>,
    /// The tokens of the commits this call sent.
    pub(super) tries: Vec<String>,
    /// Entries that can't be carried out.
    pub(super) stuck: HashSet<String>,
    /// How often this call still waits for somebody else's reservation to become a booking.
    pub(super) waits: u32,
    pub(super) patience: Patience,
}

/// Decides `requests`; answers one decision for each.
pub(super) async fn book(
    inner: Arc<Inner>,
    event: EventId,
    requests: Vec<BookingRequest>,
    options: BookOptions,
) -> Vec<Decision> {
    let desk = inner.desks.of(&event);
    let last = requests.iter().map(|request| request.deadline).max();
    let mut batch = Batch {
        desk: Arc::clone(&desk),
        options,
        wishes: requests
            .into_iter()
            .map(|request| wish(&event, request))
            .collect(),
        tries: Vec::new(),
        stuck: HashSet::new(),
        waits: super::limits::WAITS,
        patience: Patience::new(&inner.config),
        event,
        inner,
    };
    if let Some(last) = last
        && let Ok(_turn) = timeout_at(last, desk.turn.lock()).await
    {
        batch.decide().await;
    }
    batch.finish()
}

fn wish(event: &EventId, request: BookingRequest) -> Wish {
    let foreign = request.booking.event != *event;
    Wish {
        answer: foreign.then(|| {
            Err(Error::new(
                ErrorKind::Invalid,
                "book",
                "the wish is for another event than its batch",
            ))
        }),
        request,
        sent: false,
        within_limits: false,
        reserved: None,
    }
}

impl Batch {
    async fn decide(&mut self) {
        let mut next = Next::Remembered;
        loop {
            self.expire();
            if !self.wishes.iter().any(Wish::is_open) {
                return;
            }
            if next == Next::LookLater {
                self.patience.pause().await;
            }
            match self.round(next).await {
                Ok(then) => next = then,
                Err(error) => {
                    if !self.may_go_on(&error).await {
                        self.fail(&error);
                        return;
                    }
                    next = Next::Look;
                }
            }
        }
    }

    /// Answers wishes whose time is over: nothing is tried with them any more.
    fn expire(&mut self) {
        let now = Instant::now();
        for wish in self.wishes.iter_mut().filter(|wish| wish.answer.is_none()) {
            if now > wish.request.deadline {
                wish.answer = Some(Err(if wish.sent { unknown() } else { too_late() }));
            }
        }
    }

    /// Whether a failure is to be met by another look. What may have been committed is looked for until there is no time
    /// left; where nothing was, the caller may repeat as well as we.
    async fn may_go_on(&mut self, error: &Error) -> bool {
        let last = self.wishes.iter().filter(|wish| wish.is_open() && wish.sent);
        let Some(last) = last.map(|wish| wish.request.deadline).max() else {
            return false;
        };
        error.is_retryable() && self.patience.another_try(last).await
    }

    fn fail(&mut self, error: &Error) {
        for wish in self.wishes.iter_mut().filter(|wish| wish.answer.is_none()) {
            wish.answer = Some(Err(if wish.sent {
                unknown().caused_by(error.duplicate())
            } else {
                error.duplicate()
            }));
        }
    }

    fn finish(mut self) -> Vec<Decision> {
        self.expire();
        self.fail(&too_late());
        self.release_holds();
        self.wishes.into_iter().filter_map(|wish| wish.answer).collect()
    }

    /// One round. It answers at least one wish, commits something, or says why it has to look again.
    async fn round(&mut self, next: Next) -> Result<Next> {
        let known = match next {
            Next::Remembered => match self.desk.remembered() {
                Some(counter) => Some(counter),
                // Of an event that was not booked here yet the counter alone is read, to let wishes pass by.
                None => self.inner.glance(&self.desk, &self.event).await?,
            },
            Next::Look | Next::LookLater => None,
        };
        let (counter, seen) = match known {
            Some(counter) if counter::is_stale(Some(&counter), self.options) => return Ok(Next::Look),
            Some(counter) => (counter, None),
            None => match self.look().await? {
                Some(seen) => (seen.counter, Some(seen)),
                None => return Ok(Next::Look),
            },
        };
        self.plan(counter, seen.as_ref()).await
    }

    /// Reads the counter, then the ids; answers what these settle. None = look again, or everything is answered.
    async fn look(&mut self) -> Result<Option<Seen>> {
        // Our own entries that are only to be taken off would look like somebody's unfinished work.
        let cleared = self.inner.clear(&self.desk, &self.event).await;
        if let Err(error) = cleared {
            tracing::debug!(event = %self.event, %error, "carried out entries stay on the list for now");
        }
        let mut wanted: Vec<BookingId> = Vec::new();
        for wish in self.wishes.iter().filter(|wish| wish.is_open()) {
            if !wanted.contains(wish.id()) {
                wanted.push(wish.id().clone());
            }
        }
        let look = self.inner.look(&self.event, &wanted).await?;
        self.find_stored(&look.stored)?;
        let Some(seen) = look.seen else {
            for wish in self.wishes.iter_mut().filter(|wish| wish.answer.is_none()) {
                wish.settle(Outcome::UnknownEvent);
            }
            return Ok(None);
        };
        self.desk.remember(&seen.counter);
        let full = seen.pending.len() >= MOST_PENDING;
        let of_wishes: Vec<&Entry> = seen
            .pending
            .iter()
            .filter(|entry| full || self.is_wanted(entry))
            .collect();
        let mut rolled = false;
        for entry in of_wishes {
            if self.roll(entry).await? {
                rolled = true;
            } else if full && !self.is_wanted(entry) {
                continue;
            } else {
                self.answer_stuck(entry);
            }
        }
        if rolled {
            return Ok(None);
        }
        if full {
            let error = Error::new(
                ErrorKind::Unavailable,
                "book",
                "too much of this event waits to be carried out; try again",
            );
            return Err(error.with("event", &self.event));
        }
        if counter::is_stale(Some(&seen.counter), self.options) {
            for wish in self.wishes.iter_mut().filter(|wish| wish.answer.is_none()) {
                wish.answer = Some(Err(counter::stale_copy()));
            }
            return Ok(None);
        }
        Ok(Some(seen))
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        self.wishes
            .iter()
            .any(|wish| wish.is_open() && entry.holds(wish.id()))
    }

    /// Rolls an entry forward; answers whether it is gone now. One that can't be carried out stays.
    pub(super) async fn roll(&mut self, entry: &Entry) -> Result<bool> {
        if self.stuck.contains(&entry.token) {
            return Ok(false);
        }
        match self.inner.roll_forward(&self.desk, &self.event, entry).await? {
            Rolled::Settled => Ok(true),
            Rolled::Stuck => {
                self.stuck.insert(entry.token.clone());
                Ok(false)
            }
        }
    }

    /// Rolls forward all that is pending; answers whether something was, so that it has to be looked again.
    pub(super) async fn roll_all(&mut self, seen: &Seen) -> Result<bool> {
        let mut rolled = false;
        for entry in &seen.pending {
            rolled |= self.roll(entry).await?;
        }
        Ok(rolled)
    }

    fn answer_stuck(&mut self, entry: &Entry) {
        for wish in self
            .wishes
            .iter_mut()
            .filter(|wish| wish.answer.is_none() && entry.holds(wish.id()))
        {
            wish.answer = Some(Err(Error::new(
                ErrorKind::Unavailable,
                "book",
                "its seats are taken, but the database refuses to store the booking; it is tried again",
            )));
        }
    }

    /// A stored id comes before everything else. What a lost commit of this very call stored was booked by it.
    fn find_stored(&mut self, stored: &[RawDocumentBuf]) -> Result<()> {
        for document in stored {
            let booking = booking_of(Fields(document))?;
            let by_this = Fields(document)
                .str("attempt")?
                .is_some_and(|attempt| self.tries.iter().any(|token| token == attempt));
            let booked = |wish: &Wish| matches!(&wish.answer, Some(Ok(committed)) if matches!(&committed.value, Outcome::Booked(stored) if stored.id == booking.id));
            let mut told = !by_this || self.wishes.iter().any(booked);
            for wish in self.wishes.iter_mut().filter(|wish| wish.answer.is_none()) {
                if *wish.id() != booking.id {
                    continue;
                }
                if !told && wish.request.booking.fingerprint == booking.fingerprint {
                    told = true;
                    let (instance, now) = (&self.inner.instance, self.inner.now());
                    let leased = held_rows(Kind::Bookings, Fields(document), |token, until| {
                        instance.is_own(token) && until > now
                    })?;
                    wish.answer = Some(Ok(Committed {
                        value: Outcome::Booked(booking.clone()),
                        leased,
                    }));
                } else {
                    wish.settle(counter::replay(&booking, &wish.request.booking));
                }
            }
        }
        Ok(())
    }

    /// Offers the wishes to the counter in their order, and commits what fits.
    async fn plan(&mut self, counter: Counter, seen: Option<&Seen>) -> Result<Next> {
        let mut plan = counter;
        let mut commit = self.new_commit(counter);
        let mut refused: Vec<(usize, Outcome)> = Vec::new();
        // Whether the id was granted in this round: a second wish with it waits for the first, and if that was not granted
        // nothing behind the second may overtake it.
        let mut planned: HashMap<BookingId, bool> = HashMap::new();
        // Who has a wish that is told only after this commit. `plan` keeps its seats, and no other wish of theirs may
        // overtake it.
        let mut behind: HashSet<Person> = HashSet::new();
        for at in 0..self.wishes.len() {
            let wish = &self.wishes[at];
            if !wish.is_open() {
                continue;
            }
            match planned.get(wish.id()) {
                Some(true) => continue,
                Some(false) => break,
                None => {}
            }
            let (id, limited) = (wish.id().clone(), wish.request.limits.any());
            let person = wish.request.booking.person.clone().filter(|_| limited);
            let before = plan;
            let fits = counter::take(
                Some(&mut plan),
                wish.seats(),
                PersonLimits::default(),
                Tally::default(),
                self.options,
            );
            let refusal = match fits {
                Ok(()) if !limited => None,
                Ok(()) if person.as_ref().is_some_and(|person| behind.contains(person)) => {
                    planned.insert(id, false);
                    continue;
                }
                Ok(()) => match self.reserve(at, &counter, seen, &commit).await? {
                    Held::Within => None,
                    Held::Again(next) => return Ok(next),
                    Held::Behind => {
                        behind.extend(person);
                        planned.insert(id, false);
                        continue;
                    }
                    Held::Reached => Some(Outcome::LimitReached),
                },
                // It may fit once those are told.
                Err(_) if !behind.is_empty() => break,
                Err(_) if seen.is_none() => return Ok(Next::Look),
                Err(Outcome::SoldOut { .. }) if limited && !self.wishes[at].within_limits => {
                    match self.is_within_limits(at, &counter, seen, &commit).await? {
                        Held::Within => {
                            self.wishes[at].within_limits = true;
                            fits.err()
                        }
                        Held::Again(next) => return Ok(next),
                        Held::Behind => {
                            planned.insert(id, false);
                            continue;
                        }
                        Held::Reached => Some(Outcome::LimitReached),
                    }
                }
                Err(refusal) => Some(refusal),
            };
            match refusal {
                Some(refusal) => {
                    plan = before;
                    planned.insert(id, false);
                    refused.push((at, refusal));
                }
                None => match self.add(&mut commit, at)? {
                    Added::Yes => {
                        planned.insert(id, true);
                    }
                    Added::TooLarge => plan = before,
                    Added::Full => break,
                },
            }
        }
        if !commit.is_empty() {
            return self.commit(commit).await;
        }
        let Some(seen) = seen else {
            return Ok(Next::Look);
        };
        // Before any refusal: a losing duplicate may hold seats, a half-done cancel may owe some.
        if self.roll_all(seen).await? {
            return Ok(Next::Look);
        }
        if refused.is_empty() {
            return Ok(Next::LookLater);
        }
        for (at, refusal) in refused {
            let told = self.seats_at_its_turn(at, refusal);
            self.wishes[at].settle(told);
        }
        Ok(Next::Look)
    }

    /// How many seats were left when the wish's turn came: those behind it in its batch got theirs after it.
    fn seats_at_its_turn(&self, at: usize, refusal: Outcome) -> Outcome {
        let Outcome::SoldOut { available } = refusal else {
            return refusal;
        };
        let behind = self.wishes[at + 1..]
            .iter()
            .filter_map(|wish| match &wish.answer {
                Some(Ok(committed)) => match &committed.value {
                    Outcome::Booked(booking) => Some(u64::from(booking.seats.get())),
                    _ => None,
                },
                _ => None,
            });
        let left = available + behind.sum::<u64>();
        let wanted = u64::from(self.wishes[at].seats());
        Outcome::SoldOut {
            available: if left < wanted { left } else { available },
        }
    }
}

fn too_late() -> Error {
    Error::new(
        ErrorKind::Overloaded,
        "book",
        "its time had run out before it was its turn",
    )
}

fn unknown() -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        "book",
        "the database did not answer in time; repeat the request with the same id",
    )
}
