//! The store suite on DynamoDB Local: two instances over one set of tables. A process of its own, as crash points are armed in it.

#[path = "dynamodb/bed.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use the rest of it")]
mod bed;
#[path = "dynamodb/server.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use the rest of it")]
mod server;

use myevents_core::testkit::run_store_suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dynamodb_passes_the_store_suite() {
    let Some(server) = server::start("dynamodb_passes_the_store_suite").await else {
        return;
    };
    let fixture = bed::Dynamo {
        endpoint: server.url().to_owned(),
    };
    let report = run_store_suite(&fixture).await;
    server::stop(server).await;
    if let Err(failure) = report.into_result() {
        panic!("{}", failure.why());
    }
}
