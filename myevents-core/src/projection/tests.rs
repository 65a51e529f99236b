//! The projection over the memory store: late, repeated and old messages.

use std::sync::Arc;

use jiff::Timestamp;

use crate::ErrorKind;
use crate::contract::{EventAnnouncement, HallWire, LocationAnnouncement};
use crate::domain::{
    Event, EventId, EventRecord, Fingerprint, Hall, HourOfDay, Location, LocationId, Minutes, Name,
    PersonLimits, Text, UnixSeconds, Version,
};
use crate::memory::MemoryStore;
use crate::ports::{DatabaseHandler, SystemClock};
use crate::projection::{project_event, project_location};

const EVENT: &str = "0102030405060708090a0b0c";
const LOCATION: &str = "1112131415161718191a1b1c";

fn store() -> MemoryStore {
    MemoryStore::new(Arc::new(SystemClock))
}

/// An event as an original service announces it.
fn old(location_id: &str) -> EventAnnouncement {
    EventAnnouncement {
        id: EVENT.to_owned(),
        name: "opera".to_owned(),
        location_id: location_id.to_owned(),
        start_date: Timestamp::from_second(1_000).unwrap(),
        end_date: Timestamp::from_second(4_600).unwrap(),
        event: None,
        capacity: None,
        version: None,
    }
}

fn ours(version: u64, seats: u32) -> EventAnnouncement {
    let event = Event {
        id: EventId::parse(EVENT).unwrap(),
        name: Name::from_stored("opera"),
        duration: Minutes::from_stored(60),
        start: UnixSeconds::from_stored(1_000),
        end: UnixSeconds::from_stored(4_600),
        location: Some(Location {
            id: LocationId::parse(LOCATION).unwrap(),
            name: Text::from_stored("house"),
            address: Text::default(),
            country: Text::default(),
            open_time: HourOfDay::default(),
            close_time: HourOfDay::default(),
            halls: vec![Hall {
                name: Text::from_stored("hall"),
                location: Text::default(),
                capacity: seats,
            }],
            time_zone: None,
        }),
        hall_names: Vec::new(),
        sales_start: None,
        sales_end: None,
        max_seats_per_booking: None,
        person_limits: PersonLimits::default(),
        cancelled: false,
    };
    EventAnnouncement::from(&EventRecord {
        event,
        version: Version(version),
        fingerprint: Fingerprint::of("test").finish(),
        owner: None,
        awaiting_location: None,
    })
}

fn location(id: &str, version: Option<u64>, seats: &[u32]) -> LocationAnnouncement {
    let hall = |capacity: &u32| HallWire {
        name: "hall".to_owned(),
        location: String::new(),
        capacity: *capacity,
    };
    LocationAnnouncement {
        id: id.to_owned(),
        name: "house".to_owned(),
        address: String::new(),
        country: String::new(),
        halls: Some(seats.iter().map(hall).collect()),
        location: None,
        version,
    }
}

async fn capacity(store: &MemoryStore) -> Option<u64> {
    let event = EventId::parse(EVENT).unwrap();
    let found = store.availability(&[event]).await.unwrap();
    found.into_iter().next().flatten().unwrap().capacity
}

async fn awaits(store: &MemoryStore) -> bool {
    let event = EventId::parse(EVENT).unwrap();
    let found = store.find_event(&event).await.unwrap().unwrap();
    found.awaiting_location.is_some()
}

#[tokio::test]
async fn only_a_greater_version_is_applied() {
    let store = store();
    assert!(project_event(&store, &ours(2, 20), false).await.unwrap().counter);
    assert_eq!(capacity(&store).await, Some(20));
    for late in [1, 2] {
        let applied = project_event(&store, &ours(late, 99), false).await.unwrap();
        assert_eq!(applied, crate::ports::Applied::default(), "version {late}");
    }
    assert_eq!(capacity(&store).await, Some(20));
    project_event(&store, &ours(3, 30), false).await.unwrap();
    assert_eq!(capacity(&store).await, Some(30));
    // An old service's message about it fills in nothing, as nothing is absent.
    project_event(&store, &old(LOCATION), false).await.unwrap();
    assert_eq!(capacity(&store).await, Some(30));
}

#[tokio::test]
async fn a_cancelled_event_that_comes_first_stays_cancelled() {
    let store = store();
    project_event(&store, &ours(2, 20), true).await.unwrap();
    project_event(&store, &ours(1, 20), false).await.unwrap();
    let event = EventId::parse(EVENT).unwrap();
    assert!(store.find_event(&event).await.unwrap().unwrap().event.cancelled);
    let availability = store.availability(&[event]).await.unwrap();
    assert_eq!(availability[0].as_ref().unwrap().available, Some(0));
}

#[tokio::test]
async fn an_old_event_gets_its_capacity_from_a_location_before_or_after_it() {
    let before = store();
    project_location(&before, &location(LOCATION, Some(1), &[10, 5]), false)
        .await
        .unwrap();
    project_event(&before, &old(&LOCATION.to_uppercase()), false)
        .await
        .unwrap();
    assert_eq!(capacity(&before).await, Some(15));
    assert!(!awaits(&before).await);

    let after = store();
    project_event(&after, &old(LOCATION), false).await.unwrap();
    assert_eq!(capacity(&after).await, None);
    assert!(awaits(&after).await);
    // One without halls tells nothing; the event waits on.
    project_location(&after, &location(LOCATION, Some(1), &[]), false)
        .await
        .unwrap();
    assert!(awaits(&after).await);
    project_location(&after, &location(LOCATION, Some(2), &[7]), false)
        .await
        .unwrap();
    assert_eq!(capacity(&after).await, Some(7));
    assert!(!awaits(&after).await);
    // What it has now is not taken away by a later change of the location.
    project_location(&after, &location(LOCATION, Some(3), &[70]), false)
        .await
        .unwrap();
    assert_eq!(capacity(&after).await, Some(7));
}

#[tokio::test]
async fn a_location_id_that_is_opaque_text_joins_and_a_mangled_one_never() {
    let opaque = store();
    project_event(&opaque, &old("hall of fame"), false).await.unwrap();
    project_location(&opaque, &location("hall of fame", None, &[4]), false)
        .await
        .unwrap();
    assert_eq!(capacity(&opaque).await, Some(4));

    for mangled in ["", "ab\u{FFFD}cd"] {
        let store = store();
        let written = project_location(&store, &location(mangled, None, &[4]), false).await;
        assert!(!written.unwrap(), "{mangled:?}");
        project_event(&store, &old(mangled), false).await.unwrap();
        assert_eq!(capacity(&store).await, None, "{mangled:?}");
        assert!(!awaits(&store).await, "{mangled:?}");
    }
}

#[tokio::test]
async fn the_capacity_in_the_message_wins_over_the_location() {
    let store = store();
    project_location(&store, &location(LOCATION, Some(1), &[10]), false)
        .await
        .unwrap();
    let mut message = old(LOCATION);
    message.capacity = Some(3);
    project_event(&store, &message, false).await.unwrap();
    assert_eq!(capacity(&store).await, Some(3));
}

#[tokio::test]
async fn an_event_whose_id_is_no_id_is_malformed() {
    let mut message = old(LOCATION);
    message.id = "opera!".to_owned();
    let error = project_event(&store(), &message, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let mut two = ours(1, 1);
    two.id = LOCATION.to_owned();
    let error = project_event(&store(), &two, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}
