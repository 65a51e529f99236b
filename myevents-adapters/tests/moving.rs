//! Moving between kinds of stores: from SQLite to MongoDB, to DynamoDB and back, on real servers of this test's own.

#[path = "common/transfer/mod.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of SQLite, which use the rest of it"
)]
mod kit;

use std::sync::atomic::{AtomicU32, Ordering};

use myevents_adapters::connect::StoreOptions;
use myevents_servers::{Kind, Server};

/// A server of this test's own; none, and the skip is noted, when it is not installed.
async fn server(test: &'static str, kind: Kind) -> Option<Server> {
    let started = tokio::task::spawn_blocking(move || Server::start_or_skip(test, kind));
    started
        .await
        .expect("the start did not panic")
        .expect("an installed server starts")
}

/// Ends it without blocking the runtime.
async fn stop(server: Server) {
    let stopped = tokio::task::spawn_blocking(move || drop(server)).await;
    stopped.expect("the stop did not panic");
}

fn options(kind: &str, location: String, role: &str) -> StoreOptions {
    StoreOptions {
        ca: None,
        kind: kind.into(),
        location,
        role: role.into(),
        tool: false,
        create_tables: true,
        table_prefix: String::new(),
    }
}

/// A new file each time.
fn sqlite(folder: &tempfile::TempDir) -> impl Fn(&str) -> StoreOptions + Sync {
    let (folder, number) = (folder.path().to_owned(), AtomicU32::new(0));
    move |role| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let file = folder.join(format!("{number}-{role}.db"));
        options("sqlite", file.to_string_lossy().into_owned(), role)
    }
}

/// A new database each time.
fn mongodb(server: &Server) -> impl Fn(&str) -> StoreOptions + Sync + use<> {
    let (url, number) = (server.url().to_owned(), AtomicU32::new(0));
    move |role| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        options("mongodb", format!("{url}/test_{number}"), role)
    }
}

/// New tables each time.
fn dynamodb(server: &Server) -> impl Fn(&str) -> StoreOptions + Sync + use<> {
    let (url, number) = (server.url().to_owned(), AtomicU32::new(0));
    move |role| StoreOptions {
        table_prefix: format!("t{}-", number.fetch_add(1, Ordering::Relaxed)),
        ..options("dynamodb", url.clone(), role)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_moves_from_each_kind_to_the_next() {
    const TEST: &str = "everything_moves_from_each_kind_to_the_next";
    let Some(mongo) = server(TEST, Kind::Mongodb).await else {
        return;
    };
    let Some(dynamo) = server(TEST, Kind::Dynamodb).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (sqlite, mongodb, dynamodb) = (sqlite(&folder), mongodb(&mongo), dynamodb(&dynamo));
    kit::everything_moves_between(&sqlite, &mongodb).await;
    kit::everything_moves_between(&mongodb, &dynamodb).await;
    kit::everything_moves_between(&dynamodb, &sqlite).await;
    stop(mongo).await;
    stop(dynamo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_import_into_mongodb_is_completed() {
    let Some(mongo) = server("a_broken_import_into_mongodb_is_completed", Kind::Mongodb).await else {
        return;
    };
    let mongodb = mongodb(&mongo);
    kit::a_broken_import_is_completed(&mongodb).await;
    kit::refusals_name_their_reason(&mongodb).await;
    stop(mongo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_import_into_dynamodb_is_completed() {
    // Some thousand transactions, each on this server's disk.
    if !myevents_servers::skip::full_scale() {
        return;
    }
    let Some(dynamo) = server("a_broken_import_into_dynamodb_is_completed", Kind::Dynamodb).await else {
        return;
    };
    let dynamodb = dynamodb(&dynamo);
    kit::a_broken_import_is_completed(&dynamodb).await;
    kit::refusals_name_their_reason(&dynamodb).await;
    stop(dynamo).await;
}
