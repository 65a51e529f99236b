//! What is sent and what it costs, measured at the wire: no scan on the way of a request, one call for a booking.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::dynamodb::DynamoStore;
use myevents_core::domain::AuditAction;
use myevents_core::ports::{
    Attached, AuditFilter, BookOptions, BookingFilter, BookingOwner, DatabaseHandler, EventFilter, Inbox,
    Outbox, Outcome, SystemClock,
};
use myevents_core::testkit::fixture;
use serde_json::Value;

use crate::bed::{fresh_prefix, open_with, options};
use crate::server;
use crate::values::{bookable, booked, cancelled};
use crate::wire::{Seen, Wire};

/// Capacity units of all that passed.
fn units(seen: &[Seen]) -> f64 {
    seen.iter()
        .map(|seen| units_of(&seen.answer["ConsumedCapacity"]))
        .sum()
}

fn units_of(consumed: &Value) -> f64 {
    match consumed {
        Value::Array(tables) => tables.iter().map(units_of).sum(),
        table => table["CapacityUnits"].as_f64().unwrap_or(0.0),
    }
}

fn calls(seen: &[Seen]) -> BTreeMap<&str, usize> {
    let mut calls = BTreeMap::new();
    for seen in seen {
        *calls.entry(seen.operation.as_str()).or_default() += 1;
    }
    calls
}

#[allow(clippy::print_stdout, reason = "the figures go into the docs")]
fn tell(what: &str, seen: &[Seen]) {
    println!("{what}: {:?}, {} units", calls(seen), units(seen));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_is_one_call_and_no_request_scans() {
    let Some(server) = server::start("a_booking_is_one_call_and_no_request_scans").await else {
        return;
    };
    let wire = Wire::new();
    let client = wire.client(server.url());
    let store = open_with(&client, options(&fresh_prefix()), Arc::new(SystemClock)).await;
    wire.take_seen();
    alone(&wire, &store).await;
    in_batches(&wire, &store).await;
    everything_else(&wire, &store).await;
    server::stop(server).await;
}

async fn alone(wire: &Wire, store: &DynamoStore) {
    let event = bookable(store, Some(100)).await;
    let rows = booked(store, &fixture::booking_request(&event, 1)).await;
    store.confirm(&rows).await.unwrap();
    wire.take_seen();
    let plain = fixture::booking_request(&event, 1);
    let rows = booked(store, &plain).await;
    let seen = wire.take_seen();
    tell("a booking alone, nobody named", &seen);
    assert_eq!(calls(&seen), BTreeMap::from([("TransactWriteItems", 1)]));
    assert!(units(&seen) <= 8.0, "{} units", units(&seen));
    store.confirm(&rows).await.unwrap();
    tell("its message confirmed", &wire.take_seen());

    let mut named = fixture::booking_request(&event, 1);
    named.booking.user = Some(fixture::user_id());
    named.booking.person = Some(myevents_core::domain::Person::new(fixture::text("ada")));
    let rows = booked(store, &named).await;
    let seen = wire.take_seen();
    tell("a booking alone of a user", &seen);
    assert_eq!(calls(&seen), BTreeMap::from([("TransactWriteItems", 1)]));
    store.confirm(&rows).await.unwrap();
    wire.take_seen();
    cancelled(store, &plain).await;
    tell("a cancel and its message given back", &wire.take_seen());
    let claim = store.claim(10, Duration::from_secs(30)).await.unwrap();
    assert_eq!(claim.rows.len(), 1);
    store.confirm(&claim.rows).await.unwrap();
}

async fn in_batches(wire: &Wire, store: &DynamoStore) {
    let event = bookable(store, Some(1_000_000)).await;
    let batch = store.capabilities().max_batch;
    let mut rows = Vec::new();
    wire.take_seen();
    for _ in 0..4 {
        let wishes: Vec<_> = (0..batch).map(|_| fixture::booking_request(&event, 1)).collect();
        for answer in store.book(&event, &wishes, BookOptions::default()).await {
            let committed = answer.unwrap();
            assert!(matches!(committed.value, Outcome::Booked(_)));
            rows.extend(committed.leased);
        }
    }
    let seen = wire.take_seen();
    tell("four full batches", &seen);
    assert!(seen.len() <= 5, "{:?}", calls(&seen));
    // A broker answers them in no order, some at a time.
    assert_eq!(rows.len(), 4 * batch);
    rows.sort_by_key(|row| row.envelope.id().as_str().to_owned());
    let step = rows.len() / 2 + 1;
    let (mut at, count) = (0, rows.len());
    let mut shuffled = Vec::with_capacity(count);
    for _ in 0..count {
        shuffled.push(rows[at % count].clone());
        at += if step.is_multiple_of(2) { step + 1 } else { step };
    }
    for part in shuffled.chunks(50) {
        store.confirm(part).await.unwrap();
    }
    for part in rows.chunks(50) {
        store.confirm(part).await.unwrap();
    }
    let seen = wire.take_seen();
    tell("their messages confirmed, 50 at a time", &seen);
    assert!(
        seen.len() * 10 <= count,
        "{} calls for {count} messages",
        seen.len()
    );
    assert_eq!(store.depth().await.unwrap().rows, 0);
    wire.take_seen();
    assert!(
        store
            .claim(1_000, Duration::from_secs(30))
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    let seen = wire.take_seen();
    tell("a claim that finds nothing", &seen);
    assert_eq!(calls(&seen), BTreeMap::from([("Query", 16)]));
}

/// All that a request or the relay may ask.
async fn everything_else(wire: &Wire, store: &DynamoStore) {
    let record = fixture::event_record(fixture::event("named"));
    let id = &record.event.id;
    store.add_event(&record, fixture::announce(id)).await.unwrap();
    store
        .announce_event(id, record.version, fixture::announce(id))
        .await
        .unwrap();
    let location = fixture::location_record(fixture::location(Vec::new()));
    store.add_location(&location, Attached::nothing()).await.unwrap();
    let user = fixture::user_record("Ada", "Lovelace");
    store.add_user(&user).await.unwrap();
    let named = fixture::audit(AuditAction::EVENT_CREATED, id);
    for (what, audit) in [
        ("an event made", None),
        ("an event made, with its line of the audit log", Some(named)),
    ] {
        let record = fixture::event_record(fixture::event("made"));
        let mut attached = fixture::announce(&record.event.id);
        attached.audit = audit;
        wire.take_seen();
        store.add_event(&record, attached).await.unwrap();
        let seen = wire.take_seen();
        tell(what, &seen);
        assert_eq!(calls(&seen), BTreeMap::from([("TransactWriteItems", 1)]));
    }
    let all = AuditFilter::default();
    assert_eq!(store.list_audit(&all, None, 100).await.unwrap().items.len(), 1);
    let seen = wire.take_seen();
    tell("a page of the audit log", &seen);
    assert_eq!(calls(&seen), BTreeMap::from([("Query", 16)]));
    let event = bookable(store, Some(1)).await;
    booked(store, &fixture::booking_request(&event, 1)).await;
    wire.take_seen();
    let refused = crate::values::book(store, &fixture::booking_request(&event, 1)).await;
    assert_eq!(refused.unwrap().value, Outcome::SoldOut { available: 0 });
    tell("a refusal", &wire.take_seen());
    store.find_event(id).await.unwrap().unwrap();
    tell("an event read", &wire.take_seen());
    store.find_event_by_name("named").await.unwrap().unwrap();
    store
        .list_events(&EventFilter::default(), None, 100)
        .await
        .unwrap();
    store.find_location(&location.location.id).await.unwrap().unwrap();
    store.list_locations(None, 100).await.unwrap();
    store.find_user(&user.user.id).await.unwrap().unwrap();
    for owner in [
        BookingOwner::Event(event.clone()),
        BookingOwner::User(user.user.id.clone()),
    ] {
        store
            .list_bookings(&BookingFilter::all_of(owner), None, 100)
            .await
            .unwrap();
    }
    store.availability(&[event.clone(), id.clone()]).await.unwrap();
    store.reconcile(&event, false).await.unwrap();
    store
        .events_awaiting(&fixture::text("nowhere"), None, 10)
        .await
        .unwrap();
    store.fence(&event).await.unwrap();
    store.remove_user(&user.user.id, None).await.unwrap();
    store
        .begin("c", &fixture::message_id(), Duration::from_secs(5))
        .await
        .unwrap();
    let claim = store.claim(100, Duration::from_secs(5)).await.unwrap();
    store.extend(&claim.rows, Duration::from_secs(5)).await.unwrap();
    store.park(&claim.rows, "test").await.unwrap();
    store.parked(None, 10).await.unwrap();
    store.depth().await.unwrap();
    store.ping().await.unwrap();
    let seen = wire.take_seen();
    tell("everything else", &seen);
    assert!(!calls(&seen).contains_key("Scan"), "a request scans a table");
}
