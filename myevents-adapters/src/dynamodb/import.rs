//! Bookings that were moved here: stored as they are, in transactions with what their persons hold and with the marks of
//! removed users.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::TransactWriteItem;
use myevents_core::counter::is_confirmed;
use myevents_core::domain::{Booking, EventId, Person, PersonLimits, UserId};
use myevents_core::ports::Inserted;
use myevents_core::{Error, ErrorKind, Result};

use super::codec::{booking_from_item, booking_to_item, key};
use super::expression::Expression;
use super::holders::Share;
use super::item::size;
use super::names::{ID, REMOVED};
use super::seats::imported;
use super::store::{Shared, too_busy};
use super::transact::{MAX_ACTIONS, Reason, Verdict, transact};

const OPERATION: &str = "import bookings";

/// The most bytes of one transaction's bookings: below the 4 MB that DynamoDB takes.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// A booking that is not stored yet, and its place among those given.
struct Open {
    at: usize,
    booking: Booking,
}

enum About {
    /// Of `open`, by position.
    Booking(usize),
    Holder,
    User(UserId),
}

/// One transaction.
struct Part {
    /// How many of `open` it takes, from the front.
    bookings: usize,
    about: Vec<About>,
    actions: Vec<TransactWriteItem>,
}

impl Shared {
    pub(super) async fn import_bookings(&self, given: &[Booking]) -> Vec<Result<Inserted<Booking>>> {
        // Sums of seats that are read meanwhile would hold some of them.
        let mut sums = self.sums.lock().await;
        let results = self.import_all(given).await;
        imported(&mut sums, given, &results);
        results
    }

    async fn import_all(&self, given: &[Booking]) -> Vec<Result<Inserted<Booking>>> {
        let mut results: Vec<Option<Result<Inserted<Booking>>>> = given.iter().map(|_| None).collect();
        let mut open: Vec<Open> = given
            .iter()
            .enumerate()
            .map(|(at, booking)| Open {
                at,
                booking: booking.clone(),
            })
            .collect();
        let mut most = MAX_ACTIONS;
        while !open.is_empty() {
            if let Err(error) = self.import_some(&mut open, &mut results, &mut most).await {
                for open in open.drain(..) {
                    results[open.at] = Some(Err(error.duplicate()));
                }
            }
        }
        let unanswered = || Err(too_busy(OPERATION));
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(unanswered))
            .collect()
    }

    /// Stores as many of `open` as go into one transaction, or learns what keeps it from being applied.
    async fn import_some(
        &self,
        open: &mut Vec<Open>,
        results: &mut [Option<Result<Inserted<Booking>>>],
        most: &mut usize,
    ) -> Result<()> {
        let part = self.import_part(open, *most)?;
        let verdict = transact(&self.clients, OPERATION, part.actions, self.end_of_patience()).await?;
        let reasons = match verdict {
            Verdict::Applied => {
                for open in open.drain(..part.bookings) {
                    results[open.at] = Some(Ok(Inserted::New));
                }
                *most = MAX_ACTIONS;
                return Ok(());
            }
            Verdict::Refused(error) if part.bookings == 1 => {
                results[open.remove(0).at] = Some(Err(error));
                *most = MAX_ACTIONS;
                return Ok(());
            }
            // Which of them is at fault is found by halving.
            Verdict::Refused(_) => {
                *most = part.bookings.div_ceil(2);
                return Ok(());
            }
            Verdict::Cancelled(reasons) => reasons,
        };
        let mut answered: HashMap<usize, Result<Inserted<Booking>>> = HashMap::new();
        let mut stripped = false;
        for (about, reason) in part.about.into_iter().zip(reasons) {
            match (about, reason) {
                (About::Booking(position), Reason::Condition(Some(old))) => {
                    let stored = booking_from_item(&old)?;
                    answered.insert(position, existing(stored, &open[position].booking));
                }
                (About::Booking(position), Reason::Invalid(error)) => {
                    answered.insert(position, Err(error));
                }
                (About::User(user), Reason::Condition(_)) => {
                    for open in open
                        .iter_mut()
                        .filter(|open| open.booking.user.as_ref() == Some(&user))
                    {
                        open.booking.forget_person();
                        stripped = true;
                    }
                }
                (_, Reason::Invalid(error)) => return Err(error),
                _ => {}
            }
        }
        if answered.is_empty() && !stripped {
            return Err(too_busy(OPERATION));
        }
        for (position, answer) in &mut answered {
            let answer = std::mem::replace(answer, Ok(Inserted::New));
            results[open[*position].at] = Some(answer);
        }
        let mut position = 0;
        open.retain(|_| {
            position += 1;
            !answered.contains_key(&(position - 1))
        });
        Ok(())
    }

    /// The transaction of the first of `open`, of at most `most` actions.
    fn import_part(&self, open: &[Open], most: usize) -> Result<Part> {
        let tables = &self.tables;
        let (mut about, mut actions) = (Vec::new(), Vec::new());
        let mut shares: HashMap<(EventId, Person), Share> = HashMap::new();
        let mut users: HashSet<&UserId> = HashSet::new();
        let mut ids = HashSet::new();
        let mut bytes = 0;
        for (position, Open { booking, .. }) in open.iter().enumerate() {
            let confirmed = is_confirmed(&booking.state);
            let held = booking.person.as_ref().filter(|_| confirmed);
            let held = held.map(|person| (booking.event.clone(), person.clone()));
            let more = 1
                + usize::from(held.as_ref().is_some_and(|held| !shares.contains_key(held)))
                + usize::from(booking.user.as_ref().is_some_and(|user| !users.contains(user)));
            let item = booking_to_item(booking, 1, None);
            let weight = size(&item);
            let all = actions.len() + shares.len() + users.len() + more;
            // One is always taken; of two with the same id the second meets the first in the next transaction.
            let full = all > most.max(3) || bytes + weight > MAX_BYTES;
            if (position > 0 && (full || position >= most)) || !ids.insert(&booking.id) {
                break;
            }
            bytes += weight;
            if let Some(held) = held {
                let share = shares.entry(held).or_default();
                share.take(booking.seats.get(), PersonLimits::default());
            }
            users.extend(&booking.user);
            about.push(About::Booking(position));
            actions.push(Expression::new().when_absent(ID).put(&tables.bookings, item)?);
        }
        let bookings = actions.len();
        for ((event, person), share) in shares {
            about.push(About::Holder);
            actions.push(share.action(&tables.state, &event, &person)?);
        }
        for user in users {
            about.push(About::User(user.clone()));
            let kept = Expression::new().when_absent(REMOVED);
            actions.push(kept.check(&tables.users, key(user.as_bytes()))?);
        }
        Ok(Part {
            bookings,
            about,
            actions,
        })
    }
}

fn existing(stored: Booking, given: &Booking) -> Result<Inserted<Booking>> {
    if stored.fingerprint == given.fingerprint {
        return Ok(Inserted::Existing(stored));
    }
    Err(Error::new(
        ErrorKind::Conflict,
        OPERATION,
        "another booking has this id",
    ))
}
