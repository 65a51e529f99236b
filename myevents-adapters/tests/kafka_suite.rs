//! The whole broker suite on a real Kafka, through the fault proxy.

#[path = "kafka/common.rs"]
mod common;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use common::{Fixture, Kafka};
use myevents_core::testkit::SuiteReport;
use myevents_core::testkit::broker::{run_broker_cases, run_broker_suite};

/// Where the table of `docs/backends.md` is made from: `cargo xtask suites`.
const REPORTS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/suite");

#[allow(
    clippy::print_stdout,
    reason = "the report says what does not apply and how many repeats there were"
)]
fn passed(report: SuiteReport) -> SuiteReport {
    println!("{report}");
    match report.into_result() {
        Ok(report) => report,
        Err(failure) => panic!("{failure}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_passes_the_suite() -> Result<()> {
    let Some(kafka) = Kafka::start("kafka_passes_the_suite").await? else {
        return Ok(());
    };
    let few = Fixture {
        kafka: Arc::clone(&kafka),
        partitions: 4,
    };
    // One case, or some: for working on it.
    if let Ok(cases) = std::env::var("CASES") {
        let ids: Vec<&str> = cases.split(',').collect();
        passed(run_broker_cases(&few, &ids).await);
        return Ok(());
    }
    let whole = passed(run_broker_suite(&few).await);
    // Every one of 50 competing consumers needs a partition.
    let many = Fixture {
        kafka,
        partitions: 60,
    };
    let competing = passed(run_broker_cases(&many, &["C02"]).await);
    whole.with(competing).save(Path::new(REPORTS), "kafka")?;
    Ok(())
}
