//! The outbox of items that name what they come after: every configuration holds, every dropped rule is caught.

use myevents_model::harness::{assert_caught, assert_holds, full_scale};
use myevents_model::pointers::{Config, Mutation};

/// A batch of two bookings, and then a change of each; in full one of them changes twice.
fn script() -> Config {
    if full_scale() {
        Config::new(&[&[0, 1], &[0], &[1], &[0]])
    } else {
        Config::new(&[&[0, 1], &[0]])
    }
}

/// Emits and confirms whose answers are lost.
fn lost_answers() -> Config {
    Config { lost: 2, ..script() }
}

/// A relay sleeps past its lease, and a confirm comes late.
fn oversleeps() -> Config {
    Config {
        oversleeps: 1,
        lost: 1,
        ..script()
    }
}

/// One record changes three times.
fn chain() -> Config {
    Config {
        lost: u8::from(full_scale()),
        oversleeps: 1,
        ..Config::new(&[&[0], &[0], &[0]])
    }
}

/// A process dies with items in its hands and emits on their way.
fn crash() -> Config {
    Config {
        crashes: 1,
        lost: 1,
        ..script()
    }
}

/// A message that the broker never takes, until an operator sends it again.
fn parked() -> Config {
    Config {
        permanent: 1,
        oversleeps: 1,
        resends: 1,
        ..script()
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
    lost_answers >= 110_000;
    oversleeps >= 400_000;
    chain >= 54_000;
    crash >= 220_000;
    parked >= 170_000;
}

caught! {
    after_ignored: AfterIgnored in lost_answers by "first published in the order of the writes";
    pointer_not_compared: PointerNotCompared in lost_answers by "first published in the order of the writes";
    pointer_kept: PointerKept in chain by "first published in the order of the writes";
    parked_blocks: ParkedBlocks in parked by "the outbox runs empty";
    put_back_without_existence: PutBackWithoutExistence in oversleeps by "what left the outbox stays away";
    put_back_without_token: PutBackWithoutToken in oversleeps by "no item is held by two live claims";
    park_without_token: ParkWithoutToken in parked by "what left the outbox stays away";
    delete_unconfirmed: DeleteUnconfirmed in lost_answers by "no message is lost";
    confirm_when_sent: ConfirmWhenSent in lost_answers by "no message is lost";
    claim_ignores_lease: ClaimIgnoresLease in lost_answers by "no item is held by two live claims";
    release_without_token: ReleaseWithoutToken in oversleeps by "no item is held by two live claims";
    lease_forever: LeaseForever in crash by "the outbox runs empty";
}
