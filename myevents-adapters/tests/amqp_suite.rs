//! The broker suite on a real RabbitMQ through the fault proxy: all of it with quorum queues, what they matter for with classic ones.

#[path = "amqp/common.rs"]
mod common;

use std::path::Path;

use common::Rabbit;
use myevents_adapters::amqp::QueueType;
use myevents_core::testkit::SuiteReport;
use myevents_core::testkit::broker::{run_broker_cases, run_broker_suite};

/// Where the table of `docs/backends.md` is made from: `cargo xtask suites`.
const REPORTS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/suite");

#[allow(
    clippy::print_stdout,
    reason = "the report says what does not apply and how many repeats there were"
)]
fn passed(column: &str, report: SuiteReport) {
    println!("{report}");
    report.save(Path::new(REPORTS), column).unwrap();
    if let Err(failure) = report.into_result() {
        panic!("{failure}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rabbitmq_passes_the_broker_suite() {
    let Some(server) = common::server("rabbitmq_passes_the_broker_suite").await else {
        return;
    };
    let quorum = Rabbit {
        port: server.port(),
        queue_type: QueueType::Quorum,
    };
    passed("amqp-quorum", run_broker_suite(&quorum).await);
    // A classic queue does not count deliveries, so C07 is for quorum queues.
    let classic = Rabbit {
        port: server.port(),
        queue_type: QueueType::Classic,
    };
    let cases = ["C01", "C05", "C06", "C09", "C12", "C18", "C23", "C27", "C30"];
    passed("amqp-classic", run_broker_cases(&classic, &cases).await);
}
