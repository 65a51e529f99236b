//! The tables of the model of DynamoDB, and the calls that change them, each one atomic.

use super::{Ballot, Change, Config, Fault, Mutation, State};

/// The counter of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter {
    /// The version of the event that the counter follows.
    pub version: u8,
    /// Absent while the capacity is not known.
    pub capacity: Option<i8>,
    /// Seats of confirmed bookings.
    pub sold: i8,
    /// `capacity - sold`; absent while the capacity is unknown.
    pub available: Option<i8>,
    /// Raised whenever a request that was refused could be granted from now on.
    pub epoch: u8,
}

/// A stored booking; never deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Booking {
    /// Who booked, and with which try.
    pub by: Ballot,
    /// `false` = cancelled.
    pub confirmed: bool,
    /// It was stored after its process had given up on the call: for the checks only.
    pub late: bool,
}

/// An item of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item {
    /// Its key.
    pub id: u8,
    /// The bookings it speaks of, and whether they were cancelled.
    pub messages: Vec<(u8, bool)>,
}

/// A call on its way to the store. Nobody may wait for it any more, and still it may take effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// Grants all of these, or nothing.
    Commit {
        /// The client token, by which the store knows a repeated call.
        token: u8,
        /// The outbox item with the messages.
        item: u8,
        /// Who gets seats.
        ballots: Vec<Ballot>,
        /// The epoch that the decision saw.
        epoch: u8,
        /// Decided while the capacity was unknown, and counted in `sold` alone.
        unknown: bool,
    },
    /// Cancels a booking and gives its seats back.
    Cancel {
        /// The outbox item with the message.
        item: u8,
        /// The booking.
        id: u8,
        /// Sent while the capacity was unknown: changes `sold` alone.
        unknown: bool,
    },
    /// Only gives seats back: the second call of a mutation.
    GiveBack {
        /// The booking.
        id: u8,
    },
    /// Only stores an item of the outbox: the second call of a mutation.
    Announce(Item),
    /// Makes the counter follow a version of the event.
    Follow {
        /// Which change; its version is this plus one.
        change: u8,
        /// The counter as its handler read it.
        seen: Counter,
    },
}

/// What the store says to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It took effect, now or before.
    Done,
    /// Nothing took effect; why, by position.
    Failed(Reasons),
    /// The client token came with another request before.
    Mismatch,
}

/// Why a transaction did not take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reasons {
    /// For each booking, the one that is stored.
    pub(super) bookings: Vec<Option<Booking>>,
    /// For each booking, its person would have too much.
    pub(super) holders: Vec<bool>,
    /// The counter, and whether its condition failed.
    pub(super) counter: (Counter, bool),
}

/// Applies `call`.
pub(super) fn apply(config: &Config, state: &mut State, call: &Call, late: bool) -> Answer {
    let held = match call {
        Call::Commit { .. } => return commit(config, state, call, late),
        Call::Cancel { item, id, unknown } => cancel(config, state, *item, *id, *unknown),
        Call::GiveBack { id } => {
            give_back(config, state, *id, false);
            true
        }
        Call::Announce(item) => {
            state.put(item.clone());
            true
        }
        Call::Follow { change, seen } => follow(config, state, *change, seen),
    };
    if held {
        Answer::Done
    } else {
        Answer::Failed(Reasons {
            bookings: Vec::new(),
            holders: Vec::new(),
            counter: (state.counter, true),
        })
    }
}

fn commit(config: &Config, state: &mut State, call: &Call, late: bool) -> Answer {
    let Call::Commit {
        token,
        item,
        ballots,
        epoch,
        unknown,
    } = call
    else {
        return Answer::Mismatch;
    };
    if let Some(known) = state.tokens.iter().find(|known| match known {
        Call::Commit { token: other, .. } => other == token,
        _ => false,
    }) {
        return if known == call {
            Answer::Done
        } else {
            Answer::Mismatch
        };
    }
    let counter = state.counter;
    let seats = config.seats(ballots);
    let covered = match (*unknown, counter.available) {
        (true, available) => available.is_none() || config.is(Mutation::TwinWithoutAbsence),
        (false, Some(available)) => available >= seats,
        (false, None) => config.is(Mutation::AddCreatesAvailable),
    };
    let epoch_moved = counter.epoch != *epoch && !config.is(Mutation::NoEpoch);
    let bookings: Vec<_> = ballots
        .iter()
        .map(|ballot| {
            state
                .booking(config.request(*ballot).id)
                .filter(|_| !config.is(Mutation::NoUniqueId))
        })
        .collect();
    let holders: Vec<_> = ballots
        .iter()
        .map(|ballot| {
            let request = config.request(*ballot);
            let held = state.holders[request.person as usize];
            config.limit.is_some_and(|limit| held + request.seats > limit)
                && !config.is(Mutation::LimitOnlyRead)
        })
        .collect();
    let failed = !covered || epoch_moved;
    if failed || bookings.iter().any(Option::is_some) || holders.contains(&true) {
        return Answer::Failed(Reasons {
            bookings,
            holders,
            counter: (counter, failed),
        });
    }
    if counter
        .capacity
        .is_some_and(|capacity| counter.sold + seats > capacity)
    {
        state.fault(Fault::Oversold);
    }
    state.counter.sold += seats;
    if !unknown {
        state.counter.available = Some(counter.available.unwrap_or(0) - seats);
    }
    for ballot in ballots {
        let request = config.request(*ballot);
        if state.clients[ballot.client as usize].is_forbidden(*ballot) {
            state.fault(Fault::BookedAfterRefusal);
        }
        state.bookings[request.id as usize] = Some(Booking {
            by: *ballot,
            confirmed: true,
            late,
        });
        if config.limit.is_some() {
            state.holders[request.person as usize] += request.seats;
        }
        if config
            .limit
            .is_some_and(|limit| state.seats_of(config, request.person) > limit)
        {
            state.fault(Fault::OverLimit);
        }
    }
    if config.window {
        state.tokens.push(call.clone());
        state.tokens.sort();
    }
    if !config.is(Mutation::MessagesApart) {
        state.put(announcement(config, *item, ballots));
    }
    Answer::Done
}

pub(super) fn announcement(config: &Config, id: u8, ballots: &[Ballot]) -> Item {
    let messages = ballots
        .iter()
        .map(|ballot| (config.request(*ballot).id, false))
        .collect();
    Item { id, messages }
}

fn cancel(config: &Config, state: &mut State, item: u8, id: u8, unknown: bool) -> bool {
    let Some(mut booking) = state.booking(id) else {
        return false;
    };
    if !booking.confirmed && !config.is(Mutation::CancelUnguarded) {
        return false;
    }
    let (twin, created) = (
        config.is(Mutation::TwinWithoutAbsence),
        config.is(Mutation::AddCreatesAvailable),
    );
    if unknown != state.counter.available.is_none() && !if unknown { twin } else { created } {
        return false;
    }
    booking.confirmed = false;
    state.bookings[id as usize] = Some(booking);
    state.put(Item {
        id: item,
        messages: vec![(id, true)],
    });
    if config.limit.is_some() && !config.is(Mutation::CancelKeepsHolder) {
        let request = config.request(booking.by);
        state.holders[request.person as usize] -= request.seats;
    }
    if config.is(Mutation::CancelInTwo) {
        state.send_late(Call::GiveBack { id });
    } else {
        give_back(config, state, id, unknown);
    }
    true
}

fn give_back(config: &Config, state: &mut State, id: u8, unknown: bool) {
    let Some(booking) = state.booking(id) else {
        return;
    };
    let seats = config.request(booking.by).seats;
    let counter = &mut state.counter;
    counter.sold -= seats;
    // Without a known capacity no seat becomes available, but there is room below a limit again.
    let raises = if unknown {
        !config.is(Mutation::UnknownCancelKeepsEpoch)
    } else {
        counter.available = Some(counter.available.unwrap_or(0) + seats);
        !config.is(Mutation::CancelKeepsEpoch)
    };
    counter.epoch += u8::from(raises);
}

fn follow(config: &Config, state: &mut State, change: u8, seen: &Counter) -> bool {
    let version = change + 1;
    let Change { capacity, .. } = config.changes[change as usize];
    let counter = &mut state.counter;
    if counter.version >= version || counter.capacity != seen.capacity {
        return false;
    }
    counter.available = match (seen.capacity, capacity) {
        (Some(old), Some(new)) => counter.available.map(|available| available + new - old),
        // Nothing to add to: what is available is worked out from what the handler saw sold.
        (None, Some(_)) if counter.sold != seen.sold => return false,
        (None, Some(new)) => Some(new - seen.sold),
        (_, None) => None,
    };
    counter.capacity = capacity;
    counter.version = version;
    counter.epoch += 1;
    true
}
