//! The counter and the decision of a batch: every configuration holds, every dropped rule is caught.

use myevents_model::counter::{Change, Config, Guard, Mutation};
use myevents_model::harness::{assert_caught, assert_holds, full_scale};

fn capacity(capacity: i8) -> Change {
    Change::capacity(Some(capacity))
}

fn unknown() -> Change {
    Change::capacity(None)
}

/// Three requests, of which two fit, on two processes.
fn crowd() -> Config {
    Config {
        lost: 1,
        retries: 1,
        ..Config::new(Some(2), &[1, 2, 1])
    }
}

/// A lost answer, a retry, a cancel and a crash around the last seat.
fn last_seat() -> Config {
    let seats: &[i8] = if full_scale() { &[1, 1, 1] } else { &[1, 1] };
    Config {
        lost: 1,
        retries: 1,
        cancels: 1,
        crashes: u8::from(full_scale()),
        ..Config::new(Some(1), seats)
    }
}

/// Processes die with calls on their way.
fn crash() -> Config {
    Config {
        crashes: 1,
        retries: 1,
        ..Config::new(Some(1), &[1, 1])
    }
}

/// Two cancels race, both for the same booking or one for each.
fn cancels() -> Config {
    Config {
        cancels: 2,
        lost: u8::from(full_scale()),
        ..Config::new(Some(2), &[1, 2])
    }
}

/// Capacity goes up and below what is sold; the two messages overtake each other.
fn capacity_moves() -> Config {
    Config {
        retries: u8::from(full_scale()),
        changes: vec![capacity(2), capacity(1)],
        ..capacity_raised()
    }
}

/// Capacity goes up between a lost answer and its retry.
fn capacity_raised() -> Config {
    Config {
        lost: 1,
        retries: 1,
        changes: vec![capacity(2)],
        ..Config::new(Some(1), &[1, 1])
    }
}

/// Known, unknown, known; nothing is sold while it is unknown.
fn unknown_refuses() -> Config {
    let seats: &[i8] = if full_scale() { &[1, 1] } else { &[1] };
    Config {
        lost: 1,
        retries: 1,
        changes: vec![unknown(), capacity(1)],
        ..Config::new(Some(1), seats)
    }
}

/// Unknown, known, unknown; seats are sold all along.
fn unknown_allowed() -> Config {
    Config {
        lost: 1,
        cancels: 1,
        allow_unknown: true,
        changes: vec![capacity(1), unknown()],
        ..Config::new(None, &[1, 1])
    }
}

/// The event is cancelled while it is booked.
fn event_cancelled() -> Config {
    let cancelled = Change {
        cancelled: true,
        ..capacity(1)
    };
    Config {
        lost: 1,
        retries: 1,
        changes: vec![cancelled],
        ..Config::new(Some(1), &[1, 1])
    }
}

/// Two requests with the same id and different contents.
fn reused_id() -> Config {
    let mut config = Config {
        lost: 1,
        retries: 1,
        ..Config::new(Some(3), &[1, 2])
    };
    config.requests[1].id = 0;
    config.requests[1].fingerprint = 1;
    config
}

/// A person may have one seat; a cancel makes room again.
fn limit() -> Config {
    Config {
        lost: 1,
        retries: 1,
        cancels: 1,
        limit: Some(1),
        ..Config::new(Some(2), &[1, 1])
    }
}

/// The same without a known capacity: only the limit refuses.
fn limit_unknown() -> Config {
    Config {
        capacity: None,
        allow_unknown: true,
        ..limit()
    }
}

/// The sale ends between a lost answer and its retry.
fn sale_ends() -> Config {
    Config {
        lost: 1,
        retries: 1,
        sale_ends: true,
        ..Config::new(Some(1), &[1])
    }
}

/// Between a lost answer and its retry the event's rules of sale change so that nothing may be booked.
fn rules_fenced() -> Config {
    let disallowed = Change {
        allowed: false,
        ..capacity(1)
    };
    Config {
        lost: 1,
        retries: 1,
        changes: vec![disallowed],
        ..Config::new(Some(1), &[1])
    }
}

/// The same, and commits compare the version of the copy instead.
fn rules_by_version() -> Config {
    Config {
        guard: Guard::Version,
        ..rules_fenced()
    }
}

macro_rules! holds {
    ($($config:ident >= $floor:expr;)*) => {
        mod holds {
            $(#[test] fn $config() { super::assert_holds(stringify!($config), super::$config(), $floor); })*
        }
    };
}

macro_rules! caught {
    ($($name:ident: $mutation:ident in $config:ident by $property:expr;)*) => {
        mod caught {
            $(#[test] fn $name() {
                let mutated = super::Config { mutation: Some(super::Mutation::$mutation), ..super::$config() };
                super::assert_caught(stringify!($mutation), mutated, $property);
            })*
        }
    };
}

holds! {
    crowd >= 300_000;
    last_seat >= 80_000;
    crash >= 5000;
    cancels >= 500;
    capacity_moves >= 40_000;
    capacity_raised >= 150_000;
    unknown_refuses >= 30_000;
    unknown_allowed >= 200_000;
    event_cancelled >= 90_000;
    reused_id >= 15_000;
    limit >= 70_000;
    limit_unknown >= 60_000;
    sale_ends >= 2000;
    rules_fenced >= 9100;
    rules_by_version >= 6600;
}

caught! {
    no_epoch: NoEpoch in last_seat by "no booking after a refusal";
    cancel_keeps_epoch: CancelKeepsEpoch in last_seat by "no booking after a refusal";
    raise_keeps_epoch: RaiseKeepsEpoch in capacity_raised by "no booking after a refusal";
    known_keeps_epoch: KnownKeepsEpoch in unknown_refuses by "no booking after a refusal";
    unknown_cancel_keeps_epoch: UnknownCancelKeepsEpoch in limit_unknown by "no booking after a refusal";
    no_seat_condition: NoSeatCondition in crowd by "granted within the capacity";
    no_open_condition: NoOpenCondition in event_cancelled by "no booking of a cancelled event";
    increment_creates_available: IncrementCreatesAvailable in unknown_refuses by "counter and bookings agree";
    twin_without_absence: TwinWithoutAbsence in unknown_allowed by "counter and bookings agree";
    known_without_cas: KnownWithoutCompareAndSet in unknown_allowed by "counter and bookings agree";
    change_without_version: ChangeWithoutVersion in capacity_moves by "the newest version wins";
    change_without_old: ChangeWithoutOld in capacity_moves by "counter and bookings agree";
    cancel_unguarded: CancelUnguarded in cancels by "counter and bookings agree";
    no_unique_id: NoUniqueId in reused_id by "counter and bookings agree";
    id_twice_in_batch: IdTwiceInBatch in reused_id by "counter and bookings agree";
    refuse_before_lookup: RefuseBeforeLookup in last_seat by "no refusal beside a booking";
    cancelled_before_lookup: CancelledBeforeLookup in event_cancelled by "no refusal beside a booking";
    bookings_before_counter: BookingsBeforeCounter in last_seat by "no refusal beside a booking";
    refuse_from_memory: RefuseFromMemory in last_seat by "sold out means too few seats";
    refuse_behind_others: RefuseBehindOthers in crowd by "sold out means too few seats";
    lost_is_refused: LostIsRefused in last_seat by "sold out means too few seats";
    no_fingerprint: NoFingerprint in reused_id by "nobody gets a foreign booking";
    limit_only_read: LimitOnlyRead in limit by "the limit per person holds";
    copy_before_counter: CopyBeforeCounter in event_cancelled by "no booking after a refusal";
    copy_refuses: CopyRefuses in rules_fenced by "no booking after a refusal";
    commit_without_version: CommitWithoutVersion in rules_by_version by "no booking after a refusal";
    version_and_copy_before_counter: CopyBeforeCounter in rules_by_version by "no booking after a refusal";
    clock_refuses: ClockRefuses in sale_ends by "no booking after a refusal";
}
