//! The audit log's way out of the records: what it costs, and what is found when whoever wrote a line did not move it.

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::mongodb::MongoStore;
use myevents_adapters::mongodb::mongodb::Collection;
use myevents_adapters::mongodb::mongodb::bson::spec::BinarySubtype;
use myevents_adapters::mongodb::mongodb::bson::{Binary, Bson, Document, doc};
use myevents_adapters::tools::StoreTools;
use myevents_core::ErrorKind;
use myevents_core::domain::{AuditAction, AuditEntry, EventRecord, Version};
use myevents_core::ports::{
    ApiKey, ApiKeyHash, ApiKeys, Attached, AuditFilter, CancelOutcome, CancelRequest, Clock, DatabaseHandler,
    SystemClock,
};
use myevents_core::testkit::fixture;

use crate::common::{Database, book, bookable, server};
use crate::faults::behind;
use crate::watch::{Watch, watched};
use crate::wire::{Act, Wire};

fn carrying(audit: &AuditEntry) -> Attached {
    Attached {
        audit: Some(audit.clone()),
        ..Attached::nothing()
    }
}

async fn listed(store: &MongoStore) -> Vec<AuditEntry> {
    let page = store.list_audit(&AuditFilter::default(), None, 100).await;
    page.unwrap().items
}

/// How many records of a collection hold a line that was not moved.
async fn carriers(store: &MongoStore, collection: &str) -> u64 {
    let records = store.database().collection::<Document>(collection);
    let carrying = doc! { "audit.time": { "$gte": i64::MIN } };
    records.count_documents(carrying).await.unwrap()
}

/// Puts a line back into a record, as if whoever wrote it had ended before it was moved, or right after it was.
async fn put_back(store: &MongoStore, line: &AuditEntry, collection: &str, record: Bson, copied: bool) {
    let log = store.database().collection::<Document>("audit");
    let object = doc! { "object": line.object.to_string() };
    let mut moved = log.find_one(object.clone()).await.unwrap().unwrap();
    if !copied {
        log.delete_one(object).await.unwrap();
    }
    let own = moved.remove("_id").unwrap();
    moved.insert("id", own);
    let records = store.database().collection::<Document>(collection);
    let update = doc! { "$push": { "audit": moved } };
    let changed = records.update_one(doc! { "_id": record }, update).await.unwrap();
    assert_eq!(changed.modified_count, 1);
}

/// The id of the one record of a collection.
async fn only_id(records: &Collection<Document>) -> Bson {
    let record = records.find_one(doc! {}).await.unwrap();
    record.unwrap().remove("_id").unwrap()
}

/// An event that was made with a line, by a store that is closed since: nothing of it moves the line any more.
async fn made_with_line(database: &Database) -> (EventRecord, AuditEntry) {
    let store = database.open_now().await;
    let record = fixture::event_record(fixture::event("audited"));
    let line = fixture::audit(AuditAction::EVENT_CREATED, &record.event.id);
    store.add_event(&record, carrying(&line)).await.unwrap();
    store.close().await.unwrap();
    (record, line)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_nobody_moved_is_listed_once_and_moved() {
    let Some(url) = server("a_line_that_nobody_moved_is_listed_once_and_moved") else {
        return;
    };
    let database = Database::new(&url);
    let (record, line) = made_with_line(&database).await;
    let store = database.open_now().await;
    assert_eq!(listed(&store).await, std::slice::from_ref(&line));
    let events = store.database().collection::<Document>("events");
    let own = only_id(&events).await;
    for copied in [true, false] {
        put_back(&store, &line, "events", own.clone(), copied).await;
        assert_eq!(carriers(&store, "events").await, 1);
        assert_eq!(
            listed(&store).await,
            std::slice::from_ref(&line),
            "copied: {copied}"
        );
        assert_eq!(carriers(&store, "events").await, 0);
        assert_eq!(listed(&store).await, std::slice::from_ref(&line));
    }
    // The event is none the worse for it.
    assert_eq!(store.find_event(&record.event.id).await.unwrap(), Some(record));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_gone_before_its_line_is_moved_and_its_record_after() {
    let Some(url) = server("a_revoked_key_is_gone_before_its_line_is_moved_and_its_record_after") else {
        return;
    };
    let database = Database::new(&url);
    let store = database.open_now().await;
    let key = ApiKey {
        hash: ApiKeyHash([9; 32]),
        name: fixture::text("till"),
        scopes: "bookings:write".to_owned(),
        created: fixture::date(fixture::START),
        last_used: None,
    };
    let made = fixture::audit(AuditAction::API_KEY_MADE, &key.id());
    store.add_key(&key, &made).await.unwrap();
    assert_eq!(listed(&store).await, [made]);
    // As a process leaves it that ends right after the update.
    let line = fixture::audit(AuditAction::API_KEY_REVOKED, &key.id());
    let keys = store.database().collection::<Document>("api_keys");
    let element = doc! {
        "id": myevents_adapters::mongodb::mongodb::bson::oid::ObjectId::from_bytes(line.id.as_bytes().try_into().unwrap()),
        "time": line.time.0,
        "object": line.object.to_string(),
        "entry": myevents_core::contract::audit_to_json(&line),
    };
    let left = doc! {
        "$set": { "gone": true, "hash": Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![0; 32] }) },
        "$push": { "audit": element },
    };
    assert_eq!(keys.update_one(doc! {}, left).await.unwrap().modified_count, 1);
    assert!(store.list_keys().await.unwrap().is_empty());
    let again = fixture::audit(AuditAction::API_KEY_REVOKED, &key.id());
    assert!(!store.remove_key(&key.id(), &again).await.unwrap());
    assert_eq!(listed(&store).await.len(), 2);
    assert!(listed(&store).await.contains(&line));
    assert_eq!(keys.count_documents(doc! {}).await.unwrap(), 0);
    // As a process leaves it that ends when the line was moved and the record was not gone.
    keys.insert_one(doc! { "_id": "left", "gone": true, "audit": [] })
        .await
        .unwrap();
    assert!(store.list_keys().await.unwrap().is_empty());
    listed(&store).await;
    assert_eq!(keys.count_documents(doc! {}).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_costs_two_calls_after_the_answer() {
    let Some(url) = server("a_line_costs_two_calls_after_the_answer") else {
        return;
    };
    let (store, watch) = watched(&Database::new(&url)).await;
    let record = fixture::event_record(fixture::event("counted"));
    store.add_event(&record, Attached::nothing()).await.unwrap();
    let mut newer = record.clone();
    newer.version = Version(2);
    let line = fixture::audit(AuditAction::EVENT_UPDATED, &record.event.id);
    watch.take();
    store
        .replace_event(&newer, Version(1), carrying(&line))
        .await
        .unwrap();
    // Closing waits for what follows the answer.
    store.close().await.unwrap();
    let names = Watch::names(&watch.take());
    assert_eq!(names[..3], ["update events", "insert audit", "update events"]);

    let (store, watch) = watched(&Database::new(&url)).await;
    for _ in 0..3 {
        let place = fixture::location_record(fixture::location(Vec::new()));
        let line = fixture::audit(AuditAction::LOCATION_CREATED, &place.location.id);
        store.add_location(&place, carrying(&line)).await.unwrap();
    }
    // All of them are moved, by whoever was first.
    listed(&store).await;
    while carriers(&store, "locations").await > 0 {
        listed(&store).await;
    }
    watch.take();
    let all = AuditFilter::default();
    let first = store.list_audit(&all, None, 1).await.unwrap();
    assert_eq!(Watch::names(&watch.take()).len(), 7);
    store.list_audit(&all, first.next.as_ref(), 2).await.unwrap();
    assert!(Watch::names(&watch.take()).len() <= 8);

    let (store, watch) = watched(&Database::new(&url)).await;
    let event = bookable(&store, 9).await;
    let request = fixture::booking_request(&event, 1);
    book(&store, &request).await.unwrap();
    crate::common::at_rest(&store, &event, 1).await;
    let cancel = CancelRequest {
        audit: Some(fixture::audit(
            AuditAction::BOOKING_CANCELLED,
            &request.booking.id,
        )),
        ..fixture::cancel_request(&event, &request.booking.id)
    };
    watch.take();
    let cancelled = store.cancel_booking(&cancel).await.unwrap();
    assert!(matches!(cancelled.value, CancelOutcome::Cancelled(_)));
    store.close().await.unwrap();
    let names = Watch::names(&watch.take());
    let count = |name: &str| names.iter().filter(|each| *each == name).count();
    assert_eq!(count("insert audit"), 1, "{names:?}");
    // One takes the line out, one gives back leases at the end.
    assert_eq!(count("update bookings"), 2, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_move_is_lost_can_be_asked_again() {
    let Some(url) = server("a_list_whose_move_is_lost_can_be_asked_again") else {
        return;
    };
    let database = Database::new(&url);
    let (wire, other) = (Wire::start(database.address()).await, database.open_now().await);
    let store = behind(&database, &wire).await;
    let (_, line) = made_with_line(&database).await;
    assert_eq!(listed(&other).await.len(), 1);
    let events = other.database().collection::<Document>("events");
    let own = only_id(&events).await;
    for (command, collection) in [("insert", "audit"), ("update", "events")] {
        put_back(&other, &line, "events", own.clone(), false).await;
        while store.ping().await.is_err() {}
        wire.once_of(command, collection, Act::CutAfter);
        let lost = store.list_audit(&AuditFilter::default(), None, 5).await;
        let kind = lost.map_err(|error| error.kind());
        assert_eq!(
            kind.err(),
            Some(ErrorKind::Unavailable),
            "{command} of {collection} is lost"
        );
        assert!(wire.is_spent(), "{command} of {collection} was never sent");
        while store.ping().await.is_err() {}
        assert_eq!(listed(&store).await, std::slice::from_ref(&line));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_dead_process_is_counted_until_the_background_task_moves_it() {
    let Some(url) = server("a_line_of_a_dead_process_is_counted_until_the_background_task_moves_it") else {
        return;
    };
    let database = Database::new(&url);
    let (_, line) = made_with_line(&database).await;
    let store = database.open_now().await;
    assert_eq!(store.unmoved_audit().await.unwrap(), Some(0));
    let events = store.database().collection::<Document>("events");
    put_back(&store, &line, "events", only_id(&events).await, false).await;
    // It is on its way as long as it is young.
    let aged = async |age: Duration| {
        let time = SystemClock.now().0 - i64::try_from(age.as_millis()).unwrap();
        let update = doc! { "$set": { "audit.0.time": time } };
        assert_eq!(events.update_one(doc! {}, update).await.unwrap().matched_count, 1);
        store.unmoved_audit().await.unwrap()
    };
    assert_eq!(aged(Duration::ZERO).await, Some(0));
    assert_eq!(aged(Duration::from_secs(3_600)).await, Some(1));
    let mut config = database.config();
    config.recovery = Duration::from_millis(5);
    let working = MongoStore::open(config, Arc::new(SystemClock)).await.unwrap();
    let moved = async {
        while carriers(&store, "events").await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), moved)
        .await
        .expect("the background task moves no line");
    assert_eq!(store.unmoved_audit().await.unwrap(), Some(0));
    assert_eq!(listed(&store).await, [line]);
    working.close().await.unwrap();
}
