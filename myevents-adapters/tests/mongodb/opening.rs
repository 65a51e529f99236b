//! Opening: whose database it is, a server that is away, the caller's own client, and what is closed.

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::mongodb::mongodb::Client;
use myevents_adapters::mongodb::mongodb::bson::{Document, doc};
use myevents_adapters::mongodb::{MongoConfig, MongoStore};
use myevents_core::ErrorKind;
use myevents_core::ports::{Attached, DatabaseHandler, SystemClock};
use myevents_core::testkit::{FaultProxy, fixture};

use crate::common::{Database, ROLE, book, bookable, server};

async fn opened(config: MongoConfig) -> myevents_core::Result<MongoStore> {
    MongoStore::open(config, Arc::new(SystemClock)).await
}

#[tokio::test]
async fn a_database_belongs_to_the_role_that_came_first_and_keeps_its_secret() {
    let Some(url) = server("a_database_belongs_to_the_role_that_came_first_and_keeps_its_secret") else {
        return;
    };
    let database = Database::new(&url);
    let tool = MongoConfig::tool(&url, ROLE).database(&database.name);
    let nothing = opened(tool.clone()).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::NotFound, "{nothing}");
    let first = opened(database.config()).await.unwrap();
    let second = opened(database.config()).await.unwrap();
    let beside = opened(tool).await.unwrap();
    assert_eq!(first.id_secret().expose(), second.id_secret().expose());
    assert_eq!(first.id_secret().expose(), beside.id_secret().expose());
    let other = MongoConfig::service(&url, "eventservice").database(&database.name);
    let refused = opened(other).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert!(refused.to_string().contains("dbconnection"), "{refused}");
    // Many at once make one secret.
    let database = Database::new(&url);
    let openings: Vec<_> = (0..8).map(|_| tokio::spawn(opened(database.config()))).collect();
    let mut secrets = Vec::new();
    for opening in openings {
        secrets.push(*opening.await.unwrap().unwrap().id_secret().expose());
    }
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
}

#[tokio::test]
async fn a_newer_form_of_the_records_is_left_alone() {
    let Some(url) = server("a_newer_form_of_the_records_is_left_alone") else {
        return;
    };
    let database = Database::new(&url);
    let store = opened(database.config()).await.unwrap();
    let meta = store.database().collection::<Document>("meta");
    meta.update_one(doc! { "_id": "store" }, doc! { "$set": { "format": 99 } })
        .await
        .unwrap();
    let refused = opened(database.config()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert!(refused.to_string().contains("newer"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_waits_for_a_server_that_comes_and_names_one_that_does_not() {
    let Some(url) = server("opening_waits_for_a_server_that_comes_and_names_one_that_does_not") else {
        return;
    };
    let database = Database::new(&url);
    let proxy = Arc::new(FaultProxy::start(database.address()).await.unwrap());
    proxy.refuse().await;
    let mut config = database.config_at(proxy.address());
    config.url = config.url.replace("mongodb://", "mongodb://ada:hidden@");
    config.open_timeout = Duration::from_millis(900);
    let away = opened(config).await.unwrap_err();
    assert_eq!(away.kind(), ErrorKind::Unavailable);
    let told = away.to_string();
    assert!(
        told.contains(&proxy.address().to_string()) && !told.contains("hidden"),
        "{told}"
    );
    let opening = tokio::spawn(opened(database.config_at(proxy.address())));
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.accept_again().await.unwrap();
    let store = opening.await.unwrap().unwrap();
    store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_own_client_stays_open_and_its_weak_concern_is_not_ours() {
    let Some(url) = server("the_callers_own_client_stays_open_and_its_weak_concern_is_not_ours") else {
        return;
    };
    let database = Database::new(&url);
    let separator = if url.contains('?') {
        '&'
    } else if url.trim_start_matches("mongodb://").contains('/') {
        '?'
    } else {
        '/'
    };
    let client = if separator == '/' {
        Client::with_uri_str(format!("{url}/?w=1&journal=false")).await
    } else {
        Client::with_uri_str(format!("{url}{separator}w=1&journal=false")).await
    }
    .unwrap();
    let config = MongoConfig::service("", ROLE).database(&database.name);
    let store = MongoStore::with_client(client.clone(), config, Arc::new(SystemClock))
        .await
        .unwrap();
    let event = bookable(&store, 3).await;
    book(&store, &fixture::booking_request(&event, 3)).await.unwrap();
    store.close().await.unwrap();
    let late = store.find_event(&event).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Closed);
    let mine = client.database(&database.name).collection::<Document>("events");
    assert!(mine.find_one(doc! {}).await.unwrap().is_some());
    let own = database.open_now().await;
    own.add_event(&fixture::event_record(fixture::event("x")), Attached::nothing())
        .await
        .unwrap();
    own.close().await.unwrap();
    own.close().await.unwrap();
}
