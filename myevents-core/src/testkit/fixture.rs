//! Sample values for suites and tests: new ids each time, nothing shared between cases.

use std::time::Duration;

use tokio::time::Instant;

use crate::contract::{Envelope, Message, MessageId, MessageName};
use crate::domain::{
    Actor, Age, AuditAction, AuditEntry, Booking, BookingId, BookingState, Capacity, Event, EventId,
    EventRecord, Fingerprint, Hall, HourOfDay, Id, Location, LocationId, LocationRecord, Minutes, Name,
    Person, PersonLimits, Seats, Text, UnixMillis, UnixSeconds, User, UserId, UserRecord, Version,
};
use crate::ports::{
    ApplyMode, Attached, BookingRequest, CancelRequest, DeadLetter, EventProjection, IdSource as _, RandomIds,
};

/// 2026-06-01T00:00:00Z, when sample events start.
pub const START: i64 = 1_780_272_000;

/// A new event id.
#[must_use]
pub fn event_id() -> EventId {
    RandomIds.object_id().into()
}

/// A new location id.
#[must_use]
pub fn location_id() -> LocationId {
    RandomIds.object_id().into()
}

/// A new user id.
#[must_use]
pub fn user_id() -> UserId {
    RandomIds.secret_id().into()
}

/// A new booking id.
#[must_use]
pub fn booking_id() -> BookingId {
    RandomIds.secret_id().into()
}

/// Text as stored.
#[must_use]
pub fn text(text: &str) -> Text {
    Text::from_stored(text)
}

/// Seats, at least 1.
#[must_use]
pub fn seats(seats: u32) -> Seats {
    Seats::from_stored(i64::from(seats))
}

/// A point in time.
#[must_use]
pub fn date(seconds: i64) -> UnixSeconds {
    UnixSeconds::from_stored(seconds)
}

/// The end of a request that has time enough for any test.
#[must_use]
pub fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// The fingerprint of a request that asked for `what`.
#[must_use]
pub fn fingerprint(what: &str) -> Fingerprint {
    Fingerprint::of("test").field(what.as_bytes()).finish()
}

/// A new message named `name` about the record `key`.
#[must_use]
pub fn message(name: &'static str, key: &str) -> Envelope {
    Envelope::builder(RandomIds.message_id(), MessageName::from_static(name), key)
        .time(UnixMillis(START * 1_000))
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        .body(format!("{{\"key\":\"{key}\"}}"))
        .build()
}

/// A new `event.created` about `event`, to attach to a write.
#[must_use]
pub fn announce(event: &EventId) -> Attached {
    Attached::announcement(message(crate::contract::EventCreated::NAME, &event.to_string()))
}

/// A new line of the audit log: `action` was done to `object`, at [`START`].
#[must_use]
pub fn audit(action: AuditAction, object: impl Into<Id>) -> AuditEntry {
    AuditEntry {
        id: RandomIds.object_id().into(),
        time: UnixMillis(START * 1_000),
        actor: Actor::Subject {
            issuer: "https://id.example".to_owned(),
            subject: "somebody".to_owned(),
        },
        action,
        object: object.into(),
        version: Some(Version::FIRST),
        fields: Vec::new(),
        request: None,
        trace: None,
    }
}

/// A new message id.
#[must_use]
pub fn message_id() -> MessageId {
    RandomIds.message_id()
}

/// A hall.
#[must_use]
pub fn hall(name: &str, capacity: u32) -> Hall {
    Hall {
        name: text(name),
        location: text("first floor"),
        capacity,
    }
}

/// A location with these halls and a new id.
#[must_use]
pub fn location(halls: Vec<Hall>) -> Location {
    Location {
        id: location_id(),
        name: text("Stadthalle"),
        address: text("Am Markt 1, Köln"),
        country: text("Germany"),
        open_time: HourOfDay::from_stored(8),
        close_time: HourOfDay::from_stored(23),
        halls,
        time_zone: None,
    }
}

/// The record of `location` at version 1.
#[must_use]
pub fn location_record(location: Location) -> LocationRecord {
    LocationRecord {
        fingerprint: fingerprint(location.name.as_str()),
        location,
        version: Version::FIRST,
        owner: None,
        deleted: false,
    }
}

/// An event named `name` that starts at [`START`], with a new id and a hall of 1,000 seats.
#[must_use]
pub fn event(name: &str) -> Event {
    Event {
        id: event_id(),
        name: Name::from_stored(name),
        duration: Minutes::from_stored(90),
        start: date(START),
        end: date(START + 5_400),
        location: Some(location(vec![hall("great hall", 1_000)])),
        hall_names: Vec::new(),
        sales_start: None,
        sales_end: None,
        max_seats_per_booking: None,
        person_limits: PersonLimits::default(),
        cancelled: false,
    }
}

/// The record of `event` at version 1.
#[must_use]
pub fn event_record(event: Event) -> EventRecord {
    EventRecord {
        fingerprint: fingerprint(event.name.as_str()),
        event,
        version: Version::FIRST,
        owner: None,
        awaiting_location: None,
    }
}

/// `record` at `version`, offered as newer with `capacity`.
#[must_use]
pub fn projection(mut record: EventRecord, version: u64, capacity: Capacity) -> EventProjection {
    record.version = Version(version);
    EventProjection {
        record,
        capacity,
        mode: ApplyMode::Newer,
    }
}

/// A user with a new id.
#[must_use]
pub fn user_record(first: &str, last: &str) -> UserRecord {
    UserRecord {
        user: User {
            id: user_id(),
            first: text(first),
            last: text(last),
            age: Age::from_stored(40),
        },
        fingerprint: fingerprint(first),
    }
}

/// A confirmed booking of `seats` seats of `event` with a new id, for nobody.
#[must_use]
pub fn booking(event: &EventId, wanted: u32) -> Booking {
    Booking {
        id: booking_id(),
        event: event.clone(),
        user: None,
        name: None,
        email: None,
        seats: seats(wanted),
        date: date(START - 86_400),
        state: BookingState::Confirmed,
        version: Version::FIRST,
        fingerprint: Fingerprint::of("book")
            .field(event.as_bytes())
            .number(i64::from(wanted))
            .finish(),
        person: None,
    }
}

/// A wish for `booking` without limits.
#[must_use]
pub fn request_of(booking: Booking) -> BookingRequest {
    BookingRequest {
        message: message(crate::contract::EventBooked::NAME, &booking.id.to_string()),
        booking,
        limits: PersonLimits::default(),
        deadline: deadline(),
    }
}

/// A wish for `seats` seats of `event` with a new id, for nobody.
#[must_use]
pub fn booking_request(event: &EventId, seats: u32) -> BookingRequest {
    request_of(booking(event, seats))
}

/// A wish for `seats` seats of `event` with a new id for `person`, who may book within `limits`.
#[must_use]
pub fn limited_request(event: &EventId, seats: u32, person: &str, limits: PersonLimits) -> BookingRequest {
    let mut booking = booking(event, seats);
    booking.person = Some(Person::new(text(person)));
    BookingRequest {
        limits,
        ..request_of(booking)
    }
}

/// The wish to cancel a booking of `event`.
#[must_use]
pub fn cancel_request(event: &EventId, booking: &BookingId) -> CancelRequest {
    CancelRequest {
        booking: booking.clone(),
        event: event.clone(),
        message: message(crate::contract::BookingCancelled::NAME, &booking.to_string()),
        audit: None,
        deadline: deadline(),
    }
}

/// A dead letter of `consumer` about a new message.
#[must_use]
pub fn dead_letter(consumer: &str, reason: &str) -> DeadLetter {
    DeadLetter {
        consumer: consumer.to_owned(),
        origin: "events".to_owned(),
        reason: reason.to_owned(),
        attempts: 5,
        at: UnixMillis(START * 1_000),
        envelope: message("event.created", "ab12"),
    }
}
