//! What the micro-benchmarks share: stores with one bookable event in them.
#![allow(clippy::expect_used, reason = "a benchmark ends at the first surprise")]

use std::sync::Arc;

use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::domain::EventId;
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{Store, SystemClock};
use myevents_core::testkit::fixture;

/// A store with one event that has seats for everybody, and the folder that must outlive it.
#[derive(Debug)]
pub struct Bookable {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The event.
    pub event: EventId,
    _folder: Option<tempfile::TempDir>,
}

/// In memory: what the code itself costs.
///
/// # Panics
/// When the event cannot be stored.
pub async fn memory() -> Bookable {
    bookable(Arc::new(MemoryStore::new(Arc::new(SystemClock))), None).await
}

/// On SQLite in a folder of its own: with the cost of durable commits.
///
/// # Panics
/// When the store cannot be opened.
pub async fn sqlite() -> Bookable {
    let folder = tempfile::tempdir().expect("a folder for the store");
    let config = SqliteConfig::service(folder.path().join("bookingservice.db"), "booking");
    let store = SqliteStore::open(config, Arc::new(SystemClock)).expect("a new store opens");
    bookable(Arc::new(store), Some(folder)).await
}

async fn bookable(store: Arc<dyn Store>, folder: Option<tempfile::TempDir>) -> Bookable {
    let record = fixture::event_record(fixture::event("benchmark"));
    let event = record.event.id.clone();
    let projection = fixture::projection(record, 1, Some(1 << 40));
    store
        .project_event(&projection)
        .await
        .expect("the event is stored");
    Bookable {
        store,
        event,
        _folder: folder,
    }
}
