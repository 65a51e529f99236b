//! The store suite on MongoDB: two instances on one database, the first behind a proxy that can take the server away.

#[path = "mongodb/common.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use the rest of it")]
mod common;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::{Database, server};
use myevents_adapters::mongodb::{CRASH_POINTS, MongoStore};
use myevents_core::Result;
use myevents_core::domain::EventId;
use myevents_core::ports::{ApiKeys, DeadLetterQueue, Store};
use myevents_core::testkit::{FaultProxy, StoreBed, StoreFixture, TestClock, run_store_suite};

#[derive(Debug)]
struct Mongo {
    url: String,
}

#[derive(Debug)]
struct Bed {
    store: Arc<MongoStore>,
    database: Database,
    clock: Arc<TestClock>,
    proxy: FaultProxy,
}

#[async_trait]
impl StoreFixture for Mongo {
    fn name(&self) -> String {
        "mongodb".to_owned()
    }

    async fn create(&self) -> Result<Box<dyn StoreBed>> {
        let clock = Arc::new(TestClock::default());
        let database = Database::new(&self.url);
        let proxy = FaultProxy::start(database.address())
            .await
            .expect("a proxy can be started");
        let store = database.open_at(proxy.address(), clock.clone()).await?;
        Ok(Box::new(Bed {
            store: Arc::new(store),
            database,
            clock,
            proxy,
        }))
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
        Ok(Some(Arc::new(self.database.open(self.clock.clone()).await?)))
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    // The case books without limits, so it never gets to the point behind a reservation: `limits` does.
    fn crash_points(&self) -> &'static [&'static str] {
        &CRASH_POINTS[1..]
    }

    async fn plant_drift(&self, event: &EventId, seats: i64) -> Result<bool> {
        Ok(self.database.plant_drift(&self.store, event, seats).await)
    }

    async fn set_reachable(&self, reachable: bool) -> Result<bool> {
        if reachable {
            self.proxy
                .accept_again()
                .await
                .expect("the proxy can listen again");
        } else {
            self.proxy.refuse().await;
            self.proxy.cut();
        }
        Ok(true)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongodb_passes_the_store_suite() {
    let Some(url) = server("mongodb_passes_the_store_suite") else {
        return;
    };
    let report = run_store_suite(&Mongo { url }).await;
    if let Err(failure) = report.into_result() {
        panic!("{}", failure.why());
    }
}
