//! The commit of a round: one update of the counter takes the seats and carries the whole bookings, then they are inserted.
//!
//! An entry whose bookings are stored owes nothing and is only to be taken off the list. The next commit does that in its own
//! update by taking the entry's place; where none follows soon, a task takes it off.

use std::time::Duration;

use mongodb::bson::{Document, RawDocumentBuf, doc};
use myevents_core::counter::{self, Counter};
use myevents_core::crash;
use myevents_core::ports::{Committed, Outcome};
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::book::{Batch, Next};
use super::bookings::{booking_document, booking_of, holder_id};
use super::codec::{Fields, event_id};
use super::counters::{self, LARGEST_ENTRY, booking_entry, counter_of, shown};
use super::error::malformed;
use super::messages::{Kind, Lease, NewMessage, token_text};
use super::rollforward::{Fate, lost_seats};

/// How long an entry that is carried out is left to the next commit, before it is taken off in a call of its own.
const LEFT_TO_THE_NEXT: Duration = Duration::from_millis(20);

/// Whether a wish went into a commit.
#[derive(Debug)]
pub(super) enum Added {
    Yes,
    /// There is no room for it behind the others: it goes into the next one.
    Full,
    /// There is no room for it at all, and it was told so.
    TooLarge,
}

/// What one commit takes.
pub(super) struct Commit {
    counter: Counter,
    pub(super) token: String,
    lease: Option<Lease>,
    granted: Vec<Granted>,
    bytes: usize,
}

struct Granted {
    at: usize,
    message: NewMessage,
    document: Document,
    raw: RawDocumentBuf,
}

impl Commit {
    pub(super) fn is_empty(&self) -> bool {
        self.granted.is_empty()
    }

    /// The places of the wishes in it.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.granted.iter().map(|granted| granted.at)
    }

    fn documents(&self) -> Vec<RawDocumentBuf> {
        self.granted.iter().map(|granted| granted.raw.clone()).collect()
    }
}

impl Batch {
    /// An empty commit under the epoch of `counter`.
    pub(super) fn new_commit(&self, counter: Counter) -> Commit {
        let instance = &self.inner.instance;
        Commit {
            counter,
            token: token_text(instance.new_token()),
            lease: instance.new_lease(self.inner.now()),
            granted: Vec::new(),
            bytes: 0,
        }
    }

    /// Encodes a wish into the commit: what can't be encoded must not be committed.
    pub(super) fn add(&mut self, commit: &mut Commit, at: usize) -> Result<Added> {
        let inner = &self.inner;
        let booking = &self.wishes[at].request.booking;
        let message = NewMessage::new(
            self.wishes[at].request.message.clone(),
            &inner.instance,
            inner.now(),
        );
        let holder = booking
            .person
            .as_ref()
            .map(|person| holder_id(&inner.secret(), &self.event, person));
        let document = booking_document(
            booking,
            &commit.token,
            holder,
            Some(message.document(commit.lease)),
        );
        let raw = RawDocumentBuf::try_from(&document)
            .map_err(|source| malformed("a booking can't be encoded").caused_by(source))?;
        let bytes = raw.as_bytes().len();
        if bytes > LARGEST_ENTRY {
            self.wishes[at].answer = Some(Err(Error::new(
                ErrorKind::TooLarge,
                "book",
                "the booking with its message is larger than this store commits",
            )));
            return Ok(Added::TooLarge);
        }
        if commit.bytes + bytes > LARGEST_ENTRY {
            return Ok(Added::Full);
        }
        commit.bytes += bytes;
        commit.granted.push(Granted {
            at,
            message,
            document,
            raw,
        });
        Ok(Added::Yes)
    }

    /// Sends the commit and carries it out.
    pub(super) async fn commit(&mut self, mut commit: Commit) -> Result<Next> {
        if self.wishes.iter().any(|wish| wish.reserved.is_some()) {
            crash::point("mongodb.after-reserve").await;
        }
        let now = Instant::now();
        if commit.places().any(|at| now > self.wishes[at].request.deadline) {
            return Ok(Next::Remembered);
        }
        let last = commit.places().map(|at| self.wishes[at].request.deadline).max();
        let limit = last.map_or(self.inner.link.limit, |last| {
            self.inner.link.limit.min(last - now)
        });
        let replaced = self.desk.take_one_carried_out();
        if replaced.is_none()
            && self.desk.has_carried_out()
            && let Err(error) = self.inner.clear(&self.desk, &self.event).await
        {
            tracing::debug!(event = %self.event, %error, "carried out entries stay on the list for now");
        }
        let (filter, update) = self.condition(&mut commit, replaced.as_deref());
        let link = &self.inner.link;
        let answer = link
            .change_within(
                "commit bookings",
                &link.inventory,
                filter,
                update,
                Some(shown()),
                limit,
            )
            .await;
        if let Some(token) = replaced
            && !matches!(answer, Ok(Some(_)))
        {
            // It may be on the list as before; to take it off once more does no harm.
            self.clear_later(token);
        }
        match answer {
            Ok(Some(document)) => {
                self.sent(&commit);
                let counter = counter_of(Fields(&document))?;
                self.desk.remember(&counter);
                crash::point("mongodb.after-commit").await;
                self.carry_out(commit).await
            }
            // Another epoch, fewer seats, cancelled, no room on the list, or somebody took off what this was to replace: one
            // look tells which.
            Ok(None) => Ok(Next::LookLater),
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                self.sent(&commit);
                Err(error)
            }
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                for at in commit.places() {
                    self.wishes[at].answer = Some(Err(error.duplicate()));
                }
                Ok(Next::Look)
            }
        }
    }

    /// From here on these wishes may be booked, whatever happens to this call.
    fn sent(&mut self, commit: &Commit) {
        self.tries.push(commit.token.clone());
        for at in commit.places() {
            self.wishes[at].sent = true;
        }
    }

    /// The commit's filter and its update. It takes the place of the entry `replaced` where there is one: that leaves the
    /// list as long as it was.
    fn condition(&self, commit: &mut Commit, replaced: Option<&str>) -> (Document, Document) {
        let seats: i64 = commit.places().map(|at| i64::from(self.wishes[at].seats())).sum();
        let mut filter = doc! {
            "_id": event_id(&self.event),
            "state": counter::CounterState::Open.as_str(),
            "epoch": counters::number(commit.counter.epoch),
        };
        let mut change = doc! { "sold": seats, "rev": 1_i64 };
        if commit.counter.available.is_some() {
            filter.insert("available", doc! { "$gte": seats });
            change.insert("available", -seats);
        } else {
            filter.insert("available", doc! { "$exists": false });
        }
        let documents = commit
            .granted
            .iter_mut()
            .map(|granted| std::mem::take(&mut granted.document));
        let entry = booking_entry(&commit.token, self.inner.now().0, documents.collect());
        let update = if let Some(replaced) = replaced {
            filter.insert("pending.token", replaced);
            doc! { "$inc": change, "$set": { "pending.$": entry } }
        } else {
            counters::has_room(&mut filter);
            doc! { "$inc": change, "$push": { "pending": entry } }
        };
        (filter, update)
    }

    /// Inserts what is committed and answers its wishes. Taking the entry off the list may follow after the answers.
    async fn carry_out(&mut self, commit: Commit) -> Result<Next> {
        let documents = commit.documents();
        let fates = match self.inner.insert_entry(&commit.token, &documents).await {
            Ok(fates) => fates,
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => {
                tracing::error!(event = %self.event, %error, "committed bookings can't be stored; they keep their seats until they can");
                self.stuck.insert(commit.token.clone());
                return self.tell_stuck(&commit);
            }
        };
        let forgotten = self.inner.forget_removed(&documents).await?;
        crash::point("mongodb.after-insert").await;
        let lost = lost_seats(&documents, &fates)?;
        if lost > 0 {
            let settled = self
                .inner
                .settle(&self.desk, &self.event, &commit.token, lost)
                .await;
            if let Err(error) = settled {
                tracing::debug!(event = %self.event, %error, "seats of losing duplicates come back later");
            }
        } else {
            self.clear_later(commit.token.clone());
        }
        for (granted, fate) in commit.granted.iter().zip(fates) {
            let wish = &mut self.wishes[granted.at];
            let wanted = &wish.request.booking;
            let answer = match fate {
                Fate::Mine => {
                    let mut booking = wanted.clone();
                    if forgotten.contains(&booking.id) {
                        booking.forget_person();
                    }
                    let row = commit
                        .lease
                        .map(|lease| granted.message.row(Kind::Bookings, booking.id.as_bytes(), lease));
                    Committed {
                        value: Outcome::Booked(booking),
                        leased: row.into_iter().collect(),
                    }
                }
                Fate::Lost(stored) => {
                    Committed::quiet(counter::replay(&booking_of(Fields(&stored))?, wanted))
                }
            };
            wish.answer = Some(Ok(answer));
        }
        Ok(Next::Remembered)
    }

    fn tell_stuck(&mut self, commit: &Commit) -> Result<Next> {
        for at in commit.places() {
            self.wishes[at].answer = Some(Err(Error::new(
                ErrorKind::Unavailable,
                "book",
                "its seats are taken, but the database refuses to store the booking; it is tried again",
            )));
        }
        Ok(Next::Look)
    }

    /// Takes the entry off the list behind the answers, together with others of the event that wait for it, unless a commit
    /// takes its place meanwhile.
    fn clear_later(&self, token: String) {
        self.desk.add_carried_out(token.clone());
        let (inner, desk, event) = (self.inner.clone(), self.desk.clone(), self.event.clone());
        let tasks = self.inner.tasks.clone();
        tasks.spawn(async move {
            tokio::time::sleep(LEFT_TO_THE_NEXT).await;
            if !desk.is_carried_out(&token) {
                return;
            }
            if let Err(error) = inner.clear(&desk, &event).await {
                tracing::debug!(%event, %error, "carried out entries stay on the list for now");
            }
        });
    }
}
