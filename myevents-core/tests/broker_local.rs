//! The broker suite on `local`, and on `local` behind each wrapper.

use std::sync::Arc;
use std::time::Duration;

use myevents_core::layer::{Chaos, FaultRates, Layered, Retry, RetryPolicy, Timeout};
use myevents_core::testkit::broker::{BrokerFixture, LocalFixture, WrappedFixture, run_broker_suite};

#[allow(
    clippy::print_stdout,
    reason = "the report says what does not apply and how many repeats there were"
)]
async fn passes(fixture: &dyn BrokerFixture) {
    let report = run_broker_suite(fixture).await;
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
    passes(&LocalFixture).await;
}

#[tokio::test(start_paused = true)]
async fn the_local_broker_passes_behind_a_timeout() {
    let patient = Timeout::of(Duration::from_secs(30));
    let fixture = WrappedFixture::new(LocalFixture)
        .emitters(move |emitter| Arc::new(Layered::new(emitter, patient)))
        .listeners(move |listener| Arc::new(Layered::new(listener, patient)));
    passes(&fixture).await;
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
    passes(&fixture).await;
}
