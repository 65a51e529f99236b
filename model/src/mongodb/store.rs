//! The documents of the model of MongoDB, and the calls that change one of them each.

use super::{Ballot, Change, Config, Fault, Mutation, State};

/// What was decided and is not yet in the bookings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry {
    /// These bookings are granted, unless their ids are stored by another attempt.
    Commit {
        /// Sent once.
        token: u8,
        /// Who gets seats.
        ballots: Vec<Ballot>,
    },
    /// This booking is to be cancelled.
    Cancel {
        /// Sent once.
        token: u8,
        /// The booking.
        id: u8,
    },
}

impl Entry {
    pub(super) fn token(&self) -> u8 {
        match self {
            Self::Commit { token, .. } | Self::Cancel { token, .. } => *token,
        }
    }
}

/// The counter of the event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter {
    /// Not cancelled.
    pub open: bool,
    /// The version of the event that the counter follows.
    pub version: u8,
    /// Absent while the capacity is not known.
    pub capacity: Option<i8>,
    /// Seats of confirmed bookings and of pending entries.
    pub sold: i8,
    /// `capacity - sold`; absent while the capacity is unknown.
    pub available: Option<i8>,
    /// Raised whenever a request that was refused could be granted from now on.
    pub epoch: u8,
    /// What is to be rolled forward.
    pub pending: Vec<Entry>,
}

/// A stored booking; never deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Booking {
    /// Who booked, and with which try.
    pub by: Ballot,
    /// The token of the entry that it was inserted from; never changes.
    pub attempt: u8,
    /// The token of the intent that cancelled it.
    pub cancelled: Option<u8>,
}

/// A booking in the holder record of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hold {
    /// The booking.
    pub id: u8,
    /// Its seats.
    pub seats: i8,
    /// The try that has it in hand.
    pub token: u8,
}

/// A call on its way to the store. Nobody may wait for it any more, and still it may take effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// Appends an entry to `pending`, and takes the seats if it grants any.
    Push {
        /// The entry.
        entry: Entry,
        /// The epoch that the decision saw.
        epoch: u8,
        /// Decided while the capacity was unknown, and counted in `sold` alone.
        unknown: bool,
    },
    /// Inserts a booking.
    Insert {
        /// Whose.
        ballot: Ballot,
        /// By which entry.
        token: u8,
    },
    /// Cancels a booking.
    Mark {
        /// Which.
        id: u8,
        /// By which entry.
        token: u8,
    },
    /// Removes an entry and gives seats back.
    Settle {
        /// Which entry.
        token: u8,
        /// How many seats.
        give: i8,
        /// The entry is a cancel's.
        cancel: bool,
        /// Changes `sold` alone.
        unknown: bool,
    },
    /// Puts a booking into its person's holder record, or renews its token there.
    Reserve {
        /// Whose.
        ballot: Ballot,
        /// The token.
        token: u8,
    },
    /// Takes a booking out of a holder record.
    TakeOut {
        /// Whose record.
        person: u8,
        /// The booking.
        id: u8,
        /// Only under this token.
        token: Option<u8>,
    },
    /// Makes the counter follow a version of the event.
    Follow {
        /// Which change; its version is this plus one.
        change: u8,
        /// The capacity as its handler read it.
        capacity: Option<i8>,
        /// What its handler saw sold.
        sold: i8,
    },
}

/// Applies `call`; says whether its condition held.
pub(super) fn apply(config: &Config, state: &mut State, call: &Call) -> bool {
    match *call {
        Call::Push {
            ref entry,
            epoch,
            unknown,
        } => push(config, state, entry, epoch, unknown),
        Call::Insert { ballot, token } => insert(config, state, ballot, token),
        Call::Mark { id, token } => mark(config, state, id, token),
        Call::Settle {
            token,
            give,
            cancel,
            unknown,
        } => settle(config, state, token, give, cancel, unknown),
        Call::Reserve { ballot, token } => reserve(config, state, ballot, token),
        Call::TakeOut { person, id, token } => {
            let list = &mut state.holders[person as usize];
            let before = list.len();
            list.retain(|hold| hold.id != id || token.is_some_and(|token| token != hold.token));
            before != list.len()
        }
        Call::Follow {
            change,
            capacity,
            sold,
        } => follow(config, state, change, capacity, sold),
    }
}

fn push(config: &Config, state: &mut State, entry: &Entry, epoch: u8, unknown: bool) -> bool {
    let counter = &mut state.counter;
    if counter.pending.len() >= config.pending {
        return false;
    }
    let Entry::Commit { ballots, .. } = entry else {
        counter.pending.push(entry.clone());
        return true;
    };
    let seats = config.seats(ballots);
    if !counter.open || counter.epoch != epoch && !config.is(Mutation::NoEpoch) {
        return false;
    }
    let covered = match (unknown, counter.available) {
        (true, available) => available.is_none(),
        (false, available) => available.is_some_and(|available| available >= seats),
    };
    if !covered {
        return false;
    }
    counter.sold += seats;
    counter.available = counter.available.map(|available| available - seats);
    counter.pending.push(entry.clone());
    if let Some(capacity) = counter.capacity
        && state.held(config) > capacity
    {
        state.fault(Fault::Oversold);
    }
    true
}

/// Says whether the booking that is stored now came from this entry.
fn insert(config: &Config, state: &mut State, ballot: Ballot, token: u8) -> bool {
    let request = config.request(ballot);
    if state.uninsertable(config, request.id) {
        return false;
    }
    let stored = &mut state.bookings[request.id as usize];
    if let Some(booking) = stored
        && !config.is(Mutation::InsertReplaces)
    {
        return if config.is(Mutation::DuplicateIsLost) {
            false
        } else {
            booking.attempt == token || config.is(Mutation::DuplicateIsMine)
        };
    }
    *stored = Some(Booking {
        by: ballot,
        attempt: token,
        cancelled: None,
    });
    if state.clients[ballot.client as usize].is_forbidden(ballot) {
        state.fault(Fault::BookedAfterRefusal);
    }
    if config
        .limit
        .is_some_and(|limit| state.seats_of(config, request.person) > limit)
    {
        state.fault(Fault::OverLimit);
    }
    true
}

/// Says whether this intent is the one that cancelled the booking.
fn mark(config: &Config, state: &mut State, id: u8, token: u8) -> bool {
    let Some(booking) = &mut state.bookings[id as usize] else {
        return false;
    };
    if booking.cancelled.is_none() || config.is(Mutation::MarkUnguarded) {
        booking.cancelled = Some(token);
    }
    booking.cancelled == Some(token) || config.is(Mutation::CancelTokenIgnored)
}

fn settle(config: &Config, state: &mut State, token: u8, give: i8, cancel: bool, unknown: bool) -> bool {
    let counter = &mut state.counter;
    if !counter.pending.iter().any(|entry| entry.token() == token)
        && !config.is(Mutation::SettleUnguarded)
        && !config.is(Mutation::CancelBookingFirst)
    {
        return false;
    }
    let (twin, created) = (
        config.is(Mutation::TwinWithoutAbsence),
        config.is(Mutation::SettleCreatesAvailable),
    );
    if give > 0 && unknown != counter.available.is_none() && !if unknown { twin } else { created } {
        return false;
    }
    counter.pending.retain(|entry| entry.token() != token);
    if give == 0 || !cancel && config.is(Mutation::LosersKeepSeats) {
        return true;
    }
    counter.sold -= give;
    if !unknown {
        counter.available = Some(counter.available.unwrap_or(0) + give);
    }
    let keeps = if cancel {
        Mutation::CancelKeepsEpoch
    } else {
        Mutation::LosersKeepEpoch
    };
    counter.epoch += u8::from(!config.is(keeps));
    true
}

fn reserve(config: &Config, state: &mut State, ballot: Ballot, token: u8) -> bool {
    let request = config.request(ballot);
    let list = &mut state.holders[request.person as usize];
    let held: i8 = list.iter().map(|hold| hold.seats).sum();
    if let Some(hold) = list.iter_mut().find(|hold| hold.id == request.id) {
        let same = hold.seats == request.seats || config.is(Mutation::SeatsNotCompared);
        if same && !config.is(Mutation::NotRenewed) {
            hold.token = token;
        }
        return same;
    }
    let fits = config.limit.is_none_or(|limit| held + request.seats <= limit);
    if fits {
        list.push(Hold {
            id: request.id,
            seats: request.seats,
            token,
        });
        list.sort_unstable();
    }
    fits
}

fn follow(config: &Config, state: &mut State, change: u8, seen: Option<i8>, sold: i8) -> bool {
    let version = change + 1;
    let Change {
        capacity, cancelled, ..
    } = config.changes[change as usize];
    let counter = &mut state.counter;
    if counter.version >= version || counter.capacity != seen {
        return false;
    }
    let available = match (seen, capacity) {
        (Some(old), Some(new)) => counter.available.map(|available| available + new - old),
        // Nothing to add to: what is available is worked out from what the handler saw sold.
        (None, Some(_)) if counter.sold != sold => return false,
        (None, Some(new)) => Some(new - sold),
        (_, None) => None,
    };
    counter.available = available;
    counter.capacity = capacity;
    counter.version = version;
    counter.open = !cancelled;
    counter.epoch += 1;
    true
}
