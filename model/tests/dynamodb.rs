//! The commit of DynamoDB: every configuration holds, every dropped rule is caught.

use myevents_model::dynamodb::{Change, Config, Mutation};
use myevents_model::harness::{assert_caught, assert_holds, full_scale};

fn capacity(capacity: i8) -> Change {
    Change::capacity(Some(capacity))
}

fn unknown() -> Change {
    Change::capacity(None)
}

/// A lost answer, a retry and a cancel around the last seat.
fn last_seat() -> Config {
    let seats: &[i8] = if full_scale() { &[1, 1, 1] } else { &[1, 1] };
    Config {
        lost: 1,
        retries: 1,
        cancels: 1,
        ..Config::new(Some(1), seats)
    }
}

/// Around the last seat, without a store that knows repeated calls.
fn no_window() -> Config {
    Config {
        window: false,
        lost: 1,
        retries: 1,
        cancels: 1,
        ..Config::new(Some(1), &[1, 1])
    }
}

/// Three requests, of which two fit, on two processes.
fn crowd() -> Config {
    Config {
        lost: 1,
        retries: 1,
        cancels: u8::from(full_scale()),
        ..Config::new(Some(2), &[1, 2, 1])
    }
}

/// Transactions are turned down as a whole, and halved.
fn halved() -> Config {
    Config {
        lost: 1,
        rejects: 1,
        ..Config::new(Some(2), &[1, 1])
    }
}

/// Processes die with transactions on their way.
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
        ..Config::new(Some(2), &[1, 2])
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
    last_seat >= 25_000;
    no_window >= 25_000;
    crowd >= 110_000;
    halved >= 390;
    crash >= 2400;
    cancels >= 400;
    reused_id >= 3100;
    unknown_allowed >= 88_000;
    limit >= 24_000;
    limit_unknown >= 24_000;
}

caught! {
    no_epoch: NoEpoch in last_seat by "no booking after a refusal";
    cancel_keeps_epoch: CancelKeepsEpoch in last_seat by "no booking after a refusal";
    unknown_cancel_keeps_epoch: UnknownCancelKeepsEpoch in limit_unknown by "no booking after a refusal";
    no_unique_id: NoUniqueId in reused_id by "no refusal beside a booking";
    cancel_unguarded: CancelUnguarded in cancels by "counter and bookings agree";
    cancel_in_two: CancelInTwo in cancels by "counter and bookings agree";
    messages_apart: MessagesApart in crash by "what is stored is announced";
    add_creates_available: AddCreatesAvailable in unknown_allowed by "counter and bookings agree";
    twin_without_absence: TwinWithoutAbsence in unknown_allowed by "counter and bookings agree";
    counter_reason_first: CounterReasonFirst in last_seat by "no refusal beside a booking";
    holder_reason_first: HolderReasonFirst in limit by "no refusal beside a booking";
    refuse_without_look_up: RefuseWithoutLookUp in last_seat by "no refusal beside a booking";
    bookings_before_counter: BookingsBeforeCounter in last_seat by "no refusal beside a booking";
    same_token: SameToken in halved by "a token stands for one request";
    same_item: SameItem in halved by "what is stored is announced";
    lost_is_refused: LostIsRefused in last_seat by "sold out means too few seats";
    no_fingerprint: NoFingerprint in reused_id by "nobody gets a foreign booking";
    limit_only_read: LimitOnlyRead in limit by "the limit per person holds";
    cancel_keeps_holder: CancelKeepsHolder in limit by "nobody is refused below the limit";
}
