//! S19, method by method: whatever is asked of the store while its server throttles, loses or stalls every request is answered
//! in time by a typed error that says to repeat it, and the repeat is right. And an index of names that lags misleads nobody.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use myevents_adapters::dynamodb::DynamoStore;
use myevents_adapters::tools::StoreTools;
use myevents_core::ErrorKind;
use myevents_core::domain::{AuditAction, EventRecord, Id, LocationRecord, UserRecord, Version};
use myevents_core::ports::{
    ApplyMode, Attached, AuditFilter, Begin, BookingFilter, BookingOwner, BookingRequest, CancelRequest,
    DatabaseHandler, DeadLetterId, DeadLetterQueue, DeadLetters, EventFilter, Inbox, InboxToken, Outbox,
    OutboxRow, RowId, SystemClock,
};
use myevents_core::testkit::fixture;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bed::{fresh_prefix, open_with, options};
use crate::server;
use crate::values::{at_rest, book, bookable, booked};
use crate::wire::{Fault, Held, Wire};

/// Of one request.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Of one call.
const PATIENCE: Duration = Duration::from_secs(9);

/// Everything that a service asks of a server.
const OPERATIONS: [&str; 10] = [
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "DescribeTable",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "TransactWriteItems",
    "UpdateItem",
];

async fn wired(endpoint: &str) -> (Wire, DynamoStore) {
    let wire = Wire::new();
    let mut config = options(&fresh_prefix());
    config.attempt_timeout = ATTEMPT;
    config.patience = PATIENCE;
    let store = open_with(&wire.client(endpoint), config, Arc::new(SystemClock)).await;
    wire.take_seen();
    (wire, store)
}

/// What the calls are about: a record of its own for each that changes one, as calls about one event wait for each other.
struct Subjects {
    event: EventRecord,
    announced: EventRecord,
    location: LocationRecord,
    user: UserRecord,
    removed: UserRecord,
    wish: BookingRequest,
    cancelled: BookingRequest,
    moved: BookingRequest,
    fenced: BookingRequest,
    drifted: BookingRequest,
    rows: [Vec<OutboxRow>; 4],
    parked: [RowId; 2],
    begun: [InboxToken; 2],
    letters: Vec<DeadLetterId>,
}

impl Subjects {
    async fn new(store: &DynamoStore) -> Self {
        let event = fixture::event_record(fixture::event("replaced"));
        let announced = fixture::event_record(fixture::event("announced"));
        for record in [&event, &announced] {
            store.add_event(record, Attached::nothing()).await.unwrap();
        }
        let location = fixture::location_record(fixture::location(Vec::new()));
        store.add_location(&location, Attached::nothing()).await.unwrap();
        let (user, removed) = (fixture::user_record("Ada", "L"), fixture::user_record("Bob", "M"));
        for record in [&user, &removed] {
            store.add_user(record).await.unwrap();
        }
        let mut wishes = Vec::new();
        let mut rows = Vec::new();
        for _ in 0..10 {
            let wish = fixture::booking_request(&bookable(store, Some(10)).await, 2);
            rows.push(booked(store, &wish).await);
            wishes.push(wish);
        }
        let parked: Vec<OutboxRow> = rows.drain(8..).flatten().collect();
        let parked = Outbox::park(store, &parked, "test").await.unwrap();
        let mut begun = Vec::new();
        for _ in 0..2 {
            let lease = Duration::from_secs(60);
            match store.begin("c", &fixture::message_id(), lease).await.unwrap() {
                Begin::Fresh(token) => begun.push(token),
                other => panic!("{other:?}"),
            }
        }
        for _ in 0..3 {
            store.put(&fixture::dead_letter("c", "test")).await.unwrap();
        }
        let letters = DeadLetters::list(store, None, 10).await.unwrap().items;
        let next = |wish: &BookingRequest| fixture::booking_request(&wish.booking.event, 1);
        Self {
            event,
            announced,
            location,
            user,
            removed,
            wish: next(&wishes[0]),
            cancelled: wishes[1].clone(),
            moved: next(&wishes[2]),
            fenced: wishes[3].clone(),
            drifted: wishes[4].clone(),
            rows: [4, 5, 6, 7].map(|at| rows[at].clone()),
            parked: parked.try_into().unwrap(),
            begun: begun.try_into().unwrap(),
            letters: letters.into_iter().map(|(id, _)| id).collect(),
        }
    }
}

type Call<'a> = (
    &'static str,
    Pin<Box<dyn Future<Output = Option<ErrorKind>> + Send + 'a>>,
);

/// Calls by name, each answering the kind of its error.
macro_rules! calls {
    ($($name:literal => $call:expr;)*) => {
        vec![$(($name, Box::pin(async move { $call.await.err().map(|error| error.kind()) }) as Pin<Box<_>>)),*]
    };
}

fn reads<'a>(store: &'a DynamoStore, subjects: &'a Subjects) -> Vec<Call<'a>> {
    let events = std::slice::from_ref(&subjects.wish.booking.event);
    let of_event = || BookingFilter::all_of(BookingOwner::Event(events[0].clone()));
    let of_user = || BookingFilter::all_of(BookingOwner::User(subjects.user.user.id.clone()));
    // `events_revision` asks no server.
    calls! {
        "ping" => store.ping();
        "find_event" => store.find_event(&subjects.event.event.id);
        "find_event_by_name" => store.find_event_by_name("replaced");
        "list_events" => store.list_events(&EventFilter::default(), None, 10);
        "find_location" => store.find_location(&subjects.location.location.id);
        "list_locations" => store.list_locations(None, 10);
        "find_user" => store.find_user(&subjects.user.user.id);
        "find_booking" => store.find_booking(&subjects.cancelled.booking.id);
        "list_bookings of an event" => store.list_bookings(&of_event(), None, 10);
        "list_bookings of a user" => store.list_bookings(&of_user(), None, 10);
        "availability" => store.availability(events);
        "reconcile" => store.reconcile(&events[0], false);
        "events_awaiting" => store.events_awaiting(&fixture::text("nowhere"), None, 10);
        "parked" => store.parked(None, 10);
        "list_audit" => store.list_audit(&AuditFilter::default(), None, 10);
        "depth" => store.depth();
        "dead letters: list" => DeadLetters::list(store, None, 10);
        "dead letters: count" => store.count();
        "is_removed" => store.is_removed(&subjects.user.user.id);
    }
}

fn writes<'a>(store: &'a DynamoStore, subjects: &'a Subjects) -> Vec<Call<'a>> {
    let lease = Duration::from_secs(60);
    let next = |record: &EventRecord| EventRecord {
        version: Version(2),
        ..record.clone()
    };
    let (changed, announced) = (next(&subjects.event), &subjects.announced);
    let moved_place = LocationRecord {
        version: Version(2),
        ..subjects.location.clone()
    };
    let new = fixture::event_record(fixture::event("new"));
    let projected = fixture::projection(fixture::event_record(fixture::event("projected")), 1, Some(5));
    let place = fixture::location_record(fixture::location(Vec::new()));
    let projected_place = fixture::location_record(fixture::location(Vec::new()));
    let cancelled = &subjects.cancelled.booking;
    let cancel = CancelRequest {
        audit: Some(fixture::audit(AuditAction::BOOKING_CANCELLED, &cancelled.id)),
        ..fixture::cancel_request(&cancelled.event, &cancelled.id)
    };
    let [confirmed, released, extended, parked] = &subjects.rows;
    let [resent, discarded] = &subjects.parked;
    let moved = std::slice::from_ref(&subjects.moved.booking);
    let (message, letter) = (fixture::message_id(), fixture::dead_letter("c", "test"));
    let audited = |record: &EventRecord| Attached {
        audit: Some(fixture::audit(AuditAction::EVENT_UPDATED, &record.event.id)),
        ..fixture::announce(&record.event.id)
    };
    let removal = fixture::audit(AuditAction::USER_REMOVED, &subjects.removed.user.id);
    calls! {
        "add_event" => store.add_event(&new, audited(&new));
        "replace_event" => store.replace_event(&changed, Version(1), audited(&changed));
        "announce_event" => store.announce_event(&announced.event.id, Version(1), fixture::announce(&announced.event.id));
        "add_location" => store.add_location(&place, Attached::nothing());
        "replace_location" => store.replace_location(&moved_place, Version(1), Attached::nothing());
        "add_user" => async { store.add_user(&fixture::user_record("Eve", "N")).await };
        "remove_user" => store.remove_user(&subjects.removed.user.id, Some(&removal));
        "book" => book(store, &subjects.wish);
        "fence" => store.fence(&subjects.fenced.booking.event);
        "cancel_booking" => store.cancel_booking(&cancel);
        "reconcile with repair" => store.reconcile(&subjects.drifted.booking.event, true);
        "project_event" => store.project_event(&projected);
        "project_location" => store.project_location(&projected_place, ApplyMode::Newer);
        "claim" => store.claim(10, lease);
        "confirm" => store.confirm(confirmed);
        "release" => store.release(released);
        "extend" => store.extend(extended, lease);
        "park" => store.park(parked, "test");
        "resend" => Outbox::resend(store, std::slice::from_ref(resent));
        "discard" => Outbox::discard(store, std::slice::from_ref(discarded));
        "begin" => store.begin("c", &message, lease);
        "complete" => store.complete(&subjects.begun[0]);
        "abandon" => store.abandon(&subjects.begun[1]);
        "dead letters: put" => store.put(&letter);
        "dead letters: resend" => DeadLetters::resend(store, &subjects.letters[..1]);
        "dead letters: discard" => DeadLetters::discard(store, &subjects.letters[1..2]);
        "dead letters: take_due" => store.take_due("c", 10, lease);
        "dead letters: put_back" => store.put_back(&subjects.letters[2], "again", 2);
        "import_bookings" => async { store.import_bookings(moved).await.remove(0) };
    }
}

/// Makes all calls at once, none of which may take much longer than the patience of one.
async fn made(calls: Vec<Call<'_>>) -> HashMap<&'static str, Option<ErrorKind>> {
    let began = Instant::now();
    let answers = join_all(calls.into_iter().map(async |(name, call)| (name, call.await))).await;
    let took = began.elapsed();
    assert!(took < PATIENCE * 8, "the calls took {took:?}");
    answers.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_tells_that_it_may_be_repeated() {
    let Some(server) = server::start("every_method_tells_that_it_may_be_repeated").await else {
        return;
    };
    let throttled = Fault::Answer {
        status: 400,
        code: "ThrottlingException",
        message: "slow down",
    };
    let stalled = Fault::Held(Arc::new(Held::default()));
    for (what, fault) in [
        ("throttled", throttled),
        ("lost", Fault::LostBefore),
        ("stalled", stalled),
    ] {
        let (wire, store) = wired(server.url()).await;
        let subjects = Subjects::new(&store).await;
        for operation in OPERATIONS {
            wire.next(operation, vec![fault.clone(); 5_000]);
        }
        for (name, kind) in made(reads(&store, &subjects)).await {
            assert_eq!(kind, Some(ErrorKind::Unavailable), "{what}: {name}");
        }
        for (name, kind) in made(writes(&store, &subjects)).await {
            let told = kind.is_some_and(ErrorKind::is_retryable);
            assert!(told, "{what}: {name} answered {kind:?}");
            if what == "throttled" {
                assert_eq!(
                    kind,
                    Some(ErrorKind::Unavailable),
                    "{name}: nothing was done, which is known"
                );
            }
        }
        wire.forget_faults();
        for (name, kind) in made(writes(&store, &subjects)).await {
            assert_eq!(kind, None, "after {what}: {name} repeated");
        }
        for (name, kind) in made(reads(&store, &subjects)).await {
            assert_eq!(kind, None, "after {what}: {name}");
        }
        for object in [
            Id::from(&subjects.event.event.id),
            Id::from(&subjects.removed.user.id),
            Id::from(&subjects.cancelled.booking.id),
        ] {
            let filter = AuditFilter {
                object: Some(object),
                ..AuditFilter::default()
            };
            let lines = store.list_audit(&filter, None, 10).await.unwrap().items;
            assert_eq!(lines.len(), 1, "after {what}: {lines:?}");
        }
        assert_eq!(at_rest(&store, &subjects.wish.booking.event).await, (3, Some(7)));
        assert_eq!(
            at_rest(&store, &subjects.cancelled.booking.event).await,
            (0, Some(10))
        );
    }
    names_lag(server.url()).await;
    server::stop(server).await;
}

/// The index of names shows what was: the record itself decides.
async fn names_lag(endpoint: &str) {
    let (wire, store) = wired(endpoint).await;
    let mut record = fixture::event_record(fixture::event("first"));
    store.add_event(&record, Attached::nothing()).await.unwrap();
    let shown = async |name: &str| {
        wire.take_seen();
        let found = store.find_event_by_name(name).await.unwrap();
        let seen = wire.take_seen();
        let query = seen.into_iter().find(|seen| seen.operation == "Query").unwrap();
        (found.map(|found| found.version), query.answer)
    };
    let (found, first) = shown("first").await;
    assert_eq!(found, Some(Version(1)));
    record.event = myevents_core::domain::Event {
        id: record.event.id.clone(),
        ..fixture::event("second")
    };
    record.version = Version(2);
    store
        .replace_event(&record, Version(1), Attached::nothing())
        .await
        .unwrap();
    // Under the old name it is still listed, and not found.
    wire.next("Query", [Fault::Stale(first.clone())]);
    assert_eq!(shown("first").await.0, None);
    // Under the new one it is not listed yet: it is found once it is.
    wire.next("Query", [Fault::Stale(empty(&first))]);
    assert_eq!(shown("second").await.0, None);
    let (found, second) = shown("second").await;
    assert_eq!(found, Some(Version(2)));
    record.event.cancelled = true;
    record.version = Version(3);
    store
        .replace_event(&record, Version(2), Attached::nothing())
        .await
        .unwrap();
    wire.next("Query", [Fault::Stale(second)]);
    assert_eq!(
        shown("second").await.0,
        None,
        "a cancelled event is found by its name"
    );
}

fn empty(answer: &Value) -> Value {
    let mut answer = answer.clone();
    answer["Items"] = json!([]);
    answer["Count"] = json!(0);
    answer
}
