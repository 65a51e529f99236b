//! S16 and S19 at the wire: throttles, conflicts, lost answers, what batches leave out, indexes that lag, items that can't be read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::dynamodb::DynamoStore;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::Client;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::primitives::Blob;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::types::AttributeValue;
use myevents_adapters::tools::StoreTools;
use myevents_core::ErrorKind;
use myevents_core::ports::{
    Attached, BookOptions, BookingFilter, BookingOwner, DatabaseHandler, EventFilter, Inbox, Inserted,
    Outbox, Outcome, SystemClock,
};
use myevents_core::testkit::fixture;
use serde_json::{Value, json};

use crate::bed::{client, fresh_prefix, open_with, options};
use crate::server;
use crate::values::{at_rest, book, bookable, booked};
use crate::wire::{Fault, Wire};

const TRANSACT: &str = "TransactWriteItems";

/// For what has to come to a good end, however long the machine takes: only what is asked for goes wrong.
async fn wired(endpoint: &str, prefix: &str) -> (Wire, DynamoStore) {
    wired_for(endpoint, prefix, Duration::from_secs(60)).await
}

/// For what is given up.
async fn hurried(endpoint: &str) -> (Wire, DynamoStore) {
    wired_for(endpoint, &fresh_prefix(), Duration::from_secs(5)).await
}

async fn wired_for(endpoint: &str, prefix: &str, patience: Duration) -> (Wire, DynamoStore) {
    let wire = Wire::new();
    let mut config = options(prefix);
    config.patience = patience;
    config.attempt_timeout = patience;
    let store = open_with(&wire.client(endpoint), config, Arc::new(SystemClock)).await;
    wire.take_seen();
    (wire, store)
}

fn error(code: &'static str) -> Fault {
    Fault::Answer {
        status: if code == "InternalServerError" { 500 } else { 400 },
        code,
        message: "because",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_at_the_wire_are_cured_or_told() {
    let Some(server) = server::start("faults_at_the_wire_are_cured_or_told").await else {
        return;
    };
    repeated_as_it_was(server.url()).await;
    never_answered(server.url()).await;
    culprits(server.url()).await;
    left_out(server.url()).await;
    late_indexes(server.url()).await;
    many_repairs(server.url()).await;
    typed(server.url()).await;
    malformed(server.url()).await;
    server::stop(server).await;
}

/// Throttled, in conflict, lost before and after: the very same request again, and one booking.
async fn repeated_as_it_was(endpoint: &str) {
    let (wire, store) = wired(endpoint, &fresh_prefix()).await;
    let event = bookable(&store, Some(100)).await;
    booked(&store, &fixture::booking_request(&event, 1)).await;
    let faults = [
        error("ProvisionedThroughputExceededException"),
        error("ThrottlingException"),
        error("RequestLimitExceeded"),
        error("TransactionInProgressException"),
        error("InternalServerError"),
        Fault::Cancelled(vec!["TransactionConflict", "None", "None"]),
        Fault::Cancelled(vec!["None", "ThrottlingError", "None"]),
        Fault::LostBefore,
        Fault::LostAfter,
    ];
    let mut sold = 1;
    for fault in faults {
        wire.take_seen();
        wire.next(TRANSACT, [fault.clone()]);
        booked(&store, &fixture::booking_request(&event, 2)).await;
        sold += 2;
        let sent: Vec<Value> = wire.take_seen().into_iter().map(|seen| seen.body).collect();
        assert_eq!(sent.len(), 2, "{fault:?}");
        assert_eq!(sent[0], sent[1], "{fault:?}: another request was sent");
        assert_eq!(at_rest(&store, &event).await.0, sold, "{fault:?}");
    }
}

/// Until the end of patience: unknown, never a refusal; the retry finds it, or books it.
async fn never_answered(endpoint: &str) {
    let (wire, store) = hurried(endpoint).await;
    let event = bookable(&store, Some(3)).await;
    for (fault, again) in [(Fault::LostBefore, "booked"), (Fault::LostAfter, "existing")] {
        let wish = fixture::booking_request(&event, 1);
        wire.next(
            TRANSACT,
            std::iter::once(fault).chain(vec![Fault::LostBefore; 300]),
        );
        let unknown = book(&store, &wish).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{unknown}");
        wire.forget_faults();
        match book(&store, &wish).await.unwrap().value {
            Outcome::Booked(_) => assert_eq!(again, "booked"),
            Outcome::Existing(_) => assert_eq!(again, "existing"),
            other => panic!("answered {other:?}"),
        }
    }
    assert_eq!(at_rest(&store, &event).await, (2, Some(1)));
    // Throttled all the time: nothing was applied.
    wire.next(TRANSACT, vec![error("ThrottlingException"); 300]);
    let busy = book(&store, &fixture::booking_request(&event, 1))
        .await
        .unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Unavailable, "{busy}");
    wire.forget_faults();
}

/// An item that can't be stored fails alone: told by position, or found by halving.
async fn culprits(endpoint: &str) {
    let (wire, store) = wired(endpoint, &fresh_prefix()).await;
    let event = bookable(&store, Some(100)).await;
    booked(&store, &fixture::booking_request(&event, 1)).await;
    let wishes: Vec<_> = (0..5).map(|_| fixture::booking_request(&event, 1)).collect();
    let by_position = Fault::Cancelled(vec![
        "None",
        "None",
        "ValidationError",
        "None",
        "None",
        "None",
        "None",
    ]);
    wire.next(TRANSACT, [by_position]);
    let answers = store.book(&event, &wishes, BookOptions::default()).await;
    let failed: Vec<bool> = answers.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false, false, false]);
    // Without position the batch is halved until one is left: 4, 2 and 2, 1 and 1.
    let wishes: Vec<_> = (0..4).map(|_| fixture::booking_request(&event, 1)).collect();
    wire.take_seen();
    wire.next(TRANSACT, vec![error("ValidationException"); 3]);
    let answers = store.book(&event, &wishes, BookOptions::default()).await;
    let failed: Vec<bool> = answers.iter().map(Result::is_err).collect();
    assert_eq!(failed, [true, false, false, false]);
    let seen = wire.take_seen();
    let ids: std::collections::HashSet<String> = seen.iter().map(|seen| outbox_id(&seen.body)).collect();
    let tokens: std::collections::HashSet<String> = seen
        .iter()
        .map(|seen| seen.body["ClientRequestToken"].to_string())
        .collect();
    assert_eq!(
        (ids.len(), tokens.len()),
        (seen.len(), seen.len()),
        "a changed batch kept its token or item id"
    );
    assert_eq!(at_rest(&store, &event).await.0, 8);
}

fn outbox_id(body: &Value) -> String {
    let actions = body["TransactItems"].as_array().unwrap();
    actions.last().unwrap()["Put"]["Item"]["ID"].to_string()
}

/// What batches leave out is asked for again.
async fn left_out(endpoint: &str) {
    let prefix = fresh_prefix();
    let (wire, store) = wired(endpoint, &prefix).await;
    let (one, other) = (bookable(&store, Some(1)).await, bookable(&store, Some(2)).await);
    wire.next("BatchGetItem", [Fault::Changed(forget_answers)]);
    wire.take_seen();
    let found = store.availability(&[one.clone(), other]).await.unwrap();
    assert!(found.iter().all(Option::is_some));
    assert_eq!(wire.take_seen().len(), 2);
    let rows = booked(&store, &fixture::booking_request(&one, 1)).await;
    wire.next("BatchWriteItem", [Fault::Changed(forget_deletes)]);
    wire.take_seen();
    store.confirm(&rows).await.unwrap();
    assert_eq!(wire.take_seen().len(), 2);
    assert_eq!(store.depth().await.unwrap().rows, 0);
}

/// As a throttled server answers: nothing read, all keys left.
fn forget_answers(answer: &mut Value) {
    let mut left = serde_json::Map::new();
    for (table, items) in answer["Responses"].as_object().unwrap() {
        let keys: Vec<Value> = items
            .as_array()
            .unwrap()
            .iter()
            .map(|item| json!({"ID": item["ID"]}))
            .collect();
        left.insert(table.clone(), json!({"Keys": keys, "ConsistentRead": true}));
    }
    answer["Responses"] = json!({});
    answer["UnprocessedKeys"] = Value::Object(left);
}

/// As a throttled server answers; the deletion is repeated, which does no harm.
fn forget_deletes(answer: &mut Value) {
    let table = answer["ConsumedCapacity"][0]["TableName"]
        .as_str()
        .unwrap()
        .to_owned();
    let key = json!({"Shard": {"N": "0"}, "ID": {"B": "AAAAAAAAAAAAAAAAAAAAAA=="}});
    answer["UnprocessedItems"] = json!({table: [{"DeleteRequest": {"Key": key}}]});
}

/// An index that lags: no drift is told, nobody is found by an old name, a removed person's last booking is found.
async fn late_indexes(endpoint: &str) {
    let (wire, store) = wired(endpoint, &fresh_prefix()).await;
    let event = bookable(&store, Some(10)).await;
    let user = fixture::user_record("Ada", "Lovelace");
    store.add_user(&user).await.unwrap();
    let mut wish = fixture::booking_request(&event, 4);
    wish.booking.user = Some(user.user.id.clone());
    booked(&store, &wish).await;
    let empty = || vec![Fault::Changed(no_items as fn(&mut Value)); 16];
    wire.next("Query", empty());
    assert_eq!(at_rest(&store, &event).await.0, 4);
    // A repair asks the table itself, however late the index is.
    wire.next("Query", empty().into_iter().chain(empty()).chain(empty()));
    let repaired = store.reconcile(&event, true).await.unwrap().unwrap();
    assert_eq!((repaired.drift, repaired.confirmed), (0, 4));
    wire.forget_faults();
    wire.next("Query", [Fault::Changed(no_items)]);
    assert!(store.remove_user(&user.user.id, None).await.unwrap());
    let left = store.find_booking(&wish.booking.id).await.unwrap().unwrap();
    assert!(
        left.user.is_none(),
        "a late index kept a removed person in a booking"
    );
}

/// To set many counters right the tables are read once, and again only for an event that changed since.
async fn many_repairs(endpoint: &str) {
    let (wire, store) = wired(endpoint, &fresh_prefix()).await;
    let mut events = Vec::new();
    for _ in 0..3 {
        let event = bookable(&store, Some(100)).await;
        booked(&store, &fixture::booking_request(&event, 4)).await;
        events.push(event);
    }
    // Stored without the counters' knowledge, as by a move.
    let import = async |event, seats| {
        let moved = fixture::booking_request(event, seats).booking;
        let stored = StoreTools::import_bookings(&store, &[moved]).await;
        assert!(matches!(stored[..], [Ok(Inserted::New)]), "{stored:?}");
    };
    let repair = async |event| {
        wire.take_seen();
        let found = store.reconcile(event, true).await.unwrap().unwrap();
        let seen = wire.take_seen();
        let read = seen.iter().filter(|seen| seen.operation == "Scan").count();
        (found.drift, found.confirmed, read)
    };
    for event in &events {
        import(event, 3).await;
    }
    assert_eq!(repair(&events[0]).await, (-3, 7, 2));
    assert_eq!(repair(&events[1]).await, (-3, 7, 0));
    // What is imported meanwhile counts, also of an event made since.
    import(&events[1], 2).await;
    assert_eq!(repair(&events[1]).await, (-2, 9, 0));
    let new = bookable(&store, Some(100)).await;
    import(&new, 5).await;
    assert_eq!(repair(&new).await, (-5, 5, 0));
    // What is booked meanwhile is read.
    booked(&store, &fixture::booking_request(&events[2], 1)).await;
    assert_eq!(repair(&events[2]).await, (-3, 8, 2));
    for (event, sold) in events.iter().chain([&new]).zip([7, 9, 8, 5]) {
        assert_eq!(at_rest(&store, event).await.0, sold);
    }
}

fn no_items(answer: &mut Value) {
    answer["Items"] = json!([]);
    answer["Count"] = json!(0);
}

/// Each method's error has its kind.
async fn typed(endpoint: &str) {
    let (wire, store) = hurried(endpoint).await;
    let event = bookable(&store, Some(10)).await;
    for (code, kind) in [
        ("AccessDeniedException", ErrorKind::Unavailable),
        ("ResourceNotFoundException", ErrorKind::Config),
        ("ThrottlingException", ErrorKind::Unavailable),
        ("InternalServerError", ErrorKind::Unavailable),
    ] {
        for operation in ["GetItem", "Query", "BatchGetItem"] {
            wire.next(operation, vec![error(code); 600]);
        }
        let found = [
            store.ping().await.err(),
            store.find_event(&event).await.err(),
            store.find_event_by_name("x").await.err(),
            store.list_events(&EventFilter::default(), None, 10).await.err(),
            store.list_locations(None, 10).await.err(),
            store.find_booking(&fixture::booking_id()).await.err(),
            store.availability(std::slice::from_ref(&event)).await.err(),
            store.claim(10, Duration::from_secs(1)).await.err(),
            store.depth().await.err(),
        ];
        for error in found {
            assert_eq!(error.map(|error| error.kind()), Some(kind), "{code}");
        }
        wire.forget_faults();
    }
    let record = fixture::event_record(fixture::event("x"));
    wire.next(TRANSACT, [error("AccessDeniedException")]);
    let refused = store.add_event(&record, Attached::nothing()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    wire.next("UpdateItem", [Fault::LostAfter]);
    let lost = store
        .begin("c", &fixture::message_id(), Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown);
}

/// Items that can't be read are told as such; one in the outbox does not keep the others from being sent.
async fn malformed(endpoint: &str) {
    let prefix = fresh_prefix();
    let raw = client(endpoint);
    let (_, store) = wired(endpoint, &prefix).await;
    let event = bookable(&store, Some(10)).await;
    let wish = fixture::booking_request(&event, 1);
    let user = fixture::user_record("Ada", "Lovelace");
    let location = fixture::location_record(fixture::location(Vec::new()));
    store.add_location(&location, Attached::nothing()).await.unwrap();
    let rows = booked(&store, &wish).await;
    store.release(&rows).await.unwrap();
    let ids: [(&str, &[u8], &str); 5] = [
        ("bookings", wish.booking.id.as_bytes(), "Seats"),
        ("events", event.as_bytes(), "StartDate"),
        ("locations", location.location.id.as_bytes(), "OpenTime"),
        ("users", user.user.id.as_bytes(), "Age"),
        ("inventory", event.as_bytes(), "Epoch"),
    ];
    for (table, id, attribute) in ids {
        spoil(&raw, &format!("{prefix}{table}"), id, attribute).await;
    }
    let filter = BookingFilter::all_of(BookingOwner::Event(event.clone()));
    let found = [
        store.find_booking(&wish.booking.id).await.err(),
        store.find_event(&event).await.err(),
        store.list_events(&EventFilter::default(), None, 10).await.err(),
        store.find_location(&location.location.id).await.err(),
        store.list_locations(None, 10).await.err(),
        store.find_user(&user.user.id).await.err(),
        store.list_bookings(&filter, None, 10).await.err(),
        store.availability(std::slice::from_ref(&event)).await.err(),
    ];
    for (position, error) in found.into_iter().enumerate() {
        assert_eq!(
            error.map(|error| error.kind()),
            Some(ErrorKind::Malformed),
            "call {position}"
        );
    }
    let broken = HashMap::from([
        ("Shard".to_owned(), AttributeValue::N("3".into())),
        ("ID".to_owned(), AttributeValue::B(Blob::new([0; 16]))),
        ("Messages".to_owned(), AttributeValue::S("?".into())),
    ]);
    let table = format!("{prefix}outbox");
    raw.put_item()
        .table_name(table)
        .set_item(Some(broken))
        .send()
        .await
        .unwrap();
    let claim = store.claim(10, Duration::from_secs(30)).await.unwrap();
    assert_eq!(
        claim.rows.len(),
        1,
        "a broken item kept a message from being sent"
    );
    let nothing_else = store.claim(10, Duration::from_secs(30)).await.unwrap_err();
    assert_eq!(nothing_else.kind(), ErrorKind::Malformed);
}

async fn spoil(raw: &Client, table: &str, id: &[u8], attribute: &str) {
    raw.update_item()
        .table_name(table)
        .key("ID", AttributeValue::B(Blob::new(id)))
        .update_expression("SET #a = :v")
        .expression_attribute_names("#a", attribute)
        .expression_attribute_values(":v", AttributeValue::S("not a number".into()))
        .send()
        .await
        .unwrap();
}
