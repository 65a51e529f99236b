//! The store suite on the memory store.

use myevents_core::testkit::run_store_suite;
use myevents_core::testkit::store::MemoryFixture;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_passes_the_suite() {
    let report = run_store_suite(&MemoryFixture).await;
    if let Err(failure) = report.into_result() {
        panic!("{}", failure.why());
    }
}
