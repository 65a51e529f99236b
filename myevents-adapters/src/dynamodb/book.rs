//! The rounds of a `book` call: what a counter state lets pass is committed, what one seen after the call began rules out is
//! refused, until every wish has its answer.
//!
//! A round takes the wishes in their order up to the first that can neither be granted nor be refused yet. What is remembered
//! of a counter may grant, as the commit compares its epoch; a refusal needs a state read after the call began, and
//! the look-up of the wish's id after that.

use std::collections::{HashMap, HashSet};

use myevents_core::counter::{self, Counter, Tally};
use myevents_core::domain::{Booking, BookingId, EventId, Person};
use myevents_core::ports::{BookOptions, BookingRequest, Committed, Outcome};
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::attach::check_message;
use super::codec::{booking_from_item, booking_to_item, key};
use super::gate::Turn;
use super::holders::Share;
use super::item::check_size;
use super::parcel::{MAX_PARCEL_BYTES, weight};
use super::store::{Shared, too_busy};
use super::transact::MAX_ACTIONS;

/// The most wishes of one batch: a transaction has room for them beside the counter and the messages.
pub(super) const MAX_BATCH: usize = MAX_ACTIONS - 2;

/// What became of one wish.
pub(super) type Decision = Result<Committed<Outcome>>;

/// How many rounds in a row may bring no answer.
const MOST_IDLE_ROUNDS: u32 = 60;

/// A wish that is not answered yet.
#[derive(Debug)]
pub(super) struct Wish {
    at: usize,
    pub(super) request: BookingRequest,
    /// As it is to be stored: without its person, if that was removed.
    pub(super) booking: Booking,
}

impl Wish {
    pub(super) fn is_stripped(&self) -> bool {
        self.booking.user.is_none() && self.request.booking.user.is_some()
    }
}

/// What is known of a person's share of the event.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) tally: Tally,
    /// Read after the call began, and nothing was granted since.
    pub(super) fresh: bool,
}

/// A counter state.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) counter: Option<Counter>,
    /// Read after the call began, and nothing was granted since.
    pub(super) fresh: bool,
}

/// One `book` call under way.
#[derive(Debug)]
pub(super) struct Round<'s> {
    pub(super) store: &'s Shared,
    pub(super) event: EventId,
    pub(super) options: BookOptions,
    pub(super) pending: Vec<Wish>,
    pub(super) view: Option<View>,
    pub(super) people: HashMap<Person, Known>,
    /// Bookings that are known to be stored.
    pub(super) stored: HashMap<BookingId, Booking>,
    /// The most wishes of the next commit; smaller after one was refused without saying why.
    pub(super) most: usize,
    pub(super) give_up: Instant,
    pub(super) turn: Turn,
    answers: Vec<Option<Decision>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// What a counter state means for the wishes.
#[derive(Debug, Default)]
struct Plan {
    /// Positions in `pending` of what is to be committed.
    grants: Vec<usize>,
    /// Positions of what is refused, once its id was looked up.
    refused: Vec<(usize, Result<Outcome>)>,
    /// Whose share must be read first.
    unknown: Vec<Person>,
}

impl Shared {
    /// Decides a batch.
    pub(super) async fn book(
        &self,
        event: EventId,
        requests: Vec<BookingRequest>,
        options: BookOptions,
    ) -> Vec<Decision> {
        let answers = requests.iter().map(|_| None).collect();
        let turn = self.gates.turn(&event).await;
        // The batch's rules were applied to one version: what is remembered of another is of no use.
        let remembered = (*turn).filter(|counter| options.seen.is_none_or(|seen| seen == counter.version));
        let mut round = Round {
            store: self,
            options,
            pending: Vec::with_capacity(requests.len()),
            view: remembered.map(|counter| View {
                counter: Some(counter),
                fresh: false,
            }),
            people: HashMap::new(),
            stored: HashMap::new(),
            most: MAX_BATCH,
            give_up: self.end_of_patience(),
            turn,
            answers,
            event,
        };
        for (at, request) in requests.into_iter().enumerate() {
            if request.booking.event == round.event {
                let booking = request.booking.clone();
                round.pending.push(Wish { at, request, booking });
            } else {
                let foreign = Error::invalid("the booking is for another event than its batch");
                round.answers[at] = Some(Err(foreign));
            }
        }
        round.run().await;
        let unanswered = || Err(too_busy("book"));
        let answers = round.answers.into_iter();
        answers.map(|answer| answer.unwrap_or_else(unanswered)).collect()
    }

    /// Bookings by id, as they are now.
    pub(super) async fn bookings(
        &self,
        ids: impl Iterator<Item = &BookingId>,
    ) -> Result<HashMap<BookingId, Result<Booking>>> {
        let unique: HashSet<&BookingId> = ids.collect();
        let wanted = unique
            .iter()
            .map(|id| (self.tables.bookings.as_str(), key(id.as_bytes())))
            .collect();
        let read = self.clients.get_many("look bookings up", wanted).await?;
        let mut found = HashMap::new();
        for item in read.into_values().flatten() {
            let id = super::item::get_bytes(&item, super::names::ID)?;
            if let Ok(id) = BookingId::from_bytes(id) {
                found.insert(id, booking_from_item(&item));
            }
        }
        Ok(found)
    }
}

impl Round<'_> {
    async fn run(&mut self) {
        let mut idle = 0;
        while !self.pending.is_empty() {
            let before = self.pending.len();
            if let Err(error) = self.step().await {
                self.fail_all(&error);
                return;
            }
            idle = if self.pending.len() < before { 0 } else { idle + 1 };
            if idle > MOST_IDLE_ROUNDS {
                self.fail_all(&too_busy("book"));
                return;
            }
        }
    }

    async fn step(&mut self) -> Result<()> {
        self.answer_known();
        self.drop_expired();
        if self.pending.is_empty() {
            return Ok(());
        }
        let Some(view) = self.view else {
            return self.look().await;
        };
        if counter::is_stale(view.counter.as_ref(), self.options) {
            if !view.fresh {
                return self.look().await;
            }
            let all = (0..self.pending.len()).map(|at| (at, Err(counter::stale_copy())));
            return self.refuse(all.collect()).await;
        }
        let plan = self.plan(view);
        if !plan.refused.is_empty() {
            return self.refuse(plan.refused).await;
        }
        if !plan.unknown.is_empty() {
            let read = self.store.tallies(&self.event, &plan.unknown).await?;
            self.people.extend(
                read.into_iter()
                    .map(|(person, tally)| (person, Known { tally, fresh: true })),
            );
            return Ok(());
        }
        if plan.grants.is_empty() {
            return self.look().await;
        }
        self.commit(plan.grants).await
    }

    /// Reads the counter as it is now.
    async fn look(&mut self) -> Result<()> {
        let counter = self.store.counter(&self.event).await?;
        self.see(counter);
        Ok(())
    }

    /// A counter state that was seen just now.
    pub(super) fn see(&mut self, counter: Option<Counter>) {
        *self.turn = counter;
        self.view = Some(View { counter, fresh: true });
    }

    fn plan(&self, view: View) -> Plan {
        let mut plan = Plan::default();
        let mut running = view.counter;
        let mut shares: HashMap<Person, Share> = HashMap::new();
        let mut ids = HashSet::new();
        let mut users = HashSet::new();
        let mut bytes = 0;
        for (at, wish) in self.pending.iter().enumerate() {
            let booking = &wish.booking;
            // A second wish of an id waits for the first: where that is granted it takes nothing, where that is refused it may.
            if !ids.insert(&booking.id) {
                let granted = plan
                    .grants
                    .iter()
                    .any(|at| self.pending[*at].booking.id == booking.id);
                if granted {
                    continue;
                }
                break;
            }
            let message = check_message("book", &wish.request.message);
            let item = message.and_then(|()| check_size("book", &booking_to_item(booking, 1, None)));
            if let Err(error) = item {
                plan.refused.push((at, Err(error)));
                continue;
            }
            bytes += weight(&wish.request.message);
            let holders = shares.len() + usize::from(is_new(&shares, booking.person.as_ref()));
            let new_user = booking.user.as_ref().is_some_and(|user| !users.contains(user));
            let actions = 3 + plan.grants.len() + holders + users.len() + usize::from(new_user);
            if plan.grants.len() >= self.most || actions > MAX_ACTIONS || bytes > MAX_PARCEL_BYTES {
                break;
            }
            // Whose person was removed meanwhile is still counted by that person, but adds nothing to it.
            let person = wish.request.booking.person.as_ref();
            let known = person
                .and_then(|person| self.people.get(person))
                .copied()
                .unwrap_or_default();
            let limits = wish.request.limits;
            if wish.is_stripped() && limits.any() && !known.fresh {
                plan.unknown.extend(person.cloned());
                break;
            }
            let taken = person
                .and_then(|person| shares.get(person))
                .map(Share::taken)
                .unwrap_or_default();
            let tally = Tally {
                seats: known.tally.seats + taken.seats,
                bookings: known.tally.bookings + taken.bookings,
            };
            match counter::take(running.as_mut(), booking.seats.get(), limits, tally, self.options) {
                Ok(()) => {
                    plan.grants.push(at);
                    users.extend(booking.user.as_ref());
                    if let Some(person) = &booking.person {
                        let share = shares.entry(person.clone()).or_default();
                        share.take(booking.seats.get(), limits);
                    }
                }
                Err(refusal) => {
                    // Limits come before seats, so whether seats are lacking is only asked of who is within them.
                    let after_limits = matches!(refusal, Outcome::LimitReached | Outcome::SoldOut { .. });
                    let asks = after_limits && limits.any() && !known.fresh;
                    let proven = if refusal == Outcome::LimitReached {
                        taken == Tally::default()
                    } else {
                        // Behind others of the batch it is decided anew once they have their seats.
                        plan.grants.is_empty()
                    };
                    if view.fresh && proven && !asks {
                        plan.refused.push((at, Ok(refusal)));
                        continue;
                    }
                    if asks && view.fresh && plan.grants.is_empty() {
                        plan.unknown.extend(person.cloned());
                    }
                    break;
                }
            }
        }
        plan
    }

    /// Answers refusals, after the ids were looked up: whoever was booked before finds that.
    async fn refuse(&mut self, refused: Vec<(usize, Result<Outcome>)>) -> Result<()> {
        let ids = refused.iter().map(|(at, _)| &self.pending[*at].booking.id);
        let mut found = self.store.bookings(ids).await?;
        for (at, refusal) in refused.into_iter().rev() {
            let wish = self.pending.remove(at);
            let answer = match found.remove(&wish.booking.id) {
                Some(Ok(stored)) => {
                    let answer = counter::replay(&stored, &wish.request.booking);
                    self.stored.insert(stored.id.clone(), stored);
                    Ok(answer)
                }
                Some(Err(malformed)) => Err(malformed),
                None => refusal,
            };
            self.answers[wish.at] = Some(answer.map(Committed::quiet));
        }
        Ok(())
    }

    /// Answers wishes whose id is known to be stored.
    fn answer_known(&mut self) {
        let (stored, answers) = (&self.stored, &mut self.answers);
        self.pending.retain(|wish| match stored.get(&wish.booking.id) {
            Some(booking) => {
                let answer = counter::replay(booking, &wish.request.booking);
                answers[wish.at] = Some(Ok(Committed::quiet(answer)));
                false
            }
            None => true,
        });
    }

    fn drop_expired(&mut self) {
        let now = Instant::now();
        if now >= self.give_up {
            self.fail_all(&too_busy("book"));
        }
        let answers = &mut self.answers;
        self.pending.retain(|wish| {
            let in_time = now <= wish.request.deadline;
            if !in_time {
                answers[wish.at] = Some(Err(Error::new(
                    ErrorKind::Overloaded,
                    "book",
                    "its time had run out before it was its turn",
                )));
            }
            in_time
        });
    }

    /// Takes a wish out and answers it.
    pub(super) fn answer(&mut self, id: &BookingId, answer: Decision) {
        if let Some(position) = self.pending.iter().position(|wish| wish.booking.id == *id) {
            let wish = self.pending.remove(position);
            self.answers[wish.at] = Some(answer);
        }
    }

    fn fail_all(&mut self, error: &Error) {
        for wish in self.pending.drain(..) {
            self.answers[wish.at] = Some(Err(error.duplicate()));
        }
    }
}

fn is_new(shares: &HashMap<Person, Share>, person: Option<&Person>) -> bool {
    person.is_some_and(|person| !shares.contains_key(person))
}
