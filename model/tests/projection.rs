//! The projection: every configuration holds, every dropped rule is caught.

use myevents_model::harness::{assert_caught, assert_holds, full_scale};
use myevents_model::projection::{Config, Message, Mutation};

fn event(version: u8, capacity: Option<i8>, location: u8) -> Message {
    Message::Event {
        version,
        capacity,
        location,
        cancelled: false,
    }
}

fn cancelled(version: u8) -> Message {
    Message::Event {
        version,
        capacity: Some(1),
        location: 0,
        cancelled: true,
    }
}

fn parallel() -> usize {
    if full_scale() { 4 } else { 3 }
}

/// Created, changed below what is sold, cancelled; in any order, with crashes.
fn versions() -> Config {
    let messages = [event(1, Some(2), 0), event(2, Some(1), 0), cancelled(3)];
    Config {
        crashes: 1,
        bookings: 2,
        duplicates: 1,
        parallel: parallel(),
        ..Config::new(&messages)
    }
}

/// An event without a capacity, and its location, each before the other.
fn join() -> Config {
    let messages = [event(1, None, 0), Message::Location { id: 0, capacity: 2 }];
    Config {
        crashes: 2,
        bookings: 2,
        duplicates: 2,
        parallel: 4,
        ..Config::new(&messages)
    }
}

/// The event moves to another location.
fn moves() -> Config {
    let (first, second) = (
        Message::Location { id: 0, capacity: 1 },
        Message::Location { id: 1, capacity: 2 },
    );
    let messages = [event(1, None, 0), event(2, None, 1), first, second];
    Config {
        bookings: 1,
        crashes: 1,
        duplicates: 1,
        parallel: parallel(),
        ..Config::new(&messages)
    }
}

/// The event's own capacity stands against its location's.
fn own_capacity() -> Config {
    let messages = [
        event(1, None, 0),
        event(2, Some(1), 0),
        Message::Location { id: 0, capacity: 2 },
    ];
    Config {
        crashes: 1,
        bookings: 2,
        duplicates: 1,
        parallel: parallel(),
        ..Config::new(&messages)
    }
}

/// Messages of a service that knows no versions, before and after the others.
fn old_service() -> Config {
    let messages = [
        event(0, None, 0),
        event(1, Some(2), 0),
        Message::Location { id: 0, capacity: 1 },
    ];
    Config {
        crashes: 1,
        bookings: 1,
        duplicates: 1,
        parallel: parallel(),
        ..Config::new(&messages)
    }
}

/// Nothing but an old service.
fn only_old_service() -> Config {
    let messages = [event(0, None, 0), Message::Location { id: 0, capacity: 1 }];
    Config {
        crashes: 2,
        bookings: 1,
        duplicates: 2,
        parallel: 4,
        ..Config::new(&messages)
    }
}

/// A rebuild from a snapshot of any age while messages arrive.
fn rebuild() -> Config {
    let messages = [event(1, Some(2), 0), event(2, Some(1), 0), cancelled(3)];
    Config {
        rebuilds: 2,
        bookings: 2,
        crashes: 1,
        parallel: parallel(),
        ..Config::new(&messages)
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
    versions >= 31_000;
    join >= 24_000;
    moves >= 140_000;
    own_capacity >= 32_000;
    old_service >= 25_000;
    only_old_service >= 20_000;
    rebuild >= 300_000;
}

caught! {
    copy_without_version: CopyWithoutVersion in versions by "a cancelled event stays cancelled";
    counter_without_version: CounterWithoutVersion in versions by "a cancelled event stays cancelled";
    counter_only_with_copy: CounterOnlyWithCopy in versions by "the newest version wins";
    no_tombstone: NoTombstone in versions by "the newest version wins";
    zero_overwrites: ZeroOverwrites in old_service by "versions never fall";
    absolute_available: AbsoluteAvailable in versions by "the counter is consistent";
    join_before_writes: JoinBeforeWrites in join by "the newest version wins";
    join_between_writes: JoinBetweenWrites in join by "the newest version wins";
    location_looks_not_back: LocationLooksNotBack in join by "the newest version wins";
    location_trusts_copy: LocationTrustsCopy in join by "the newest version wins";
    fill_without_version: FillWithoutVersion in moves by "the newest version wins";
    location_wins: LocationWins in own_capacity by "the newest version wins";
    rebuild_overwrites: RebuildOverwrites in rebuild by "a cancelled event stays cancelled";
    rebuild_deletes: RebuildDeletes in rebuild by "a cancelled event stays cancelled";
    rebuild_replaces_counter: RebuildReplacesCounter in rebuild by "a cancelled event stays cancelled";
}

mod gaps {
    /// A location whose capacity changes: "fills in what is absent, never overwrites" makes the first one win, and
    /// which is first depends on the order of arrival. Kept here so that nobody takes it for solved.
    #[test]
    fn location_changes() {
        let location = |capacity| super::Message::Location { id: 0, capacity };
        let config = super::Config::new(&[super::event(1, None, 0), location(1), location(2)]);
        super::assert_caught("location changes", config, "the newest version wins");
    }
}
