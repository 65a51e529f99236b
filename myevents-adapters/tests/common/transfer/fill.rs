//! Fills the stores of an installation with records of every kind, odd ones above all.

use std::time::Duration;

use myevents_adapters::connect::OpenStore;
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::domain::{
    Actor, AuditAction, Booking, BookingState, EventId, EventRecord, Person, PersonLimits, Text, UserId,
    UserRecord, Version,
};
use myevents_core::ports::{
    ApplyMode, Attached, BookOptions, BookingRequest, CancelOutcome, Committed, EventProjection,
    IdSource as _, Inserted, Outcome, RandomIds, Store, UnknownCapacity,
};
use myevents_core::testkit::fixture;

use super::Pair;

/// Texts that some part on the way could take for something else.
const HOSTILE: [&str; 6] = [
    "\"}\n{\"end\":true}",
    "$where: {$ne: null} . \u{0}",
    "\u{202e} right to left \u{202c} and 🎭",
    "C:\\path\\\\ '; DROP TABLE events; --",
    "\u{2028}\u{2029}\u{feff}\u{1f}",
    " a name with blanks around it ",
];

/// What a test wants to meet again.
pub(super) struct Filled {
    /// Of an event without limit: confirmed.
    pub(super) booked: Booking,
    /// The same event's: cancelled.
    pub(super) cancelled: Booking,
    /// An event on which `person` may book nothing more.
    pub(super) limited: EventId,
    pub(super) limits: PersonLimits,
    pub(super) person: &'static str,
    /// The booking that uses up the limit.
    pub(super) last: Booking,
    /// Sold above its capacity.
    pub(super) lowered: EventId,
    pub(super) user: UserRecord,
    pub(super) removed: UserId,
}

pub(super) async fn fill(pair: &Pair) -> Filled {
    fill_events(&pair.events).await;
    let filled = fill_bookings(&pair.bookings).await;
    for open in [&pair.events, &pair.bookings] {
        fill_messages(open).await;
        assert_eq!(open.store.depth().await.unwrap().rows, 0);
    }
    filled
}

async fn fill_events(open: &OpenStore) {
    let store = &*open.store;
    for number in 0..130 {
        let mut event = fixture::event(HOSTILE[number % HOSTILE.len()]);
        event.start = fixture::date(i64::try_from(number / 3).unwrap() * 1_000_000);
        event.end = event.start;
        let mut record = fixture::event_record(event);
        record.owner = (number % 2 == 0).then(|| fixture::text(HOSTILE[0]));
        let mut created = fixture::audit(AuditAction::EVENT_CREATED, &record.event.id);
        created.actor = Actor::Subject {
            issuer: HOSTILE[0].to_owned(),
            subject: HOSTILE[1].to_owned(),
        };
        created.fields = vec![HOSTILE[2].into()];
        let audited = Attached {
            audit: Some(created),
            ..Attached::nothing()
        };
        store.add_event(&record, audited).await.unwrap();
        if number % 10 == 0 {
            record.version = Version(2);
            record.event.cancelled = number % 20 == 0;
            store
                .replace_event(&record, Version(1), Attached::nothing())
                .await
                .unwrap();
        }
    }
    let mut bare = fixture::event("neither place nor time");
    (bare.start, bare.end) = (fixture::date(0), fixture::date(253_402_300_799));
    bare.location = None;
    store
        .add_event(&fixture::event_record(bare), Attached::nothing())
        .await
        .unwrap();
    let mut full = fixture::event("everything");
    let halls = (0..40).map(|number| fixture::hall(&format!("{} {number}", HOSTILE[2]), i32::MAX as u32));
    let mut place = fixture::location(halls.collect());
    place.time_zone = Some(myevents_core::domain::TimeZoneName::from_stored("Europe/Berlin"));
    full.hall_names = vec![place.halls[7].name.clone(), place.halls[3].name.clone()];
    full.location = Some(place);
    full.sales_start = Some(fixture::date(1));
    full.sales_end = Some(fixture::date(2_000_000_000));
    full.max_seats_per_booking = Some(7);
    full.person_limits = PersonLimits {
        seats: Some(9),
        bookings: Some(2),
    };
    store
        .add_event(&fixture::event_record(full), Attached::nothing())
        .await
        .unwrap();
    for number in 0..120_u64 {
        let mut place = fixture::location(vec![fixture::hall("a", 5), fixture::hall("b", 0)]);
        place.name = fixture::text(HOSTILE[usize::try_from(number).unwrap() % HOSTILE.len()]);
        let mut record = fixture::location_record(place);
        record.owner = (number % 2 == 0).then(|| fixture::text("somebody"));
        store.add_location(&record, Attached::nothing()).await.unwrap();
        if number % 4 == 0 {
            record.version = Version(2);
            record.deleted = true;
            store
                .replace_location(&record, Version(1), Attached::nothing())
                .await
                .unwrap();
        }
    }
}

async fn offer(store: &dyn Store, record: &EventRecord, version: u64, capacity: Option<u64>) {
    let offered = EventProjection {
        record: EventRecord {
            version: Version(version),
            ..record.clone()
        },
        capacity,
        mode: ApplyMode::Newer,
    };
    assert!(store.project_event(&offered).await.unwrap().counter);
}

async fn book_all(store: &dyn Store, event: &EventId, requests: &[BookingRequest]) -> Vec<Outcome> {
    let options = BookOptions {
        unknown_capacity: UnknownCapacity::Allow,
        seen: None,
    };
    let mut outcomes = Vec::new();
    for batch in requests.chunks(store.capabilities().max_batch.min(40)) {
        for decided in store.book(event, batch, options).await {
            outcomes.push(settle(store, decided.unwrap()).await);
        }
    }
    outcomes
}

pub(super) async fn book(store: &dyn Store, request: &BookingRequest) -> Outcome {
    let event = request.booking.event.clone();
    book_all(store, &event, std::slice::from_ref(request))
        .await
        .remove(0)
}

pub(super) async fn booked(store: &dyn Store, request: BookingRequest) -> Booking {
    match book(store, &request).await {
        Outcome::Booked(booking) => booking,
        other => panic!("a booking ended with {other:?}"),
    }
}

pub(super) async fn cancel(store: &dyn Store, booking: &Booking) -> Booking {
    let request = fixture::cancel_request(&booking.event, &booking.id);
    match settle(store, store.cancel_booking(&request).await.unwrap()).await {
        CancelOutcome::Cancelled(booking) => booking,
        other => panic!("a cancel ended with {other:?}"),
    }
}

async fn fill_bookings(open: &OpenStore) -> Filled {
    let store = &*open.store;
    let show = fixture::event_record(fixture::event("long list"));
    let event = show.event.id.clone();
    offer(store, &show, 3, Some(100_000)).await;
    let many: Vec<_> = (0..1_030).map(|_| fixture::booking_request(&event, 2)).collect();
    let outcomes = book_all(store, &event, &many).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Booked(_)))
    );
    let booked_before = many[7].booking.clone();
    let cancelled = cancel(store, &many[8].booking).await;
    for request in &many[9..40] {
        cancel(store, &request.booking).await;
    }

    // Sold above what is left of the capacity.
    let lowered = fixture::event_record(fixture::event("lowered"));
    offer(store, &lowered, 1, Some(50)).await;
    booked(store, fixture::booking_request(&lowered.event.id, 30)).await;
    offer(store, &lowered, 2, Some(10)).await;

    // Unknown capacity, with seats sold; cancelled with seats sold; cancelled before it was known; of an old service.
    let unknown = fixture::event_record(fixture::event("nobody knows"));
    offer(store, &unknown, 1, None).await;
    booked(store, fixture::booking_request(&unknown.event.id, 30)).await;
    let mut called_off = fixture::event_record(fixture::event("called off"));
    offer(store, &called_off, 1, Some(9)).await;
    booked(store, fixture::booking_request(&called_off.event.id, 4)).await;
    called_off.event.cancelled = true;
    offer(store, &called_off, 2, Some(9)).await;
    let mut tombstone = fixture::event_record(fixture::event("never was"));
    tombstone.event.cancelled = true;
    offer(store, &tombstone, 9, None).await;
    let mut old = fixture::event_record(fixture::event("an old service's"));
    old.event.location = None;
    old.awaiting_location = Some(fixture::text("�not hex"));
    offer(store, &old, 0, None).await;

    // A limit per person that is used up, with a cancelled booking that does not count.
    let limits = PersonLimits {
        seats: Some(6),
        bookings: Some(2),
    };
    let mut limited = fixture::event_record(fixture::event("limited"));
    limited.event.person_limits = limits;
    let id = limited.event.id.clone();
    offer(store, &limited, 1, Some(100)).await;
    let person = "email:somebody@example.org";
    let first = booked(store, fixture::limited_request(&id, 3, person, limits)).await;
    booked(
        store,
        fixture::limited_request(&id, 4, "email:other@example.org", limits),
    )
    .await;
    cancel(store, &first).await;
    booked(store, fixture::limited_request(&id, 1, person, limits)).await;
    let last = booked(store, fixture::limited_request(&id, 5, person, limits)).await;
    let more = fixture::limited_request(&id, 1, person, limits);
    assert_eq!(book(store, &more).await, Outcome::LimitReached);

    let (user, removed) = fill_users(open, &event).await;
    // A state of a later version is kept as it is.
    let mut used = fixture::booking(&event, 3);
    (used.state, used.version) = (BookingState::from("used"), Version(5));
    let stored = open
        .tools
        .import_bookings(std::slice::from_ref(&used))
        .await
        .remove(0);
    assert_eq!(stored.unwrap(), Inserted::New);
    drain(store).await;
    store.reconcile(&event, true).await.unwrap();
    Filled {
        booked: booked_before,
        cancelled,
        limited: id,
        limits,
        person,
        last,
        lowered: lowered.event.id,
        user,
        removed,
    }
}

pub(super) fn personal(event: &EventId, user: &UserRecord, text: &str) -> BookingRequest {
    let mut booking = fixture::booking(event, 1);
    booking.user = Some(user.user.id.clone());
    booking.name = Some(fixture::text(text));
    booking.email = Some(fixture::text("somebody@example.org"));
    booking.person = Some(Person::new(Text::from_stored(&format!("user:{}", user.user.id))));
    fixture::request_of(booking)
}

async fn fill_users(open: &OpenStore, event: &EventId) -> (UserRecord, UserId) {
    let store = &*open.store;
    let users: Vec<_> = HOSTILE
        .iter()
        .map(|text| fixture::user_record(text, ""))
        .collect();
    for user in &users {
        store.add_user(user).await.unwrap();
        for text in HOSTILE {
            booked(store, personal(event, user, text)).await;
        }
    }
    let removed = users[1].user.id.clone();
    let audit = fixture::audit(AuditAction::USER_REMOVED, &removed);
    assert!(store.remove_user(&removed, Some(&audit)).await.unwrap());
    // Somebody who was never here, and somebody who came back.
    assert!(!store.remove_user(&fixture::user_id(), None).await.unwrap());
    assert!(store.remove_user(&users[2].user.id, None).await.unwrap());
    store.add_user(&users[2]).await.unwrap();
    assert!(open.tools.is_removed(&removed).await.unwrap());
    assert!(!open.tools.is_removed(&users[2].user.id).await.unwrap());
    assert!(!open.tools.is_removed(&users[0].user.id).await.unwrap());
    (users[0].clone(), removed)
}

/// Dead letters and parked messages about records that are here; nothing else waits afterwards.
async fn fill_messages(open: &OpenStore) {
    for (number, text) in HOSTILE.into_iter().enumerate().take(3) {
        let mut letter = fixture::dead_letter("bookingservice", text);
        letter.attempts = u32::try_from(number).unwrap();
        letter.envelope = Envelope::builder(
            RandomIds.message_id(),
            MessageName::from_wire("eventCreated"),
            "ab12",
        )
        .header("traceparent", text)
        .content_type("application/octet-stream")
        .body(vec![0xff, 0, 0x80, u8::try_from(number).unwrap()])
        .build();
        open.dead_letters.put(&letter).await.unwrap();
    }
    let store = &*open.store;
    drain(store).await;
    for text in &HOSTILE[..3] {
        let record = fixture::event_record(fixture::event("parked"));
        let announced = fixture::announce(&record.event.id);
        let leased = store.add_event(&record, announced).await.unwrap().leased;
        store.release(&leased).await.unwrap();
        let rows = store.claim(10, Duration::from_secs(60)).await.unwrap().rows;
        assert_eq!(rows.len(), 1);
        assert_eq!(store.park(&rows, text).await.unwrap().len(), 1);
    }
}

/// Confirms every message that waits.
pub(super) async fn drain(store: &dyn Store) {
    while store.depth().await.unwrap().rows > 0 {
        let claim = store.claim(500, Duration::from_secs(60)).await.unwrap();
        assert!(!claim.rows.is_empty(), "messages are held that nobody holds");
        store.confirm(&claim.rows).await.unwrap();
    }
}

/// The answer of a write; what of its messages was born leased is given back.
pub(super) async fn settle<T>(store: &dyn Store, committed: Committed<T>) -> T {
    store.release(&committed.leased).await.unwrap();
    committed.value
}
