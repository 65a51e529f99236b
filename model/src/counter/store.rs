//! The store of the counter model: the counter, the bookings, and the remote calls that change them, each one atomic.

use super::{Ballot, Change, Config, Fault, Guard, Mutation, State};

/// The counter of the event: what a booking is granted against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter {
    /// Not cancelled.
    pub open: bool,
    /// The version of the event that the counter follows.
    pub version: u8,
    /// Absent while the capacity is not known.
    pub capacity: Option<i8>,
    /// Seats of confirmed bookings; kept in any case.
    pub sold: i8,
    /// `capacity - sold`; absent while the capacity is unknown; negative after the capacity fell below what is sold.
    pub available: Option<i8>,
    /// Raised whenever a request that was refused could be granted from now on.
    pub epoch: u8,
}

/// A stored booking; never deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Booking {
    /// Who booked, and with which try: for the checks only.
    pub by: Ballot,
    /// What the request asked for; another request with the same id has another one.
    pub fingerprint: u8,
    /// The seats it holds while confirmed.
    pub seats: i8,
    /// Whose booking it is, for the limit per person.
    pub person: u8,
    /// `false` = cancelled.
    pub confirmed: bool,
    /// It was stored after its process had given up on the call: for the checks only.
    pub late: bool,
}

/// A call on its way to the store. Nobody may wait for it any more, and still it may take effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// Grants all of these, or nothing.
    Commit {
        /// Who gets seats.
        ballots: Vec<Ballot>,
        /// The epoch that the decision saw.
        epoch: u8,
        /// Decided while the capacity was unknown, and counted in `sold` alone.
        unknown: bool,
        /// The version of the copy whose rules allowed it.
        rules: u8,
    },
    /// Cancels the booking with this id and gives its seats back.
    Cancel {
        /// The booking.
        id: u8,
        /// Sent while the capacity was unknown: changes `sold` alone.
        unknown: bool,
    },
    /// Makes the counter follow a version of the event.
    Follow {
        /// Which change; its version is this plus one.
        change: u8,
        /// The counter as its handler read it.
        seen: Counter,
    },
}

/// Applies `call`; says whether its condition held.
pub(super) fn apply(config: &Config, state: &mut State, call: &Call, late: bool) -> bool {
    match call {
        Call::Commit {
            ballots,
            epoch,
            unknown,
            rules,
        } => {
            let outdated = config.guard == Guard::Version
                && state.counter.version > *rules
                && config.has_copy()
                && !config.is(Mutation::CommitWithoutVersion);
            !outdated && commit(config, state, ballots, *epoch, *unknown, late)
        }
        Call::Cancel { id, unknown } => cancel(config, state, *id, *unknown),
        Call::Follow { change, seen } => follow(config, state, *change, seen),
    }
}

fn commit(
    config: &Config,
    state: &mut State,
    ballots: &[Ballot],
    epoch: u8,
    unknown: bool,
    late: bool,
) -> bool {
    let counter = state.counter;
    let seats: i8 = ballots.iter().map(|ballot| config.request(*ballot).seats).sum();
    if !counter.open && !config.is(Mutation::NoOpenCondition) {
        return false;
    }
    if counter.epoch != epoch && !config.is(Mutation::NoEpoch) {
        return false;
    }
    let covered = match (unknown, counter.available) {
        (true, available) => available.is_none() || config.is(Mutation::TwinWithoutAbsence),
        (false, Some(available)) => available >= seats || config.is(Mutation::NoSeatCondition),
        (false, None) => config.is(Mutation::IncrementCreatesAvailable),
    };
    let taken = ballots
        .iter()
        .any(|ballot| state.booking(config.request(*ballot).id).is_some());
    if !covered || taken && !config.is(Mutation::NoUniqueId) {
        return false;
    }
    if let Some(limit) = config.limit
        && !config.is(Mutation::LimitOnlyRead)
        && ballots.iter().any(|ballot| {
            let person = config.request(*ballot).person;
            let wanted: i8 = ballots
                .iter()
                .map(|b| config.request(*b))
                .filter(|r| r.person == person)
                .map(|r| r.seats)
                .sum();
            state.seats_of(person) + wanted > limit
        })
    {
        return false;
    }
    if !counter.open {
        state.fault(Fault::BookedWhileCancelled);
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
            fingerprint: request.fingerprint,
            seats: request.seats,
            person: request.person,
            confirmed: true,
            late,
        });
    }
    if let Some(limit) = config.limit
        && config
            .requests
            .iter()
            .any(|request| state.seats_of(request.person) > limit)
    {
        state.fault(Fault::OverLimit);
    }
    true
}

fn cancel(config: &Config, state: &mut State, id: u8, unknown: bool) -> bool {
    let Some(mut booking) = state.booking(id).copied() else {
        return false;
    };
    if !booking.confirmed && !config.is(Mutation::CancelUnguarded) {
        return false;
    }
    let (twin, created) = (
        config.is(Mutation::TwinWithoutAbsence),
        config.is(Mutation::IncrementCreatesAvailable),
    );
    if unknown != state.counter.available.is_none() && !if unknown { twin } else { created } {
        return false;
    }
    booking.confirmed = false;
    state.bookings[id as usize] = Some(booking);
    let counter = &mut state.counter;
    counter.sold -= booking.seats;
    // Without a known capacity no seat becomes available, but there is room below a limit again.
    let raises = if unknown {
        !config.is(Mutation::UnknownCancelKeepsEpoch)
    } else {
        counter.available = Some(counter.available.unwrap_or(0) + booking.seats);
        !config.is(Mutation::CancelKeepsEpoch)
    };
    counter.epoch += u8::from(raises);
    true
}

fn follow(config: &Config, state: &mut State, change: u8, seen: &Counter) -> bool {
    let version = change + 1;
    let Change {
        capacity, cancelled, ..
    } = config.changes[change as usize];
    let counter = &mut state.counter;
    if counter.version >= version && !config.is(Mutation::ChangeWithoutVersion) {
        return false;
    }
    if counter.capacity != seen.capacity && !config.is(Mutation::ChangeWithoutOld) {
        return false;
    }
    let (available, raises) = match (seen.capacity, capacity) {
        (Some(old), Some(new)) => {
            let raises = new > old && !config.is(Mutation::RaiseKeepsEpoch);
            (counter.available.map(|available| available + new - old), raises)
        }
        (None, Some(new)) => {
            // Nothing to add to: what is available is worked out from what the handler saw sold.
            if counter.sold != seen.sold && !config.is(Mutation::KnownWithoutCompareAndSet) {
                return false;
            }
            (Some(new - seen.sold), !config.is(Mutation::KnownKeepsEpoch))
        }
        (_, None) => (None, false),
    };
    counter.available = available;
    counter.capacity = capacity;
    counter.version = version;
    counter.open = !cancelled;
    // With every version, where only the copy has the rules: that alone does not fence who decides by an older copy afterwards.
    counter.epoch += u8::from(raises || config.has_rules());
    true
}
