//! The commit of MongoDB: every configuration holds, every dropped rule is caught.

use myevents_model::harness::{assert_caught, assert_holds, full_scale};
use myevents_model::mongodb::{Change, Config, Mutation};

fn capacity(capacity: i8) -> Change {
    Change {
        capacity: Some(capacity),
        cancelled: false,
    }
}

const UNKNOWN: Change = Change {
    capacity: None,
    cancelled: false,
};

/// A lost answer, a retry and a cancel around the last seat.
fn last_seat() -> Config {
    Config {
        lost: 1,
        retries: 1,
        cancels: 1,
        ..Config::new(Some(1), &[1, 1])
    }
}

/// A process dies with calls on their way; the helper finishes its entries.
fn crash() -> Config {
    Config {
        eager_helper: true,
        crashes: 1,
        retries: 1,
        ..Config::new(Some(1), &[1, 1])
    }
}

/// A client asks twice, and both tries are granted: one of them loses, and its seats are wanted by somebody else.
fn twice() -> Config {
    Config {
        lost: 1,
        retries: 1,
        ..Config::new(Some(2), &[1, 1])
    }
}

/// Three requests, of which two fit, on two processes.
fn crowd() -> Config {
    Config {
        ..Config::new(Some(2), &[1, 2, 1])
    }
}

/// Two cancels race, with a helper that settles what they left.
fn cancels() -> Config {
    Config {
        processes: 1,
        eager_helper: true,
        cancels: 2,
        lost: 1,
        crashes: 1,
        ..Config::new(Some(1), &[1])
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
        retries: 1,
        allow_unknown: true,
        changes: vec![capacity(1), UNKNOWN],
        ..Config::new(None, &[1])
    }
}

/// A person may have one seat; a cancel makes room again.
fn limit() -> Config {
    Config {
        lost: 1,
        retries: 1,
        sweeps: 1,
        limit: Some(1),
        ..Config::new(Some(2), &[1, 1])
    }
}

/// The same, and a cancel makes room again.
fn limit_cancel() -> Config {
    Config {
        lost: 0,
        retries: 0,
        crashes: 1,
        cancels: 1,
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
    last_seat >= 1;
    crash >= 1;
    twice >= 1;
    crowd >= 1;
    cancels >= 1;
    reused_id >= 1;
    unknown_allowed >= 1;
    limit >= 1;
    limit_cancel >= 1;
    sale_ends >= 1;
}

caught! {
    no_epoch: NoEpoch in last_seat by "no booking after a refusal";
}
