//! The memory store as a fixture: what the suite and every wrapper of a store are tried on first.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{StoreBed, StoreFixture};
use crate::domain::EventId;
use crate::error::Result;
use crate::memory::MemoryStore;
use crate::ports::{ApiKeys, DeadLetterQueue, Store};
use crate::testkit::TestClock;

/// Makes memory stores.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryFixture;

#[derive(Debug)]
struct Bed {
    store: Arc<MemoryStore>,
    clock: Arc<TestClock>,
}

#[async_trait]
impl StoreFixture for MemoryFixture {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn create(&self) -> Result<Box<dyn StoreBed>> {
        let clock = Arc::new(TestClock::default());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Ok(Box::new(Bed { store, clock }))
    }
}

#[async_trait]
impl StoreBed for Bed {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn api_keys(&self) -> Option<Arc<dyn ApiKeys>> {
        Some(self.store.clone())
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
