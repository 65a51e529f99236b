//! The broker suite on `local`, and on `local` behind each wrapper.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use myevents_core::layer::{Chaos, FaultRates, Layered, Retry, RetryPolicy, Timeout};
use myevents_core::testkit::SuiteReport;
use myevents_core::testkit::broker::{LocalFixture, WrappedFixture, run_broker_cases, run_broker_suite};

/// Where the table of `docs/backends.md` is made from: `cargo xtask suites`.
const REPORTS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/suite");

#[allow(
    clippy::print_stdout,
    reason = "the report says what does not apply and how many repeats there were"
)]
fn passed(report: SuiteReport) {
    println!("{report}");
    if let Err(failure) = report.into_result() {
        panic!("{failure}");
    }
}

fn hasty() -> Retry {
    Retry::new(RetryPolicy {
        tries: 8,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(10),
        deadline: Duration::from_secs(5),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_broker_passes_the_suite() {
    let report = run_broker_suite(&LocalFixture).await;
    report.save(Path::new(REPORTS), "local").unwrap();
    passed(report);
}

#[tokio::test(start_paused = true)]
async fn the_local_broker_passes_behind_a_timeout() {
    let patient = Timeout::of(Duration::from_secs(30));
    let fixture = WrappedFixture::new(LocalFixture)
        .emitters(move |emitter| Arc::new(Layered::new(emitter, patient)))
        .listeners(move |listener| Arc::new(Layered::new(listener, patient)));
    passed(run_broker_suite(&fixture).await);
}

#[tokio::test(start_paused = true)]
async fn the_local_broker_passes_behind_retries_of_planted_faults() {
    let faults = FaultRates {
        before: 0.1,
        delay: 0.1,
        longest_delay: Duration::from_millis(20),
        ..FaultRates::default()
    };
    let late = FaultRates {
        before: 0.0,
        ..faults
    };
    let fixture = WrappedFixture::new(LocalFixture)
        .emitters(move |emitter| {
            let failing = Arc::new(Layered::new(emitter, Chaos::new(30, faults)));
            Arc::new(Layered::new(failing, hasty()))
        })
        .listeners(move |listener| {
            let slow = Arc::new(Layered::new(listener, Chaos::new(31, late)));
            Arc::new(Layered::new(slow, hasty()))
        });
    // C05 and C13 publish many messages of a key with one call; a fault that spares the later ones turns their order, and
    // keeping one message of a key open at a time is the relay's part. Counts of C09, C10, C18 belong to sound calls.
    let cases = [
        "C01", "C02", "C03", "C04", "C06", "C07", "C08", "C11", "C12", "C15", "C17", "C20", "C26", "C28",
        "C29",
    ];
    passed(run_broker_cases(&fixture, &cases).await);
}
