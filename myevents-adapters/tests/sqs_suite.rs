//! The broker suite on a real ElasticMQ through the fault proxy, with FIFO and with standard queues; and with SNS before
//! them, on moto, what that changes.

#[path = "sqs/common.rs"]
mod common;

use common::Queues;
use myevents_core::testkit::SuiteReport;
use myevents_core::testkit::broker::{run_broker_cases, run_broker_suite};
use myevents_servers::Kind;

#[allow(
    clippy::print_stdout,
    reason = "the report says what does not apply and how many repeats there were"
)]
fn passed(what: &str, report: SuiteReport) {
    println!("{what}\n{report}");
    if let Err(failure) = report.into_result() {
        panic!("{what}: {failure}");
    }
}

async fn queues_pass(test: &'static str, end: &'static str) {
    let Some(server) = common::server(test, Kind::Sqs).await else {
        return;
    };
    let queues = Queues {
        endpoint: server.url().to_owned(),
        end,
        topic: false,
    };
    // A single case, for whoever looks for its fault.
    let report = match std::env::var("TEST_CASES") {
        Ok(cases) => run_broker_cases(&queues, &cases.split(',').collect::<Vec<_>>()).await,
        Err(_) => run_broker_suite(&queues).await,
    };
    passed(test, report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifo_queues_pass_the_broker_suite() {
    queues_pass("fifo_queues_pass_the_broker_suite", ".fifo").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn standard_queues_pass_the_broker_suite() {
    queues_pass("standard_queues_pass_the_broker_suite", "").await;
}

/// moto becomes slow with a queue's depth and keeps nothing over a restart, so cases of thousands are left to ElasticMQ:
/// behind the topic the queues are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_topic_before_the_queues_passes_the_cases_of_publishing() {
    let test = "a_topic_before_the_queues_passes_the_cases_of_publishing";
    let Some(server) = common::server(test, Kind::Sns).await else {
        return;
    };
    for end in ["", ".fifo"] {
        let topic = Queues {
            endpoint: server.url().to_owned(),
            end,
            topic: true,
        };
        let cases = [
            "C01", "C04", "C07", "C09", "C10", "C15", "C16", "C17", "C19", "C20", "C21", "C22", "C25", "C29",
            "C30",
        ];
        passed(&format!("{test}{end}"), run_broker_cases(&topic, &cases).await);
    }
}
