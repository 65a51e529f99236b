//! The store suite on the memory store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_core::Result;
use myevents_core::domain::EventId;
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{DeadLetterQueue, Store};
use myevents_core::testkit::{StoreBed, StoreFixture, TestClock, run_store_suite};

#[derive(Debug)]
struct Memory;

#[derive(Debug)]
struct Bed {
    store: Arc<MemoryStore>,
    clock: Arc<TestClock>,
}

#[async_trait]
impl StoreFixture for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn create(&self) -> Result<Box<dyn StoreBed>> {
        let clock = Arc::new(TestClock::default());
        Ok(Box::new(Bed {
            store: Arc::new(MemoryStore::new(clock.clone())),
            clock,
        }))
    }
}

#[async_trait]
impl StoreBed for Bed {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn dead_letters(&self) -> Option<Arc<dyn DeadLetterQueue>> {
        Some(self.store.clone())
    }

    async fn second(&self) -> Result<Option<Arc<dyn Store>>> {
        Ok(Some(Arc::new(self.store.another_instance())))
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    fn crash_points(&self) -> &'static [&'static str] {
        &["memory.before-commit", "memory.after-commit"]
    }

    async fn plant_drift(&self, event: &EventId, seats: i64) -> Result<bool> {
        Ok(self.store.plant_drift(event, seats))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_passes_the_suite() {
    let report = run_store_suite(&Memory).await;
    if let Err(failure) = report.into_result() {
        panic!("{}", failure.why());
    }
}
