//! The store suite on the memory store inside each wrapper: a wrapper keeps every promise of what it wraps.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_core::Result;
use myevents_core::domain::EventId;
use myevents_core::layer::{Chaos, FaultRates, Layered, Retry, RetryPolicy, Timeout};
use myevents_core::ports::Store;
use myevents_core::testkit::store::MemoryFixture;
use myevents_core::testkit::{StoreBed, StoreFixture, run_store_suite};

/// Wraps what the memory fixture makes.
#[derive(Debug, Clone, Copy)]
enum Wrapper {
    /// Retry around timeout, as services use them.
    Patient,
    /// Chaos that is calm, and fails every call while the backend counts as away.
    Away,
}

/// Dead letters are not wrapped, so they are left out.
#[derive(Debug)]
struct Bed {
    inner: Box<dyn StoreBed>,
    wrapper: Wrapper,
    store: Arc<dyn Store>,
    chaos: Option<Arc<Chaos>>,
}

fn patient<P: ?Sized>(port: Arc<P>) -> Layered<Layered<P, Timeout>, Retry> {
    let policy = RetryPolicy {
        first_pause: Duration::from_millis(1),
        ..RetryPolicy::default()
    };
    let bounded = Arc::new(Layered::new(port, Timeout::of(Duration::from_secs(20))));
    Layered::new(bounded, Retry::new(policy))
}

fn calm_chaos<P: ?Sized>(port: Arc<P>) -> Layered<P, Chaos> {
    let always = FaultRates {
        before: 1.0,
        ..FaultRates::default()
    };
    let layered = Layered::new(port, Chaos::new(1, always));
    layered.around().set_calm(true);
    layered
}

impl Wrapper {
    fn around(self, store: Arc<dyn Store>) -> (Arc<dyn Store>, Option<Arc<Chaos>>) {
        match self {
            Self::Patient => (Arc::new(patient(store)), None),
            Self::Away => {
                let layered = calm_chaos(store);
                let chaos = Arc::clone(layered.around());
                (Arc::new(layered), Some(chaos))
            }
        }
    }
}

#[async_trait]
impl StoreFixture for Wrapper {
    fn name(&self) -> String {
        format!("memory in {self:?}")
    }

    async fn create(&self) -> Result<Box<dyn StoreBed>> {
        let inner = MemoryFixture.create().await?;
        let (store, chaos) = self.around(inner.store());
        Ok(Box::new(Bed {
            inner,
            wrapper: *self,
            store,
            chaos,
        }))
    }
}

#[async_trait]
impl StoreBed for Bed {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    async fn second(&self) -> Result<Option<Arc<dyn Store>>> {
        let second = self.inner.second().await?;
        Ok(second.map(|store| self.wrapper.around(store).0))
    }

    async fn pass(&self, time: Duration) {
        self.inner.pass(time).await;
    }

    fn crash_points(&self) -> &'static [&'static str] {
        self.inner.crash_points()
    }

    async fn plant_drift(&self, event: &EventId, seats: i64) -> Result<bool> {
        self.inner.plant_drift(event, seats).await
    }

    async fn set_reachable(&self, reachable: bool) -> Result<bool> {
        if let Some(chaos) = &self.chaos {
            chaos.set_calm(reachable);
        }
        Ok(self.chaos.is_some())
    }
}

// One test: armed crash points count for the whole process.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_wrapped_memory_store_passes_the_suite() {
    for wrapper in [Wrapper::Patient, Wrapper::Away] {
        let report = run_store_suite(&wrapper).await;
        if let Err(failure) = report.into_result() {
            panic!("{}", failure.why());
        }
    }
}
