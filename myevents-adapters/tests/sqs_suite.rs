//! The broker suite on a real ElasticMQ through the fault proxy, with FIFO and with standard queues; and with SNS before
//! them, on moto, what that changes.

#[path = "sqs/common.rs"]
mod common;

use std::path::Path;

use common::Queues;
use myevents_core::testkit::SuiteReport;
use myevents_core::testkit::broker::{run_broker_cases, run_broker_suite};
use myevents_servers::Kind;

/// Where the table of `docs/backends.md` is made from: `cargo xtask suites`.
const REPORTS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/suite");

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

/// Runs the cases, or those of `TEST_CASES` for whoever looks for a fault.
async fn run(test: &'static str, kind: Kind, end: &'static str, cases: Option<&[&str]>) {
    let Some(server) = common::server(test, kind).await else {
        return;
    };
    let queues = Queues {
        endpoint: server.url().to_owned(),
        end,
        topic: kind == Kind::Sns,
    };
    let chosen = std::env::var("TEST_CASES");
    let chosen: Option<Vec<&str>> = chosen.as_ref().ok().map(|cases| cases.split(',').collect());
    let report = match chosen.as_deref().or(cases) {
        Some(cases) => run_broker_cases(&queues, cases).await,
        None => run_broker_suite(&queues).await,
    };
    if chosen.is_none() {
        let service = if kind == Kind::Sns { "sns" } else { "sqs" };
        let queues = if end.is_empty() { "standard" } else { "fifo" };
        let column = format!("{service}-{queues}");
        report.save(Path::new(REPORTS), &column).unwrap();
    }
    passed(test, report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifo_queues_pass_the_broker_suite() {
    run("fifo_queues_pass_the_broker_suite", Kind::Sqs, ".fifo", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn standard_queues_pass_the_broker_suite() {
    run("standard_queues_pass_the_broker_suite", Kind::Sqs, "", None).await;
}

/// What a topic changes. moto becomes slow with a queue's depth and keeps nothing over a restart, so the other cases are left
/// to ElasticMQ: behind the topic the queues are the same.
const OF_TOPICS: [&str; 18] = [
    "C01", "C04", "C05", "C07", "C09", "C10", "C13", "C15", "C16", "C17", "C19", "C20", "C21", "C22", "C23",
    "C25", "C29", "C30",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_topic_before_the_queues_passes_the_cases_of_publishing() {
    let test = "a_topic_before_the_queues_passes_the_cases_of_publishing";
    for end in ["", ".fifo"] {
        run(test, Kind::Sns, end, Some(&OF_TOPICS)).await;
    }
}
