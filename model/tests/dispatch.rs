//! Dispatch with an inbox: every configuration holds, every dropped rule is caught.

use myevents_model::dispatch::{Config, Mutation};
use myevents_model::harness::{assert_caught, assert_holds, full_scale};

/// Two messages of one key; in full three.
fn messages() -> Config {
    if full_scale() {
        Config::new(&[0, 0, 0])
    } else {
        Config::new(&[0, 0])
    }
}

/// One message and a crash.
fn single() -> Config {
    Config {
        crashes: 1,
        failures: 1,
        ..Config::new(&[0])
    }
}

/// The mark rides along with the effect.
fn atomic() -> Config {
    Config {
        oversleeps: 2,
        disconnects: 1,
        lost: 1,
        crashes: 1,
        ..messages()
    }
}

/// The effect is guarded by its version, the mark follows.
fn by_version() -> Config {
    Config {
        atomic: false,
        ..atomic()
    }
}

/// Two keys, of which one waits while the other goes on.
fn two_keys() -> Config {
    Config {
        disconnects: 1,
        failures: 1,
        ..Config::new(&[0, 1, 0])
    }
}

/// Handlers fail, and processes die.
fn crash() -> Config {
    Config {
        crashes: 2,
        failures: 1,
        disconnects: 1,
        ..messages()
    }
}

/// A message fails until it is a dead letter, and is sent again.
fn dead_letter() -> Config {
    Config {
        failures: 2,
        resends: 1,
        crashes: 2,
        ..messages()
    }
}

/// A broker without order: what fails goes back to it.
fn unordered() -> Config {
    Config {
        ordered: false,
        failures: 1,
        disconnects: 1,
        oversleeps: 1,
        ..Config::new(&[0, 0])
    }
}

/// The same without an atomic inbox.
fn unordered_by_version() -> Config {
    Config {
        atomic: false,
        crashes: u8::from(full_scale()),
        ..unordered()
    }
}

/// The consumer's own store is away again and again.
fn store_away() -> Config {
    Config {
        away: 2,
        failures: 1,
        disconnects: 1,
        oversleeps: 1,
        ..messages()
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
    atomic >= 30_000;
    by_version >= 60_000;
    two_keys >= 110_000;
    single >= 70;
    crash >= 7000;
    dead_letter >= 2400;
    unordered >= 75_000;
    unordered_by_version >= 200_000;
    store_away >= 8000;
}

caught! {
    ack_before_handler: AckBeforeHandler in single by "acknowledged only after its effect";
    seen_at_begin: SeenAtBegin in single by "acknowledged only after its effect";
    no_inbox: NoInbox in crash by "takes effect once";
    complete_without_token: CompleteWithoutToken in atomic by "takes effect once";
    abandon_undoes_done: AbandonUndoesDone in atomic by "takes effect once";
    no_version_guard: NoVersionGuard in by_version by "never goes back";
    nack_where_ordered: NackWhereOrdered in crash by "in the order of the key";
    parallel_keys: ParallelKeys in crash by "in the order of the key";
    unavailable_counts: UnavailableCounts in store_away by "dead only if it failed";
    redelivery_counts: RedeliveryCounts in crash by "dead only if it failed";
    no_dead_letter: NoDeadLetter in dead_letter by "nothing is stuck";
    ack_before_dead_letter: AckBeforeDeadLetter in dead_letter by "acknowledged only after its effect";
    dead_letter_completes: DeadLetterCompletes in dead_letter by "acknowledged only after its effect";
    lease_forever: LeaseForever in crash by "nothing is stuck";
}
