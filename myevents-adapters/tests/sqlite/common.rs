//! Values that the SQLite tests store.

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::domain::{
    Booking, BookingId, BookingState, Capacity, Event, EventId, EventRecord, Fingerprint, Hall, HourOfDay,
    Location, LocationId, Minutes, Name, PersonLimits, Seats, Text, UnixSeconds, Version,
};
use myevents_core::ports::{
    ApplyMode, BookingRequest, CancelRequest, DatabaseHandler, EventProjection, IdSource, RandomIds,
    SystemClock,
};
use tokio::time::Instant;

pub(crate) const ROLE: &str = "bookingservice";

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn config(folder: &tempfile::TempDir) -> SqliteConfig {
    SqliteConfig::service(folder.path().join("store.db"), ROLE)
}

pub(crate) fn open(config: SqliteConfig) -> SqliteStore {
    SqliteStore::open(config, Arc::new(SystemClock)).unwrap()
}

pub(crate) fn event_id() -> EventId {
    EventId::from(RandomIds.object_id())
}

pub(crate) fn record(id: &EventId, name: &str, start: i64) -> EventRecord {
    let text = |text: &str| Text::from_stored(text);
    EventRecord {
        event: Event {
            id: id.clone(),
            name: Name::from_stored(name),
            duration: Minutes::from_stored(90),
            start: UnixSeconds::from_stored(start),
            end: UnixSeconds::from_stored(start + 5_400),
            location: Some(Location {
                id: LocationId::from([9; 12]),
                name: text("Opéra Garnier"),
                address: text("Pl. de l'Opéra, Paris"),
                country: text("France"),
                open_time: HourOfDay::from_stored(7),
                close_time: HourOfDay::from_stored(20),
                halls: vec![Hall {
                    name: text("Grand foyer"),
                    location: text(""),
                    capacity: 100,
                }],
                time_zone: None,
            }),
            hall_names: vec![text("Grand foyer")],
            sales_start: Some(UnixSeconds::from_stored(1)),
            sales_end: None,
            max_seats_per_booking: Some(9),
            person_limits: PersonLimits::default(),
            cancelled: false,
        },
        version: Version::FIRST,
        fingerprint: Fingerprint::of("test").field(name.as_bytes()).finish(),
        owner: Some(text("somebody")),
        awaiting_location: None,
    }
}

pub(crate) fn projection(record: EventRecord, capacity: Capacity) -> EventProjection {
    EventProjection {
        record,
        capacity,
        mode: ApplyMode::Newer,
    }
}

pub(crate) async fn bookable(store: &SqliteStore, capacity: u64) -> EventId {
    let id = event_id();
    let applied = store
        .project_event(&projection(record(&id, "aida", 1_000), Some(capacity)))
        .await
        .unwrap();
    assert!(applied.copy && applied.counter);
    id
}

pub(crate) fn message(key: &str) -> Envelope {
    Envelope::builder(
        RandomIds.message_id(),
        MessageName::from_static("test.changed"),
        key,
    )
    .header("traceparent", "00-1-2-01")
    .body(r#"{"a":1}"#)
    .build()
}

pub(crate) fn request(event: &EventId, seats: i64) -> BookingRequest {
    let id = BookingId::from(RandomIds.secret_id());
    BookingRequest {
        message: Envelope::builder(
            RandomIds.message_id(),
            MessageName::from_static("event.booked"),
            id.to_string(),
        )
        .body(r#"{"eventId":"00","userId":"anonymous"}"#)
        .build(),
        booking: Booking {
            id,
            event: event.clone(),
            user: None,
            name: None,
            email: None,
            seats: Seats::parse(seats).unwrap(),
            date: UnixSeconds::from_stored(1_700_000_000),
            state: BookingState::Confirmed,
            version: Version::FIRST,
            fingerprint: Fingerprint::of("test").number(seats).finish(),
            person: None,
        },
        limits: PersonLimits::default(),
        deadline: Instant::now() + Duration::from_secs(60),
    }
}

pub(crate) fn cancellation(booking: &Booking) -> CancelRequest {
    CancelRequest {
        booking: booking.id.clone(),
        event: booking.event.clone(),
        message: Envelope::builder(
            RandomIds.message_id(),
            MessageName::from_static("booking.cancelled"),
            booking.id.to_string(),
        )
        .build(),
        audit: None,
        deadline: Instant::now() + Duration::from_secs(60),
    }
}
