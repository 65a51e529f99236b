//! The use cases on the memory store: ids, keys, versions, and the messages that go with each write.

#[path = "use_cases/republishing.rs"]
mod republishing;

use std::sync::Arc;
use std::time::Duration;

use myevents_core::ErrorKind;
use myevents_core::contract::{EventAnnouncement, EventCreated, Message};
use myevents_core::domain::{BookingId, BookingState, LocationId, Name, Seats, Version};
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{DatabaseHandler, Outbox, Outcome, SystemClock};
use myevents_core::relay::{HandoverReceiver, handover};
use myevents_core::service::{
    BookingDraft, BookingService, BookingSettings, Caller, EventDraft, EventService, IdempotencyKey,
    LocationDraft, PutCondition, RequestContext, UserDraft,
};
use myevents_core::testkit::fixture;

struct Events {
    store: Arc<MemoryStore>,
    service: EventService,
    handed_over: HandoverReceiver,
    context: RequestContext,
}

fn events() -> Events {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let (handover, handed_over) = handover(1_024);
    let service = EventService::new(Arc::<MemoryStore>::clone(&store), handover);
    Events {
        store,
        service,
        handed_over,
        context: RequestContext::default(),
    }
}

fn draft(name: &str) -> EventDraft {
    let halls = vec![fixture::hall("great hall", 10)];
    EventDraft {
        id: None,
        name: Name::from_stored(name),
        duration: Default::default(),
        start: fixture::date(fixture::START),
        end: fixture::date(fixture::START + 60),
        location: Some(LocationDraft {
            name: fixture::text("Opera"),
            halls,
            ..LocationDraft::default()
        }),
        hall_names: Vec::new(),
        sales_start: None,
        sales_end: None,
        max_seats_per_booking: None,
        person_limits: Default::default(),
    }
}

fn key() -> IdempotencyKey {
    IdempotencyKey::parse("0b0f7a52-8a55-4f3e-9d3f-7a2c1d1e0f00", &Caller::Anonymous).unwrap()
}

impl Events {
    /// The messages handed to the relay since the last call, by name and announced version.
    fn announced(&self) -> Vec<(String, Option<u64>)> {
        let (rows, surplus) = self.handed_over.take();
        assert!(surplus.is_empty());
        let read = |body: &[u8]| {
            serde_json::from_slice::<EventAnnouncement>(body)
                .ok()
                .and_then(|body| body.version)
        };
        rows.iter()
            .map(|row| (row.envelope.name().to_string(), read(row.envelope.body())))
            .collect()
    }

    /// What the relay would do with everything that waits.
    async fn relay_all(&self) -> Vec<(String, Option<u64>)> {
        let (rows, _) = self.handed_over.take();
        self.store.confirm(&rows).await.unwrap();
        let claim = self.store.claim(1_000, Duration::from_secs(30)).await.unwrap();
        self.store.confirm(&claim.rows).await.unwrap();
        let all = rows.iter().chain(&claim.rows);
        let version = |body: &[u8]| {
            serde_json::from_slice::<EventAnnouncement>(body)
                .ok()
                .and_then(|body| body.version)
        };
        all.map(|row| (row.envelope.name().to_string(), version(row.envelope.body())))
            .collect()
    }
}

#[tokio::test]
async fn a_created_event_is_stored_and_announced_with_its_capacity() {
    let events = events();
    let created = events
        .service
        .create_event(&events.context, None, draft("Aida"))
        .await
        .unwrap();
    assert!(!created.replayed);
    assert_eq!(created.record.version, Version::FIRST);
    let (rows, _) = events.handed_over.take();
    let EventCreated(body) = EventCreated::decode(&rows[0].envelope).unwrap();
    assert_eq!((body.capacity, body.version), (Some(10), Some(1)));
    assert_eq!(rows[0].envelope.key(), created.record.event.id.to_string());
    let found = events.service.find_event(&created.record.event.id).await.unwrap();
    assert_eq!(found, Some(created.record));
}

#[tokio::test]
async fn a_key_makes_a_retry_safe_and_serves_one_request_only() {
    let events = events();
    let first = events
        .service
        .create_event(&events.context, Some(&key()), draft("Aida"))
        .await
        .unwrap();
    let second = events
        .service
        .create_event(&events.context, Some(&key()), draft("Aida"))
        .await
        .unwrap();
    assert!(second.replayed);
    assert_eq!(first.record, second.record);
    assert_eq!(events.announced().len(), 1);
    let other = events
        .service
        .create_event(&events.context, Some(&key()), draft("Tosca"))
        .await
        .unwrap_err();
    assert_eq!(other.kind(), ErrorKind::KeyReused);
}

#[tokio::test]
async fn a_retry_finds_its_event_after_the_location_is_gone() {
    let events = events();
    let place = LocationDraft {
        halls: vec![fixture::hall("hall", 5)],
        ..LocationDraft::default()
    };
    let place = events
        .service
        .create_location(&events.context, None, place)
        .await
        .unwrap()
        .record
        .location
        .id;
    let by_id = |id: &LocationId| EventDraft {
        location: Some(LocationDraft {
            id: Some(id.clone()),
            ..LocationDraft::default()
        }),
        ..draft("Aida")
    };
    let first = events
        .service
        .create_event(&events.context, Some(&key()), by_id(&place))
        .await
        .unwrap();
    assert_eq!(first.record.event.capacity(), Some(5));
    events
        .service
        .delete_location(&events.context, &place)
        .await
        .unwrap();
    let again = events
        .service
        .create_event(&events.context, Some(&key()), by_id(&place))
        .await
        .unwrap();
    assert!(again.replayed);
    let fresh = events
        .service
        .create_event(&events.context, None, by_id(&place))
        .await
        .unwrap_err();
    assert_eq!(fresh.kind(), ErrorKind::Unprocessable);
}

#[tokio::test]
async fn an_id_of_ones_own_is_kept_and_belongs_to_one_event() {
    let events = events();
    let mine = EventDraft {
        id: Some(fixture::event_id()),
        ..draft("Aida")
    };
    let created = events
        .service
        .create_event(&events.context, None, mine.clone())
        .await
        .unwrap();
    assert_eq!(Some(created.record.event.id), mine.id);
    assert!(
        events
            .service
            .create_event(&events.context, None, mine.clone())
            .await
            .unwrap()
            .replayed
    );
    let other = EventDraft {
        name: Name::from_stored("Tosca"),
        ..mine
    };
    let error = events
        .service
        .create_event(&events.context, None, other)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn every_change_raises_the_version_and_is_announced_in_order() {
    let events = events();
    let id = events
        .service
        .create_event(&events.context, None, draft("Aida"))
        .await
        .unwrap()
        .record
        .event
        .id;
    let put = |name: &'static str, condition| {
        events
            .service
            .put_event(&events.context, &id, draft(name), condition)
    };
    let replaced = put("Tosca", PutCondition::Version(Version(1))).await.unwrap();
    assert!(!replaced.created);
    assert_eq!(replaced.record.version, Version(2));
    let stale = put("Carmen", PutCondition::Version(Version(1)))
        .await
        .unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Precondition);
    assert_eq!(
        put("Carmen", PutCondition::CreateOnly).await.unwrap_err().kind(),
        ErrorKind::Precondition
    );
    // The same content once more changes nothing, though its inline location has no id.
    assert_eq!(
        put("Tosca", PutCondition::Always).await.unwrap().record.version,
        Version(2)
    );

    events.service.cancel_event(&events.context, &id).await.unwrap();
    let again = events.service.cancel_event(&events.context, &id).await.unwrap();
    assert_eq!(again.version, Version(3));
    assert_eq!(
        put("Carmen", PutCondition::Always).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let announced = events.relay_all().await;
    let expected = [("event.created", 1), ("event.updated", 2), ("event.cancelled", 3)];
    assert_eq!(
        announced,
        expected.map(|(name, version)| (name.to_owned(), Some(version)))
    );
}

#[tokio::test]
async fn a_deleted_location_is_gone_and_comes_back_above_its_version() {
    let events = events();
    let place = LocationDraft {
        id: Some(fixture::location_id()),
        name: fixture::text("Opera"),
        ..Default::default()
    };
    let id = place.id.clone().unwrap();
    events
        .service
        .create_location(&events.context, None, place.clone())
        .await
        .unwrap();
    events
        .service
        .delete_location(&events.context, &id)
        .await
        .unwrap();
    assert_eq!(events.service.find_location(&id).await.unwrap(), None);
    let again = events
        .service
        .delete_location(&events.context, &id)
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    let back = events
        .service
        .create_location(&events.context, None, place)
        .await
        .unwrap();
    assert_eq!((back.replayed, back.record.version), (false, Version(3)));
}

#[tokio::test]
async fn a_message_above_its_bound_is_refused_before_anything_is_stored() {
    let events = events();
    let mut big = draft("Aida");
    let hall = fixture::hall(&"h".repeat(2_000), 1);
    big.location.as_mut().unwrap().halls = vec![hall; 200];
    let error = events
        .service
        .create_event(&events.context, None, big)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(events.store.depth().await.unwrap().rows, 0);
}

struct Bookings {
    store: Arc<MemoryStore>,
    service: BookingService,
    context: RequestContext,
    draft: BookingDraft,
}

async fn bookings(capacity: u64) -> Bookings {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let event = fixture::event("Aida");
    let draft = BookingDraft {
        id: None,
        event: event.id.clone(),
        seats: Seats::parse(2).unwrap(),
        name: None,
        email: None,
        user: None,
    };
    store
        .project_event(&fixture::projection(
            fixture::event_record(event),
            1,
            Some(capacity),
        ))
        .await
        .unwrap();
    let (handover, _receiver) = handover(16);
    let service = BookingService::new(
        Arc::<MemoryStore>::clone(&store),
        handover,
        BookingSettings::default(),
    );
    Bookings {
        store,
        service,
        context: RequestContext::default(),
        draft,
    }
}

#[tokio::test]
async fn a_retry_with_its_key_finds_the_last_seats_it_got() {
    let (bookings, key) = (bookings(2).await, key());
    let book = |seats| {
        let draft = BookingDraft {
            seats: Seats::parse(seats).unwrap(),
            ..bookings.draft.clone()
        };
        bookings.service.book_event(&bookings.context, Some(&key), draft)
    };
    let Outcome::Booked(first) = book(2).await.unwrap() else {
        panic!("two seats are free")
    };
    assert_eq!(book(2).await.unwrap(), Outcome::Existing(first.clone()));
    assert_eq!(book(1).await.unwrap(), Outcome::KeyReused);
    let without_key = bookings
        .service
        .book_event(&bookings.context, None, bookings.draft.clone())
        .await
        .unwrap();
    assert_eq!(without_key, Outcome::SoldOut { available: 0 });

    // After a cancel the key is spent: the retry tells how the booking is now.
    bookings
        .service
        .cancel_booking(&bookings.context, &first.id)
        .await
        .unwrap();
    let Outcome::Existing(cancelled) = book(2).await.unwrap() else {
        panic!("the key is spent")
    };
    assert_eq!(
        (cancelled.state, cancelled.version),
        (BookingState::Cancelled, Version(2))
    );
}

#[tokio::test]
async fn cancelling_is_repeatable_and_unknown_bookings_are_not_found() {
    let bookings = bookings(2).await;
    let outcome = bookings
        .service
        .book_event(&bookings.context, None, bookings.draft.clone())
        .await
        .unwrap();
    let Outcome::Booked(booking) = outcome else {
        panic!("two seats are free")
    };
    for _ in 0..2 {
        let cancelled = bookings
            .service
            .cancel_booking(&bookings.context, &booking.id)
            .await
            .unwrap();
        assert_eq!(cancelled.state, BookingState::Cancelled);
    }
    let unknown = bookings
        .service
        .cancel_booking(&bookings.context, &BookingId::from([9; 12]))
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert_eq!(bookings.store.depth().await.unwrap().rows, 2);
}

#[tokio::test]
async fn a_booking_for_an_unknown_user_is_refused_but_found_once_made() {
    let bookings = bookings(10).await;
    let person = UserDraft {
        id: None,
        first: fixture::text("Ada"),
        last: fixture::text("Lovelace"),
        age: Default::default(),
    };
    let user = bookings
        .service
        .create_user(&bookings.context, None, person)
        .await
        .unwrap()
        .record
        .user
        .id;
    let draft = BookingDraft {
        user: Some(user.clone()),
        ..bookings.draft.clone()
    };
    let made = bookings
        .service
        .book_event(&bookings.context, Some(&key()), draft.clone())
        .await
        .unwrap();
    assert!(matches!(made, Outcome::Booked(_)));
    assert!(
        bookings
            .service
            .remove_user(&bookings.context, &user)
            .await
            .unwrap()
    );
    let again = bookings
        .service
        .book_event(&bookings.context, Some(&key()), draft.clone())
        .await
        .unwrap();
    assert!(matches!(again, Outcome::Existing(booking) if booking.user.is_none()));
    let fresh = bookings
        .service
        .book_event(&bookings.context, None, draft)
        .await
        .unwrap_err();
    assert_eq!(fresh.kind(), ErrorKind::Unprocessable);
}
