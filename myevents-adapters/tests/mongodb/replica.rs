//! What is asked of a replica set, read off the wire: a peer passes the server by itself off as one, with sessions and
//! cluster times, so that the commands are those that a real one would get. Whether a real one does as it is asked, only
//! a real one shows: the suites run there in public CI.

use std::sync::Arc;

use myevents_adapters::mongodb::MongoStore;
use myevents_adapters::mongodb::mongodb::bson::{Bson, Document};
use myevents_core::ports::{Attached, DatabaseHandler, Outbox, Outcome, SystemClock};
use myevents_core::testkit::fixture;

use crate::common::{Database, at_rest, book, bookable, server};
use crate::faults::behind;
use crate::wire::Wire;

async fn bed(test: &str) -> Option<(MongoStore, Wire)> {
    let database = Database::new(&server(test)?);
    let wire = Wire::as_replica_set(database.address()).await;
    let store = MongoStore::open(database.config_at(wire.address()), Arc::new(SystemClock))
        .await
        .unwrap();
    Some((store, wire))
}

fn level(command: &Document) -> Option<&str> {
    command.get_document("readConcern").ok()?.get_str("level").ok()
}

fn is_of(command: &Document, name: &str, collection: &str) -> bool {
    command
        .iter()
        .next()
        .is_some_and(|(key, value)| key == name && value.as_str() == Some(collection))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_read_linearizably_and_the_ids_after_it_in_the_same_session() {
    let Some((store, wire)) =
        bed("a_refusal_is_read_linearizably_and_the_ids_after_it_in_the_same_session").await
    else {
        return;
    };
    let event = bookable(&store, 2).await;
    book(&store, &fixture::booking_request(&event, 2)).await.unwrap();
    wire.forget_seen();
    let refused = book(&store, &fixture::booking_request(&event, 1))
        .await
        .unwrap()
        .value;
    assert_eq!(refused, Outcome::SoldOut { available: 0 });
    let seen = wire.seen();
    let mut looks = 0;
    for (at, command) in seen.iter().enumerate() {
        if level(command) != Some("linearizable") {
            continue;
        }
        looks += 1;
        assert!(is_of(command, "find", "inventory"), "{command}");
        assert!(
            command
                .get_document("readConcern")
                .unwrap()
                .get("afterClusterTime")
                .is_none(),
            "{command}"
        );
        assert!(command.contains_key("maxTimeMS"), "{command}");
        let next = &seen[at + 1];
        assert!(is_of(next, "find", "bookings"), "{next}");
        assert_eq!(level(next), Some("majority"), "{next}");
        assert!(
            next.get_document("readConcern")
                .unwrap()
                .contains_key("afterClusterTime"),
            "{next}"
        );
        assert_eq!(
            next.get_document("lsid").unwrap(),
            command.get_document("lsid").unwrap()
        );
    }
    assert!(looks > 0, "a refusal without a look: {seen:?}");
    at_rest(&store, &event, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_waits_for_the_majority_and_every_read_is_confirmed() {
    let Some((store, wire)) = bed("every_write_waits_for_the_majority_and_every_read_is_confirmed").await
    else {
        return;
    };
    let event = bookable(&store, 9).await;
    let request = fixture::booking_request(&event, 2);
    let booked = book(&store, &request).await.unwrap();
    store.confirm(&booked.leased).await.unwrap();
    store
        .cancel_booking(&fixture::cancel_request(&event, &request.booking.id))
        .await
        .unwrap();
    let record = fixture::event_record(fixture::event("x"));
    store.add_event(&record, Attached::nothing()).await.unwrap();
    store.find_event(&event).await.unwrap();
    store.claim(5, std::time::Duration::from_secs(5)).await.unwrap();
    let seen = wire.seen();
    let mut writes = 0;
    for command in &seen {
        let name = command.keys().next().unwrap().as_str();
        match name {
            "insert" | "update" | "findAndModify" | "delete" => {
                writes += 1;
                let concern = command.get_document("writeConcern").unwrap();
                assert_eq!(concern.get_str("w").ok(), Some("majority"), "{command}");
                assert_eq!(concern.get_bool("j").ok(), Some(true), "{command}");
                assert!(concern.contains_key("wtimeout"), "{command}");
            }
            "find" | "aggregate" => {
                assert!(
                    matches!(level(command), Some("majority" | "linearizable")),
                    "{command}"
                );
                let preference = command
                    .get_document("$readPreference")
                    .ok()
                    .and_then(|mode| mode.get_str("mode").ok());
                assert!(
                    matches!(preference, None | Some("primary" | "primaryPreferred")),
                    "{command}"
                );
            }
            _ => {}
        }
    }
    assert!(writes >= 8, "{writes} writes");
    at_rest(&store, &event, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_by_itself_gets_no_sessions_and_local_reads() {
    let Some(url) = server("a_server_by_itself_gets_no_sessions_and_local_reads") else {
        return;
    };
    let database = Database::new(&url);
    let wire = Wire::start(database.address()).await;
    let store = behind(&database, &wire).await;
    let event = bookable(&store, 1).await;
    book(&store, &fixture::booking_request(&event, 1)).await.unwrap();
    book(&store, &fixture::booking_request(&event, 1)).await.unwrap();
    for command in wire.seen() {
        assert!(!command.contains_key("lsid"), "{command}");
        if command.get("find").and_then(Bson::as_str) == Some("inventory") {
            assert_eq!(level(&command), Some("local"), "{command}");
        }
    }
}
