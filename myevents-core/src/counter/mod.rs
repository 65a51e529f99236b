//! The counter of an event: the pure rules by which every store sells seats, gives them back and follows the event.
//!
//! A store loads a [`Counter`], lets these functions change it, and writes it back in the same atomic step as the
//! bookings and messages. Stores that decide on the server by a condition use the same rules to build it.

mod merge;

pub use merge::{merge_counter, merge_event, merge_location};

use crate::domain::{Booking, BookingState, Capacity, EventId, PersonLimits, Version};
use crate::error::{Error, ErrorKind};
use crate::ports::{Availability, BookOptions, Outcome, Reconciliation, UnknownCapacity};

/// Whether seats of an event may be sold at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CounterState {
    /// Seats may be sold.
    Open,
    /// The event was cancelled. Final.
    Cancelled,
}

impl CounterState {
    /// The word in stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Cancelled => "cancelled",
        }
    }

    /// Takes the word from a store; only `cancelled` is cancelled.
    #[must_use]
    pub fn from_stored(word: &str) -> Self {
        if word == "cancelled" {
            Self::Cancelled
        } else {
            Self::Open
        }
    }
}

/// How many seats of an event are sold and left.
///
/// What holds at rest: `available = capacity − sold − held` while the capacity is known, and `sold` is the sum of the
/// seats of all confirmed bookings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Counter {
    /// Open or cancelled.
    pub state: CounterState,
    /// The version of the event it follows.
    pub version: Version,
    /// The seats that can be sold; `None` = unknown, which is not zero.
    pub capacity: Capacity,
    /// The seats sold, also kept while the capacity is unknown.
    pub sold: i64,
    /// The seats held without being sold; 0 until there are holds.
    pub held: i64,
    /// The seats left. Absent exactly while the capacity is unknown; below 0 after the capacity was lowered.
    pub available: Option<i64>,
    /// One more at each change.
    pub rev: u64,
    /// One more whenever `available` may rise, and with every version of the event. A decision commits only in the epoch it saw: within one epoch
    /// `available` only falls, so a late commit can't apply after a refusal.
    pub epoch: u64,
}

impl Counter {
    /// The counter of an event of which nothing is sold.
    #[must_use]
    pub fn new(state: CounterState, version: Version, capacity: Capacity) -> Self {
        Self {
            state,
            version,
            capacity,
            sold: 0,
            held: 0,
            available: capacity.map(as_seats),
            rev: 0,
            epoch: 0,
        }
    }

    /// Takes `seats` without asking; [`take`] asks first.
    pub fn sell(&mut self, seats: u32) {
        self.sold += i64::from(seats);
        if let Some(available) = &mut self.available {
            *available -= i64::from(seats);
        }
        self.rev += 1;
    }

    /// Gives the seats of one cancelled booking back. While the capacity is unknown only `sold` changes.
    pub fn give_back(&mut self, seats: u32) {
        self.sold -= i64::from(seats);
        if let Some(available) = &mut self.available {
            *available += i64::from(seats);
        }
        self.rev += 1;
        self.epoch += 1;
    }

    /// Changes the capacity. Lowered below what is sold nobody loses a seat: `available` is below 0 then and nothing
    /// is granted until seats fit.
    pub fn set_capacity(&mut self, capacity: Capacity) {
        if capacity == self.capacity {
            return;
        }
        let before = self.available;
        self.available = match (self.capacity, capacity) {
            (Some(old), Some(new)) => before.map(|left| left + (as_seats(new) - as_seats(old))),
            (None, Some(new)) => Some(as_seats(new) - self.sold - self.held),
            (_, None) => None,
        };
        self.capacity = capacity;
        self.rev += 1;
        if self.available > before {
            self.epoch += 1;
        }
    }

    /// Ends the sale for good.
    pub fn cancel(&mut self) {
        if self.state != CounterState::Cancelled {
            self.state = CounterState::Cancelled;
            self.rev += 1;
        }
    }

    /// The counter as people see it.
    #[must_use]
    pub fn availability(&self, event: &EventId) -> Availability {
        let available = match self.state {
            CounterState::Cancelled => Some(0),
            CounterState::Open => self.available.map(shown),
        };
        Availability {
            event: event.clone(),
            capacity: self.capacity,
            available,
        }
    }

    /// Holds the counter against `confirmed`, the seats of all confirmed bookings.
    #[must_use]
    pub fn reconcile(&self, event: &EventId, confirmed: i64) -> Reconciliation {
        let lacking = match (self.capacity, self.available) {
            (Some(capacity), Some(available)) => as_seats(capacity) - self.sold - self.held - available,
            _ => 0,
        };
        Reconciliation {
            event: event.clone(),
            capacity: self.capacity,
            sold: self.sold,
            held: self.held,
            available: self.available,
            confirmed,
            // Not their sum: seats wrongly added to `sold` alone make both off by the same, with opposite signs.
            drift: if self.sold == confirmed {
                lacking
            } else {
                self.sold - confirmed
            },
        }
    }

    /// Sets the counter right by `confirmed`; answers whether that changed it.
    pub fn repair(&mut self, confirmed: i64) -> bool {
        let available = self
            .capacity
            .map(|capacity| as_seats(capacity) - confirmed - self.held);
        if self.sold == confirmed && self.available == available {
            return false;
        }
        if available > self.available {
            self.epoch += 1;
        }
        self.sold = confirmed;
        self.available = available;
        self.rev += 1;
        true
    }
}

/// What one person has of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// The seats of their confirmed bookings.
    pub seats: u64,
    /// Their confirmed bookings.
    pub bookings: u64,
}

impl Tally {
    /// Whether another booking of `seats` stays within `limits`.
    #[must_use]
    pub fn allows(self, seats: u32, limits: PersonLimits) -> bool {
        limits
            .seats
            .is_none_or(|most| self.seats + u64::from(seats) <= u64::from(most))
            && limits.bookings.is_none_or(|most| self.bookings < u64::from(most))
    }
}

/// What a wish is answered whose id is stored already. This comes before every other check: a client that lost its
/// answer finds its booking, not a refusal.
#[must_use]
pub fn replay(stored: &Booking, wanted: &Booking) -> Outcome {
    if stored.fingerprint == wanted.fingerprint {
        Outcome::Existing(stored.clone())
    } else {
        Outcome::KeyReused
    }
}

/// Whether the rules of sale were taken from an older version of the event than the counter follows, so that wishes
/// which are not stored already get [`stale_copy`] as their answer.
#[must_use]
pub fn is_stale(counter: Option<&Counter>, options: BookOptions) -> bool {
    let (Some(counter), Some(seen)) = (counter, options.seen) else {
        return false;
    };
    counter.version > seen
}

/// The answer to a wish that was let pass by a copy which is out of date: read the copy again.
#[must_use]
pub fn stale_copy() -> Error {
    Error::new(
        ErrorKind::Precondition,
        "book",
        "the event has changed since its rules of sale were read",
    )
}

/// Decides one wish for `seats` whose id is not stored, and takes them if they are granted. Wishes of a batch are
/// offered one after the other to the same counter, which makes the batch greedy: a smaller one may fit behind one
/// that did not.
///
/// `tally` is what the wish's person has of the event, with what this batch granted them before.
///
/// # Errors
/// The refusal; the counter is as it was.
#[allow(
    clippy::result_large_err,
    reason = "a refusal is the answer itself, not an error to pass up"
)]
pub fn take(
    counter: Option<&mut Counter>,
    seats: u32,
    limits: PersonLimits,
    tally: Tally,
    options: BookOptions,
) -> Result<(), Outcome> {
    let Some(counter) = counter else {
        return Err(Outcome::UnknownEvent);
    };
    if counter.state == CounterState::Cancelled {
        return Err(Outcome::EventCancelled);
    }
    if counter.available.is_none() && options.unknown_capacity == UnknownCapacity::Refuse {
        return Err(Outcome::CapacityUnknown);
    }
    if !tally.allows(seats, limits) {
        return Err(Outcome::LimitReached);
    }
    if let Some(available) = counter.available
        && available < i64::from(seats)
    {
        return Err(Outcome::SoldOut {
            available: shown(available),
        });
    }
    counter.sell(seats);
    Ok(())
}

/// Whether a booking in this state takes up seats that a cancellation gives back.
#[must_use]
pub fn is_confirmed(state: &BookingState) -> bool {
    *state == BookingState::Confirmed
}

fn as_seats(capacity: u64) -> i64 {
    // Halls bound a capacity far below this; a foreign message may not, and must not overflow the arithmetic.
    i64::try_from(capacity).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

fn shown(available: i64) -> u64 {
    u64::try_from(available).unwrap_or(0)
}

#[cfg(test)]
mod tests;
