//! What others rely on, frozen: the wire form of every message and of every domain type, both spellings of names, and
//! bodies as the original services send them.

use insta::assert_json_snapshot;
use myevents_core::ErrorKind;
use myevents_core::contract::{
    BookingAnnouncement, BookingCancelled, BookingWire, Envelope, EventAnnouncement, EventBooked,
    EventCancelled, EventCreated, EventUpdated, EventWire, LocationAnnouncement, LocationCreated,
    LocationDeleted, LocationUpdated, LocationWire, Message, MessageId, MessageName, Registry, UserWire,
};
use myevents_core::domain::{
    Age, Booking, BookingId, BookingState, Event, EventId, EventRecord, Fingerprint, Hall, HourOfDay,
    Location, LocationId, LocationRecord, Minutes, Name, Person, PersonLimits, Seats, Text, TimeZoneName,
    UnixSeconds, User, UserId, Version,
};

fn text(text: &str) -> Text {
    Text::parse("text", text).unwrap()
}

fn seconds(seconds: i64) -> UnixSeconds {
    UnixSeconds::parse("date", seconds).unwrap()
}

fn opera_house() -> Location {
    Location {
        id: LocationId::from([0xb0; 12]),
        name: text("West Street Opera House"),
        address: text("11 west street, AZ 73646"),
        country: text("U.S.A"),
        open_time: HourOfDay::parse("OpenTime", 7).unwrap(),
        close_time: HourOfDay::parse("CloseTime", 20).unwrap(),
        halls: vec![
            Hall {
                name: text("Cesar hall"),
                location: text("second floor, room 2210"),
                capacity: 10,
            },
            Hall {
                name: text("Foyer"),
                location: text(""),
                capacity: 250,
            },
        ],
        time_zone: Some(TimeZoneName::parse("Europe/Rome").unwrap()),
    }
}

fn aida() -> Event {
    Event {
        id: EventId::from([0xe0; 12]),
        name: Name::parse("Name", "opera aida").unwrap(),
        duration: Minutes::parse(120).unwrap(),
        start: seconds(768_346_784),
        end: seconds(768_353_984),
        location: Some(opera_house()),
        hall_names: vec![text("Cesar hall")],
        sales_start: Some(seconds(700_000_000)),
        sales_end: Some(seconds(768_346_000)),
        max_seats_per_booking: Some(8),
        person_limits: PersonLimits {
            seats: Some(12),
            bookings: Some(3),
        },
        cancelled: false,
    }
}

/// Nothing set that can be left out.
fn bare_event() -> Event {
    Event {
        location: None,
        hall_names: Vec::new(),
        sales_start: None,
        sales_end: None,
        max_seats_per_booking: None,
        person_limits: PersonLimits::default(),
        ..aida()
    }
}

fn record(event: Event, version: u64) -> EventRecord {
    EventRecord {
        event,
        version: Version(version),
        fingerprint: Fingerprint::of("test").finish(),
        owner: None,
        awaiting_location: None,
    }
}

fn location_record(deleted: bool, version: u64) -> LocationRecord {
    LocationRecord {
        location: opera_house(),
        version: Version(version),
        fingerprint: Fingerprint::of("test").finish(),
        owner: None,
        deleted,
    }
}

fn booking() -> Booking {
    Booking {
        id: BookingId::from([0xbb; 12]),
        event: EventId::from([0xe0; 12]),
        user: Some(UserId::from([0xaa; 12])),
        name: Some(text("Ada Lovelace")),
        email: Some(text("ada@example.org")),
        seats: Seats::parse(3).unwrap(),
        date: seconds(1_700_000_000),
        state: BookingState::Confirmed,
        version: Version::FIRST,
        fingerprint: Fingerprint::of("test").finish(),
        person: Some(Person::new(text("ada@example.org"))),
    }
}

fn bare_booking() -> Booking {
    Booking {
        user: None,
        name: None,
        email: None,
        person: None,
        ..booking()
    }
}

fn received(name: &str, body: &str) -> Envelope {
    Envelope::builder(MessageId::new("m-1"), MessageName::from_wire(name), "")
        .body(body.to_owned())
        .build()
}

/// Decodes what was encoded and compares.
fn round_trip<M: Message + PartialEq>(message: &M) {
    let body = serde_json::to_string(message).unwrap();
    assert_eq!(&M::decode(&received(M::NAME, &body)).unwrap(), message);
}

#[test]
fn event_messages() {
    let created = EventCreated(EventAnnouncement::from(&record(aida(), 1)));
    round_trip(&created);
    assert_json_snapshot!("event_created", created);

    let bare = EventCreated(EventAnnouncement::from(&record(bare_event(), 1)));
    round_trip(&bare);
    assert_json_snapshot!("event_created_bare", bare);

    let updated = EventUpdated(EventAnnouncement::from(&record(aida(), 2)));
    round_trip(&updated);
    assert_json_snapshot!("event_updated", updated);

    let event = Event {
        cancelled: true,
        ..aida()
    };
    let cancelled = EventCancelled(EventAnnouncement::from(&record(event, 3)));
    round_trip(&cancelled);
    assert_json_snapshot!("event_cancelled", cancelled);
}

#[test]
fn location_messages() {
    let created = LocationCreated(LocationAnnouncement::from(&location_record(false, 1)));
    round_trip(&created);
    assert_json_snapshot!("location_created", created);
    let updated = LocationUpdated(LocationAnnouncement::from(&location_record(false, 2)));
    round_trip(&updated);
    assert_json_snapshot!("location_updated", updated);
    let deleted = LocationDeleted(LocationAnnouncement::from(&location_record(true, 3)));
    round_trip(&deleted);
    assert_json_snapshot!("location_deleted", deleted);
}

#[test]
fn booking_messages() {
    let booked = EventBooked(BookingAnnouncement::new(&booking(), Version::FIRST));
    round_trip(&booked);
    assert_json_snapshot!("event_booked", booked);
    let anonymous = EventBooked(BookingAnnouncement::new(&bare_booking(), Version::FIRST));
    round_trip(&anonymous);
    assert_json_snapshot!("event_booked_anonymous", anonymous);
    let cancelled = BookingCancelled(BookingAnnouncement::new(&booking(), Version(2)));
    round_trip(&cancelled);
    assert_json_snapshot!("booking_cancelled", cancelled);
}

#[test]
fn messages_about_bookings_name_nobody() {
    for body in [
        serde_json::to_string(&EventBooked(BookingAnnouncement::new(&booking(), Version::FIRST))).unwrap(),
        serde_json::to_string(&BookingCancelled(BookingAnnouncement::new(
            &booking(),
            Version(2),
        )))
        .unwrap(),
    ] {
        assert!(!body.contains("Ada") && !body.contains("example.org"), "{body}");
    }
}

#[test]
fn domain_types() {
    assert_json_snapshot!("event", EventWire::from(&aida()));
    assert_json_snapshot!("event_bare", EventWire::from(&bare_event()));
    assert_json_snapshot!("location", LocationWire::from(&opera_house()));
    assert_json_snapshot!("booking", BookingWire::from(&booking()));
    assert_json_snapshot!("booking_bare", BookingWire::from(&bare_booking()));
    let user = User {
        id: UserId::from([0xaa; 12]),
        first: text("Ada"),
        last: text("Lovelace"),
        age: Age::parse(36).unwrap(),
    };
    assert_json_snapshot!("user", UserWire::new(&user, &[booking()]));
}

#[test]
fn stored_forms_read_back_as_they_were() {
    for event in [aida(), bare_event()] {
        let json = serde_json::to_string(&EventWire::from(&event)).unwrap();
        let wire: EventWire = serde_json::from_str(&json).unwrap();
        assert_eq!(wire.to_stored().unwrap(), event);
    }
}

#[test]
fn names_in_both_spellings() {
    let names: Vec<_> = Registry::default()
        .messages()
        .map(|message| (message.name.to_string(), message.legacy_name, message.about))
        .collect();
    assert_json_snapshot!("names", names);
    for (dotted, legacy, _) in names {
        let name = MessageName::from_wire(&dotted);
        assert_eq!(name.as_str(), dotted);
        assert_eq!(name.on_wire(false), dotted);
        assert_eq!(name.on_wire(true), legacy.unwrap_or(&dotted));
        assert_eq!(MessageName::from_wire(name.on_wire(true)), name);
    }
}

#[test]
fn an_event_of_an_original_service_is_taken() {
    // As the Go service sends it: no version, dates with the zone of its clock, and an ObjectId that was put into a
    // string byte by byte, so that JSON holds replacement characters.
    let body = "{\"id\":\"5a1d3b6e0e5f7a0001c3d4e5\",\"name\":\"opera aida\",\
                \"location_id\":\"Z\u{1d};n\u{fffd}_z\\u0000\u{1}\u{fffd}\u{fffd}\u{fffd}\",\
                \"start_date\":\"1994-05-07T21:13:04+02:00\",\"end_date\":\"1994-05-07T23:13:04.25-07:00\"}"
        .replace('\u{1d}', "\\u001d")
        .replace('\u{1}', "\\u0001");
    let EventCreated(event) = EventCreated::decode(&received("eventCreated", &body)).unwrap();
    assert_eq!(event.start_date.as_second(), 768_337_984);
    assert_eq!(event.end_date.as_second(), 768_377_584);
    assert!(event.location_id.contains('\u{fffd}'));
    assert_eq!((event.version, event.capacity), (None, None));
    assert!(event.event.is_none());
    Registry::default()
        .check(&received("eventCreated", &body))
        .unwrap();
}

#[test]
fn an_event_with_an_empty_location_is_taken() {
    let body = r#"{"id":"5a1d3b6e0e5f7a0001c3d4e5","name":"n","location_id":"",
        "start_date":"0001-01-01T00:00:00Z","end_date":"1970-01-01T00:00:00Z"}"#;
    let EventCreated(event) = EventCreated::decode(&received("event.created", body)).unwrap();
    assert_eq!(event.location_id, "");
}

#[test]
fn a_location_without_halls_of_an_original_service_is_taken() {
    let body = r#"{"id":"5a1d3b6e0e5f7a0001c3d4e5","name":"West Street Opera House",
        "address":"11 west street","country":"U.S.A","halls":null}"#;
    let LocationCreated(location) = LocationCreated::decode(&received("locationCreated", body)).unwrap();
    assert_eq!((location.halls, location.version), (None, None));
    let body = r#"{"id":"x","name":"n","halls":[{"name":"h","location":"l","capacity":10},{"name":"i","capacity":1}]}"#;
    let LocationCreated(location) = LocationCreated::decode(&received("locationCreated", body)).unwrap();
    assert_eq!(location.halls.unwrap().len(), 2);
}

#[test]
fn a_booking_of_an_original_service_is_taken() {
    let body = r#"{"eventId":"5a1d3b6e0e5f7a0001c3d4e5","userId":"someUserID"}"#;
    let EventBooked(booked) = EventBooked::decode(&received("eventBooked", body)).unwrap();
    assert_eq!(booked.user_id, "someUserID");
    assert_eq!(
        (booked.booking_id, booked.seats, booked.version),
        (None, None, None)
    );
}

#[test]
fn fields_that_a_later_version_adds_are_passed_over() {
    let mut body =
        serde_json::to_value(EventBooked(BookingAnnouncement::new(&booking(), Version::FIRST))).unwrap();
    body["gate"] = "A".into();
    EventBooked::decode(&received("event.booked", &body.to_string())).unwrap();
}

#[test]
fn what_does_not_decode_is_malformed() {
    for (name, body) in [
        ("event.created", ""),
        ("event.created", "[]"),
        (
            "event.created",
            r#"{"id":"00","name":"n","start_date":"yesterday","end_date":"today"}"#,
        ),
        (
            "event.created",
            r#"{"id":"00","name":"n","start_date":"2017-01-01T10:00:00","end_date":"2017-01-01T10:00:00"}"#,
        ),
        ("event.booked", r#"{"eventId":"00"}"#),
        ("location.created", r#"{"id":7,"name":"n"}"#),
    ] {
        let error = Registry::default().check(&received(name, body)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{name} {body}");
    }
    let error = Registry::default()
        .check(&received("nobody.knows", "{}"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
