//! The outbox and its relays: every configuration holds, every dropped rule is caught.

use myevents_model::harness::{assert_caught, assert_holds, full_scale};
use myevents_model::outbox::{Config, Mutation};

/// Two messages of one record around one of another; in full a third, and a third relay.
fn script() -> Config {
    if full_scale() {
        Config {
            relays: 3,
            ..Config::new(&[0, 1, 0, 0])
        }
    } else {
        Config::new(&[0, 1, 0])
    }
}

/// Emits and confirms whose answers are lost, and one refusal.
fn lost_answers() -> Config {
    Config {
        lost: 2,
        failures: 1,
        ..script()
    }
}

/// Relays sleep past their leases, and are refused besides.
fn oversleeps() -> Config {
    Config {
        oversleeps: 1,
        failures: 1,
        ..script()
    }
}

/// A relay sleeps twice, over a longer queue of one record.
fn long_queue() -> Config {
    Config {
        oversleeps: 2,
        limit: 3,
        ..Config::new(&[0, 0, 0])
    }
}

/// A process dies with rows in its hands and emits on their way.
fn crash() -> Config {
    Config {
        crashes: 1,
        lost: 1,
        ..script()
    }
}

/// A message that the broker never takes.
fn parked() -> Config {
    Config {
        permanent: 1,
        oversleeps: 1,
        crashes: 1,
        ..Config::new(&[0, 0, 0])
    }
}

/// The same, and an operator sends it again.
fn resent() -> Config {
    Config {
        permanent: 1,
        resends: 1,
        lost: 1,
        oversleeps: 1,
        ..Config::new(&[0, 0])
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
    lost_answers >= 40_000;
    oversleeps >= 28_000;
    long_queue >= 20_000;
    crash >= 75_000;
    parked >= 75_000;
    resent >= 30_000;
}

caught! {
    claim_with_gap: ClaimWithGap in lost_answers by "first published in the order of the writes";
    claim_ignores_lease: ClaimIgnoresLease in lost_answers by "no row is held by two live claims";
    fast_path_always: FastPathAlways in lost_answers by "first published in the order of the writes";
    keep_later_after_failure: KeepLaterAfterFailure in lost_answers by "first published in the order of the writes";
    keep_later_after_lost_lease: KeepLaterAfterLostLease in oversleeps by "first published in the order of the writes";
    keep_later_after_lost_park: KeepLaterAfterLostPark in parked by "first published in the order of the writes";
    parallel_within_entity: ParallelWithinEntity in lost_answers by "first published in the order of the writes";
    release_without_token: ReleaseWithoutToken in oversleeps by "no row is held by two live claims";
    extend_without_token: ExtendWithoutToken in oversleeps by "no row is held by two live claims";
    confirm_when_sent: ConfirmWhenSent in lost_answers by "no message is lost";
    flow_before_park: FlowBeforePark in parked by "first published in the order of the writes";
    park_without_token: ParkWithoutToken in resent by "no row is held by two live claims";
    parked_blocks: ParkedBlocks in parked by "the outbox runs empty";
    lease_forever: LeaseForever in crash by "the outbox runs empty";
    order_by_id: OrderById in lost_answers by "first published in the order of the writes";
}
