//! Example 03: write a backend. A toy store of three files passes the suite that every store passes.
//!
//! Run with `cargo run -p example-03-write-a-backend`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

mod data;
mod messages;
mod store;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use myevents_core::ports::Store;
use myevents_core::testkit::{StoreBed, StoreFixture, TestClock, Verdict, run_store_suite};

use store::ToyStore;

/// Makes an empty store for each case of the suite.
#[derive(Debug)]
struct Toys;

#[async_trait]
impl StoreFixture for Toys {
    fn name(&self) -> String {
        "toy".to_owned()
    }

    async fn create(&self) -> myevents_core::Result<Box<dyn StoreBed>> {
        let clock = Arc::new(TestClock::default());
        let store = Arc::new(ToyStore::new(Arc::<TestClock>::clone(&clock)));
        Ok(Box::new(Toy { store, clock }))
    }
}

/// A store with the clock that its leases run by.
#[derive(Debug)]
struct Toy {
    store: Arc<ToyStore>,
    clock: Arc<TestClock>,
}

#[async_trait]
impl StoreBed for Toy {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<ToyStore>::clone(&self.store)
    }

    async fn second(&self) -> myevents_core::Result<Option<Arc<dyn Store>>> {
        Ok(Some(Arc::new(self.store.another_instance())))
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let report = run_store_suite(&Toys).await;
    let count =
        |wanted: fn(&Verdict) -> bool| report.cases.iter().filter(|case| wanted(&case.verdict)).count();
    let passed = count(|verdict| matches!(verdict, Verdict::Passed(_)));
    let not_applicable = count(|verdict| matches!(verdict, Verdict::NotApplicable(_)));
    println!("the toy store passes {passed} cases; {not_applicable} do not apply to it");
    let failed = report.failures().count();
    ensure!(failed == 0, "{failed} cases failed");
    Ok(())
}
