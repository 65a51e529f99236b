//! Tables: made, checked, refused; and the items that the original wrote.

use std::collections::HashMap;
use std::sync::Arc;

use myevents_adapters::dynamodb::aws_sdk_dynamodb::Client;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::primitives::Blob;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use myevents_adapters::dynamodb::{DynamoConfig, DynamoStore};
use myevents_core::ErrorKind;
use myevents_core::domain::{EventId, Version};
use myevents_core::ports::{Attached, DatabaseHandler, EventFilter, SystemClock};
use myevents_core::testkit::fixture;

use crate::bed::{ROLE, client, fresh_prefix, open, options};
use crate::server;

async fn refused(client: &Client, config: DynamoConfig) -> (ErrorKind, String) {
    let error = DynamoStore::with_client(client, config, Arc::new(SystemClock))
        .await
        .unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_made_checked_and_the_originals_are_taken_over() {
    let Some(server) = server::start("tables_are_made_checked_and_the_originals_are_taken_over").await else {
        return;
    };
    wrong_places(server.url()).await;
    of_the_original(server.url()).await;
    server::stop(server).await;
}

async fn wrong_places(endpoint: &str) {
    let (client, prefix) = (client(endpoint), fresh_prefix());
    let mut config = options(&prefix);
    config.create_tables = false;
    let (kind, text) = refused(&client, config.clone()).await;
    assert_eq!(kind, ErrorKind::Config);
    assert!(text.contains("create_tables") && text.contains(&prefix), "{text}");
    let mut tool = DynamoConfig::tool(ROLE);
    tool.table_prefix.clone_from(&prefix);
    let (kind, _) = refused(&client, tool.clone()).await;
    assert_eq!(
        kind,
        ErrorKind::Config,
        "a command made tables, or found none sound"
    );
    let store = open(endpoint, &prefix).await;
    let secret = store.id_secret();
    // Once they are there nothing is made, by a command neither.
    let again = DynamoStore::with_client(&client, config, Arc::new(SystemClock))
        .await
        .unwrap();
    assert_eq!(again.id_secret().expose(), secret.expose());
    DynamoStore::with_client(&client, tool, Arc::new(SystemClock))
        .await
        .unwrap();
    let mut other = DynamoConfig::service("another");
    other.table_prefix = prefix;
    let (kind, text) = refused(&client, other).await;
    assert_eq!(kind, ErrorKind::Config);
    assert!(
        text.contains("table_prefix") && text.contains("another"),
        "{text}"
    );
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn map<const N: usize>(parts: [(&str, AttributeValue); N]) -> HashMap<String, AttributeValue> {
    parts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// As the original's driver wrote it: no version, no listing, halls by their JSON names.
fn original_event(id: &EventId) -> HashMap<String, AttributeValue> {
    let hall = map([
        ("name", text("Cesar hall")),
        ("location", text("second floor, room 2210")),
        ("capacity", number(10)),
    ]);
    let location = map([
        ("ID", text("507f1f77bcf86cd799439011")),
        ("Name", text("West Street Opera House")),
        ("Address", text("11 west street, AZ 73646")),
        ("Country", text("U.S.A")),
        ("OpenTime", number(7)),
        ("CloseTime", number(20)),
        ("Halls", AttributeValue::L(vec![AttributeValue::M(hall)])),
    ]);
    map([
        ("ID", AttributeValue::B(Blob::new(id.as_bytes()))),
        ("EventName", text("opera aida")),
        ("Duration", number(120)),
        ("StartDate", number(768_346_784)),
        ("EndDate", number(768_353_984)),
        ("Location", AttributeValue::M(location)),
    ])
}

/// The original's table has the key alone; its items are found, listed and changed.
async fn of_the_original(endpoint: &str) {
    let (client, prefix) = (client(endpoint), fresh_prefix());
    let table = format!("{prefix}events");
    let key = KeySchemaElement::builder()
        .attribute_name("ID")
        .key_type(KeyType::Hash)
        .build()
        .unwrap();
    let id_is = AttributeDefinition::builder()
        .attribute_name("ID")
        .attribute_type(ScalarAttributeType::B)
        .build()
        .unwrap();
    client
        .create_table()
        .table_name(&table)
        .key_schema(key)
        .attribute_definitions(id_is)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    let id = fixture::event_id();
    client
        .put_item()
        .table_name(&table)
        .set_item(Some(original_event(&id)))
        .send()
        .await
        .unwrap();
    let store = open(endpoint, &prefix).await;
    let found = store.find_event(&id).await.unwrap().unwrap();
    assert_eq!(found.event.name.as_str(), "opera aida");
    assert_eq!(found.event.capacity(), Some(10));
    assert_eq!(found.version, Version::FIRST);
    let location = found.event.location.clone().unwrap();
    assert_eq!(location.id.to_string(), "507f1f77bcf86cd799439011");
    assert_eq!(location.halls[0].location.as_str(), "second floor, room 2210");
    assert_eq!(
        store.find_event_by_name("opera aida").await.unwrap().as_ref(),
        Some(&found)
    );
    let listed = store
        .list_events(&EventFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(listed.items, std::slice::from_ref(&found));
    let mut newer = found.clone();
    newer.version = Version(2);
    newer.event.duration = myevents_core::domain::Minutes::from_stored(90);
    store
        .replace_event(&newer, Version::FIRST, Attached::nothing())
        .await
        .unwrap();
    assert_eq!(store.find_event(&id).await.unwrap(), Some(newer));
    let stale = store
        .replace_event(&found, Version::FIRST, Attached::nothing())
        .await
        .unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Precondition);
}
