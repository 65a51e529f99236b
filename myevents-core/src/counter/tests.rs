//! The rules one by one; whole histories are in the store suite.

use super::*;

const REFUSE: BookOptions = BookOptions {
    unknown_capacity: UnknownCapacity::Refuse,
    seen: None,
};
const ALLOW: BookOptions = BookOptions {
    unknown_capacity: UnknownCapacity::Allow,
    seen: None,
};

fn open(capacity: Capacity) -> Counter {
    Counter::new(CounterState::Open, Version::FIRST, capacity)
}

#[allow(clippy::result_large_err, reason = "it answers what `take` answers")]
fn wish(counter: &mut Counter, seats: u32) -> Result<(), Outcome> {
    take(
        Some(counter),
        seats,
        PersonLimits::default(),
        Tally::default(),
        REFUSE,
    )
}

#[test]
fn all_or_nothing_and_smaller_ones_still_fit() {
    let mut counter = open(Some(5));
    assert_eq!(wish(&mut counter, 3), Ok(()));
    assert_eq!(wish(&mut counter, 3), Err(Outcome::SoldOut { available: 2 }));
    assert_eq!(wish(&mut counter, 2), Ok(()));
    assert_eq!(wish(&mut counter, 1), Err(Outcome::SoldOut { available: 0 }));
    assert_eq!((counter.sold, counter.available, counter.epoch), (5, Some(0), 0));
}

#[test]
fn the_order_of_refusals_is_event_limits_seats() {
    let limits = PersonLimits {
        seats: Some(2),
        bookings: Some(1),
    };
    let none = Tally::default();
    assert_eq!(take(None, 9, limits, none, REFUSE), Err(Outcome::UnknownEvent));
    let mut counter = open(Some(0));
    assert_eq!(
        take(Some(&mut counter), 3, limits, none, REFUSE),
        Err(Outcome::LimitReached)
    );
    assert_eq!(
        take(Some(&mut counter), 2, limits, none, REFUSE),
        Err(Outcome::SoldOut { available: 0 })
    );
    let mut unknown = open(None);
    assert_eq!(
        take(Some(&mut unknown), 3, limits, none, REFUSE),
        Err(Outcome::CapacityUnknown)
    );
    unknown.cancel();
    assert_eq!(
        take(Some(&mut unknown), 3, limits, none, REFUSE),
        Err(Outcome::EventCancelled)
    );
}

#[test]
fn limits_count_seats_and_bookings() {
    let tally = Tally {
        seats: 3,
        bookings: 2,
    };
    let limits = |seats, bookings| PersonLimits { seats, bookings };
    assert!(tally.allows(1, limits(Some(4), Some(3))));
    assert!(!tally.allows(2, limits(Some(4), Some(3))));
    assert!(!tally.allows(1, limits(None, Some(2))));
    assert!(tally.allows(1_000, limits(None, None)));
}

#[test]
fn an_unknown_capacity_counts_what_is_sold_and_learns_its_rest() {
    let mut counter = open(None);
    let taken = take(
        Some(&mut counter),
        7,
        PersonLimits::default(),
        Tally::default(),
        ALLOW,
    );
    assert_eq!(taken, Ok(()));
    assert_eq!((counter.sold, counter.available), (7, None));
    counter.set_capacity(Some(10));
    assert_eq!((counter.available, counter.epoch), (Some(3), 1));
    counter.set_capacity(None);
    assert_eq!((counter.sold, counter.available, counter.epoch), (7, None, 1));
    counter.give_back(7);
    assert_eq!((counter.sold, counter.available), (0, None));
}

#[test]
fn the_epoch_rises_when_seats_may_come_back() {
    let mut counter = open(Some(4));
    assert_eq!(wish(&mut counter, 4), Ok(()));
    counter.set_capacity(Some(2));
    assert_eq!((counter.available, counter.epoch), (Some(-2), 0));
    assert_eq!(counter.availability(&EventId::from([1; 12])).available, Some(0));
    counter.give_back(4);
    assert_eq!((counter.available, counter.epoch), (Some(2), 1));
    counter.set_capacity(Some(3));
    assert_eq!((counter.available, counter.epoch), (Some(3), 2));
}

#[test]
fn drift_is_told_and_repaired() {
    let event = EventId::from([1; 12]);
    let mut counter = open(Some(10));
    counter.sell(4);
    assert_eq!(counter.reconcile(&event, 4).drift, 0);
    assert_eq!(counter.reconcile(&event, 3).drift, 1);
    counter.sold += 2;
    assert_eq!(counter.reconcile(&event, 4).drift, 2, "available hides nothing");
    counter.sold -= 2;
    counter.available = Some(7);
    assert_eq!(counter.reconcile(&event, 4).drift, -1);
    assert!(counter.repair(3));
    assert_eq!(
        (
            counter.sold,
            counter.available,
            counter.reconcile(&event, 3).drift
        ),
        (3, Some(7), 0)
    );
    assert!(!counter.repair(3));
}
