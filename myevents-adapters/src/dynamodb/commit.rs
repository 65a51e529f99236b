//! The commit of a batch: one transaction of the counter, the bookings, what each person has, the marks of removed users, and
//! one outbox item; and what its reasons say about each wish.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use myevents_core::contract::MessageId;
use myevents_core::counter::{self, Counter};
use myevents_core::crash;
use myevents_core::domain::{BookingId, Person, UserId};
use myevents_core::ports::{Committed, OutboxRow, Outcome};
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::attach::Earlier;
use super::book::{Known, Round, Wish};
use super::codec::{booking_from_item, booking_to_item, counter_from_item, key};
use super::expression::Expression;
use super::holders::{Share, tally_from_item};
use super::inventory::sell;
use super::item::Item;
use super::names::{ID, REMOVED};
use super::transact::{Reason, Verdict, transact};

/// Where each part of a commit stands among its actions.
#[derive(Debug)]
struct Commit {
    actions: Vec<TransactWriteItem>,
    /// What each action is about, position by position.
    about: Vec<About>,
    /// The counter as the commit leaves it.
    after: Counter,
    leased: HashMap<MessageId, OutboxRow>,
}

#[derive(Debug, Clone)]
enum About {
    Counter,
    Booking(BookingId),
    Holder(Person),
    User(UserId),
    Outbox,
}

impl Round<'_> {
    /// Commits the wishes at these positions, or learns from the reasons why it can't be.
    pub(super) async fn commit(&mut self, grants: Vec<usize>) -> Result<()> {
        let Some(counter) = self.view.and_then(|view| view.counter) else {
            self.view = None;
            return Ok(());
        };
        let wishes: Vec<&Wish> = grants.iter().map(|at| &self.pending[*at]).collect();
        let ids: Vec<BookingId> = wishes.iter().map(|wish| wish.booking.id.clone()).collect();
        let deadlines = wishes.iter().map(|wish| wish.request.deadline);
        let deadline = deadlines
            .min()
            .map_or(self.give_up, |first| first.min(self.give_up));
        let commit = self.build(counter, &wishes)?;
        let (about, after, leased) = (commit.about, commit.after, commit.leased);

        crash::point("dynamodb.before-commit").await;
        let verdict = transact(&self.store.clients, "book", commit.actions, deadline).await;
        crash::point("dynamodb.after-commit").await;
        match verdict {
            Ok(Verdict::Applied) => self.applied(&ids, after, leased),
            Ok(Verdict::Cancelled(reasons)) => self.learn(about.into_iter().zip(reasons)),
            Ok(Verdict::Refused(error)) => {
                // Which of them is at fault is found by halving.
                if let [id] = ids.as_slice() {
                    self.answer(id, Err(error));
                    self.most = super::book::MAX_BATCH;
                } else {
                    self.most = ids.len().div_ceil(2);
                }
                Ok(())
            }
            Err(error) => self.given_up(&ids, error, deadline),
        }
    }

    fn build(&self, counter: Counter, wishes: &[&Wish]) -> Result<Commit> {
        let tables = &self.store.tables;
        let messages: Vec<_> = wishes.iter().map(|wish| wish.request.message.clone()).collect();
        // Bookings are new, so no message of theirs is earlier; each gets an item of its own shard with the others.
        let posted = self.store.post("book", &messages, "", None, Earlier::Gone)?;
        let [outbox] = <[TransactWriteItem; 1]>::try_from(posted.actions).map_err(|_| one_outbox_item())?;
        let place = *posted.places.first().ok_or_else(one_outbox_item)?;

        let mut after = counter;
        let mut shares: HashMap<Person, Share> = HashMap::new();
        let mut users = Vec::new();
        let mut bookings = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let booking = &wish.booking;
            after.sell(booking.seats.get());
            if let Some(person) = &booking.person {
                let share = shares.entry(person.clone()).or_default();
                share.take(booking.seats.get(), wish.request.limits);
            }
            if let Some(user) = &booking.user
                && !users.contains(user)
            {
                users.push(user.clone());
            }
            let new = Expression::new().when_absent(ID);
            let put = new.put(&tables.bookings, booking_to_item(booking, 1, Some(place)))?;
            bookings.push((About::Booking(booking.id.clone()), put));
        }
        let sold = after.sold - counter.sold;
        let mut parts = vec![(
            About::Counter,
            sell(&counter, sold).update(&tables.inventory, key(self.event.as_bytes()))?,
        )];
        parts.extend(bookings);
        for (person, share) in shares {
            let action = share.action(&tables.state, &self.event, &person)?;
            parts.push((About::Holder(person), action));
        }
        for user in users {
            let kept = Expression::new().when_absent(REMOVED);
            let check = kept.check(&tables.users, key(user.as_bytes()))?;
            parts.push((About::User(user), check));
        }
        parts.push((About::Outbox, outbox));
        let (about, actions) = parts.into_iter().unzip();
        let leased = posted
            .leased
            .into_iter()
            .map(|row| (row.envelope.id().clone(), row));
        Ok(Commit {
            actions,
            about,
            after,
            leased: leased.collect(),
        })
    }

    fn applied(
        &mut self,
        ids: &[BookingId],
        after: Counter,
        mut leased: HashMap<MessageId, OutboxRow>,
    ) -> Result<()> {
        // Others may have taken seats in the same epoch meanwhile: from here on it may grant, not refuse.
        *self.turn = Some(after);
        self.view = Some(super::book::View {
            counter: Some(after),
            fresh: false,
        });
        for id in ids {
            let Some(wish) = self.pending.iter().find(|wish| wish.booking.id == *id) else {
                continue;
            };
            let booking = wish.booking.clone();
            if let Some(person) = &booking.person {
                let known = self.people.entry(person.clone()).or_default();
                known.fresh = false;
                known.tally.seats += u64::from(booking.seats.get());
                known.tally.bookings += 1;
            }
            let rows: Vec<OutboxRow> = leased.remove(wish.request.message.id()).into_iter().collect();
            self.store.note_held(&rows);
            self.stored.insert(id.clone(), booking.clone());
            let value = Outcome::Booked(booking);
            self.answer(id, Ok(Committed { value, leased: rows }));
        }
        Ok(())
    }

    /// Reads the reasons: bookings first, as whoever is stored already is not to be refused by the counter.
    fn learn(&mut self, reasons: impl Iterator<Item = (About, Reason)>) -> Result<()> {
        let mut counter = None;
        for (about, reason) in reasons {
            match (about, reason) {
                (_, Reason::None) => {}
                (About::Booking(id), Reason::Condition(Some(old))) => self.exists(&id, &old),
                (About::Booking(id), Reason::Invalid(error)) => self.answer(&id, Err(error)),
                (About::Booking(_), Reason::Condition(None)) => return Err(no_old_item()),
                (About::Holder(person), Reason::Condition(old)) => {
                    let tally = tally_from_item(old.as_ref())?;
                    self.people.insert(person, Known { tally, fresh: true });
                }
                (About::User(user), Reason::Condition(_)) => self.strip(&user),
                (About::Counter, Reason::Condition(old)) => counter = Some(old),
                // Its id is taken, which a new one is not.
                (About::Outbox, Reason::Condition(_)) => {}
                (About::Outbox, Reason::Invalid(_)) if self.most > 1 => self.most = self.most.div_ceil(2),
                (_, Reason::Invalid(error)) => return Err(error),
            }
        }
        if let Some(old) = counter {
            let seen = old.as_ref().map(counter_from_item).transpose()?;
            self.see(seen);
        }
        Ok(())
    }

    fn exists(&mut self, id: &BookingId, old: &Item) {
        let Some(wish) = self.pending.iter().find(|wish| wish.booking.id == *id) else {
            return;
        };
        let answer = booking_from_item(old).map(|stored| {
            let outcome = counter::replay(&stored, &wish.request.booking);
            self.stored.insert(id.clone(), stored);
            Committed::quiet(outcome)
        });
        self.answer(id, answer);
    }

    /// The user was removed: what is booked for them is stored without them.
    fn strip(&mut self, user: &UserId) {
        for wish in &mut self.pending {
            if wish.booking.user.as_ref() == Some(user) {
                wish.booking.forget_person();
            }
        }
    }

    /// A commit that was given up. Who still has time is decided again from the top: should the commit apply late, their
    /// bookings are found under the same ids.
    fn given_up(&mut self, ids: &[BookingId], error: Error, deadline: Instant) -> Result<()> {
        let now = Instant::now();
        if !error.is_retryable() {
            return Err(error);
        }
        // Before the deadline only what could not be sent at all is given up.
        let over = now >= self.give_up || now < deadline;
        for id in ids {
            let late = self
                .pending
                .iter()
                .any(|wish| wish.booking.id == *id && (over || now >= wish.request.deadline));
            if late {
                self.answer(id, Err(error.duplicate()));
            }
        }
        if over {
            // The rest was in no try.
            return Err(
                Error::new(ErrorKind::Unavailable, "book", "DynamoDB did not answer in time")
                    .caused_by(error),
            );
        }
        self.view = None;
        Ok(())
    }
}

fn one_outbox_item() -> Error {
    Error::new(
        ErrorKind::Internal,
        "book",
        "the messages of a batch fit into no single outbox item",
    )
}

fn no_old_item() -> Error {
    Error::new(
        ErrorKind::Internal,
        "book",
        "DynamoDB did not tell which booking is in the way",
    )
}
