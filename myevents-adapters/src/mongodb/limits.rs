//! A wish and the limits of its person: reserving before the commit, and being sure before a refusal.

use std::collections::HashSet;
use std::time::Duration;

use myevents_core::counter::{Counter, Tally};
use myevents_core::domain::BookingId;
use myevents_core::ports::Outcome;
use myevents_core::{Error, ErrorKind, Result};

use super::book::{Batch, Next};
use super::bookings::holder_id;
use super::codec::version;
use super::commit::Commit;
use super::counters::Seen;
use super::holders::{Holder, Room, verify};

/// How often a call waits for somebody else's reservation to become a booking, before it ends that try.
pub(super) const WAITS: u32 = 15;

/// How long it waits each time.
const WAIT: Duration = Duration::from_millis(20);

/// How often a record that others change at the same time is tried.
const TRIES: usize = 100;

/// What a limit per person says to a wish.
#[derive(Debug)]
pub(super) enum Held {
    /// It is within the limits; where it was to be reserved, it is.
    Within,
    /// The limit is reached, for good as things stand.
    Reached,
    /// It is told after this commit: the limit is reached by wishes in it, or by somebody else's that are not committed yet.
    Behind,
    /// It can't be told from this look.
    Again(Next),
}

/// Whether a wish is to have its reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Reserve,
    Look,
}

/// What a second look at a full record says.
enum Second {
    Changed,
    Told(Held),
}

impl Batch {
    /// Reserves for a wish that fits the seats, under the token of the commit it goes into.
    pub(super) async fn reserve(
        &mut self,
        at: usize,
        counter: &Counter,
        seen: Option<&Seen>,
        commit: &Commit,
    ) -> Result<Held> {
        self.hold(at, counter, seen, commit, Mode::Reserve).await
    }

    /// The same for a wish that does not fit the seats: a limit comes before seats in what it is told.
    pub(super) async fn is_within_limits(
        &mut self,
        at: usize,
        counter: &Counter,
        seen: Option<&Seen>,
        commit: &Commit,
    ) -> Result<Held> {
        self.hold(at, counter, seen, commit, Mode::Look).await
    }

    async fn hold(
        &mut self,
        at: usize,
        counter: &Counter,
        seen: Option<&Seen>,
        commit: &Commit,
        mode: Mode,
    ) -> Result<Held> {
        let held = self.try_hold(at, counter, seen, commit, mode).await;
        // Only a commit can leave a booking in doubt: what became of a reservation is found out by the next look.
        held.map_err(|error| match error.kind() {
            ErrorKind::OutcomeUnknown => Error::new(
                ErrorKind::Unavailable,
                "keep limits",
                "the database did not answer in time",
            )
            .caused_by(error),
            _ => error,
        })
    }

    async fn try_hold(
        &mut self,
        at: usize,
        counter: &Counter,
        seen: Option<&Seen>,
        commit: &Commit,
        mode: Mode,
    ) -> Result<Held> {
        let wish = &self.wishes[at];
        let (booking, seats, limits) = (wish.id().clone(), wish.seats(), wish.request.limits);
        let Some(person) = &wish.request.booking.person else {
            return Ok(match (Tally::default().allows(seats, limits), seen) {
                (true, _) => Held::Within,
                (false, Some(_)) => Held::Reached,
                (false, None) => Held::Again(Next::Look),
            });
        };
        let holder = holder_id(&self.inner.secret(), &self.event, person);
        let own: HashSet<BookingId> = commit.places().map(|at| self.wishes[at].id().clone()).collect();
        for _ in 0..TRIES {
            let Some(record) = self.record(holder, counter, seen).await? else {
                return Ok(Held::Again(Next::Look));
            };
            match record.room(&booking, seats, &commit.token, limits) {
                Room::New(_) | Room::Renewed(..) if mode == Mode::Look => return Ok(Held::Within),
                Room::New(with) => {
                    if self.inner.store_holder(&self.event, holder, &with).await? {
                        self.wishes[at].reserved = Some(commit.token.clone());
                        return Ok(Held::Within);
                    }
                }
                Room::Renewed(with, before) => {
                    if self.inner.store_holder(&self.event, holder, &with).await? {
                        // One that somebody else made is left to orphans' rules.
                        let made = self.wishes[at].reserved.as_deref() == Some(before.as_str());
                        self.wishes[at].reserved = made.then(|| commit.token.clone());
                        return Ok(Held::Within);
                    }
                }
                Room::Full => {
                    let Some(seen) = seen else {
                        return Ok(Held::Again(Next::Look));
                    };
                    if let Second::Told(held) =
                        self.second_look(&booking, holder, &record, seen, &own).await?
                    {
                        return Ok(held);
                    }
                }
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "keep limits",
            "too many bookings of one person at once; try again",
        ))
    }

    /// The record for the version of `counter`; none when that needs a fresh look.
    async fn record(
        &mut self,
        holder: [u8; 12],
        counter: &Counter,
        seen: Option<&Seen>,
    ) -> Result<Option<Holder>> {
        let stored = self.inner.load_holder(holder).await?;
        let version = version(counter.version);
        let rev = match &stored {
            Some(record) if record.version == version => return Ok(stored),
            // Somebody saw a later counter.
            Some(record) if record.version > version => return Ok(None),
            Some(record) => record.rev,
            None => 0,
        };
        let Some(seen) = seen else { return Ok(None) };
        // Commits under an earlier version, which may have had no limits, are stored or will never be: their epoch is over.
        if self.roll_all(seen).await? {
            return Ok(None);
        }
        self.inner.count_holder(holder, version, rev).await.map(Some)
    }

    /// Finds out which entries of a full record count, and takes the others out.
    async fn second_look(
        &mut self,
        wanted: &BookingId,
        holder: [u8; 12],
        record: &Holder,
        seen: &Seen,
        own: &HashSet<BookingId>,
    ) -> Result<Second> {
        if self.roll_all(seen).await? {
            return Ok(Second::Told(Held::Again(Next::Look)));
        }
        // Its own id once more: a lost commit of an earlier try may have booked it since the look, and somebody may have
        // cancelled it and taken its entry out.
        let of_record = record.entries.iter().map(|held| held.booking.clone());
        let ids: Vec<BookingId> = of_record.chain([wanted.clone()]).collect();
        let stored = self.inner.find_bookings(&ids).await?;
        if stored.contains_key(wanted) {
            return Ok(Second::Told(Held::Again(Next::Look)));
        }
        let verified = verify(record, holder, &stored, own)?;
        if verified.surplus {
            let mut right = record.clone();
            right.entries = verified.kept.into_iter().chain(verified.open).collect();
            self.inner.store_holder(&self.event, holder, &right).await?;
            return Ok(Second::Changed);
        }
        if verified.open.is_empty() {
            return Ok(Second::Told(if verified.own {
                Held::Behind
            } else {
                Held::Reached
            }));
        }
        if !own.is_empty() {
            // Whoever waits while holding reservations keeps others waiting who do the same: what is in the commit goes first.
            return Ok(Second::Told(Held::Behind));
        }
        if self.waits > 0 {
            // Most likely somebody is just about to commit it.
            self.waits -= 1;
            tokio::time::sleep(WAIT.mul_f64(rand::random_range(0.5..1.5))).await;
            return Ok(Second::Changed);
        }
        // Its token was read with the record; no commit under it can apply once the epoch is another, and a later try
        // would have renewed it.
        let raised = self.inner.raise_epoch(&self.event).await?;
        let Some(raised) = raised else {
            return Ok(Second::Told(Held::Again(Next::Look)));
        };
        for entry in &raised.pending {
            self.roll(entry).await?;
        }
        let open: Vec<BookingId> = verified.open.iter().map(|held| held.booking.clone()).collect();
        let stored = self.inner.find_bookings(&open).await?;
        let mut right = record.clone();
        let gone = |booking: &BookingId| open.contains(booking) && !stored.contains_key(booking);
        let stuck = |booking: &BookingId| raised.pending.iter().any(|entry| entry.holds(booking));
        right
            .entries
            .retain(|held| !gone(&held.booking) || stuck(&held.booking));
        if right.entries.len() < record.entries.len() {
            self.inner.store_holder(&self.event, holder, &right).await?;
        } else if stored.is_empty() {
            // All that is left is committed and can't be stored: it counts.
            return Ok(Second::Told(Held::Reached));
        }
        Ok(Second::Told(Held::Again(Next::Look)))
    }

    /// Gives back the reservations of wishes that were refused. What is not given back is found out by whom it refuses.
    pub(super) fn release_holds(&mut self) {
        let mut holds = Vec::new();
        for wish in &self.wishes {
            let booked = matches!(
                &wish.answer,
                Some(Ok(committed)) if matches!(committed.value, Outcome::Booked(_) | Outcome::Existing(_) | Outcome::KeyReused)
            );
            if let (Some(token), Some(person)) = (&wish.reserved, &wish.request.booking.person)
                && !booked
                && !wish.sent
            {
                let holder = holder_id(&self.inner.secret(), &self.event, person);
                holds.push((holder, wish.id().clone(), token.clone()));
            }
        }
        if holds.is_empty() {
            return;
        }
        let (inner, event) = (self.inner.clone(), self.event.clone());
        let tasks = self.inner.tasks.clone();
        tasks.spawn(async move {
            for (holder, booking, token) in holds {
                if let Err(error) = inner.release_hold(&event, holder, &booking, &token).await {
                    tracing::debug!(%event, %error, "a reservation of a refused wish stays for now");
                }
            }
        });
    }
}
