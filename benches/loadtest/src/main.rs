//! The command line of the load generator: makes its events, runs, shows progress, checks, reports.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks through its standard output"
)]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use loadtest::check::{Findings, check};
use loadtest::load::{Plan, Progress, Work, run};
use loadtest::service::Service;
use loadtest::tally::Tally;
use serde_json::json;

/// Puts load on a running MyEvents service and checks afterwards that nothing was lost, doubled or oversold.
///
/// It makes events of its own, books (or reads) them for a while and then asks the service: the seats that its counters say
/// are sold, the seats of its confirmed bookings and the seats that the clients counted must be one number, each accepted
/// booking must be there, and the outbox must run empty.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Both APIs on one address, as in the all-in-one program.
    #[arg(long, default_value = "127.0.0.1:8080")]
    target: SocketAddr,
    /// The event service, where it is elsewhere.
    #[arg(long)]
    events_at: Option<SocketAddr>,
    /// The booking service, where it is elsewhere.
    #[arg(long)]
    bookings_at: Option<SocketAddr>,
    /// The metrics of the booking service; `none` leaves the outbox unchecked.
    #[arg(long, default_value = "127.0.0.1:9100")]
    metrics: String,
    /// What each request does.
    #[arg(long, value_enum, default_value_t = Kind::Book)]
    work: Kind,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds.
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// Open loop: this many requests a second are due, and latency counts from the moment each was due.
    /// Without it each connection sends its next request when the last was answered.
    #[arg(long)]
    rate: Option<f64>,
    /// Events that all bookings go to.
    #[arg(long, default_value_t = 1)]
    hot_events: usize,
    /// Seats of each event.
    #[arg(long, default_value_t = 2_000_000_000)]
    capacity: u64,
    /// At most this many seats a booking, at random from 1.
    #[arg(long, default_value_t = 1)]
    seats: u32,
    /// Seconds in which the outbox must run empty after the run.
    #[arg(long, default_value_t = 5.0)]
    outbox_within: f64,
    /// Leave out the check after the run.
    #[arg(long)]
    no_check: bool,
    /// Print the result as one JSON document.
    #[arg(long)]
    json: bool,
    /// Threads of the generator itself; it shares the machine with the service.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Book seats.
    Book,
    /// Read one event.
    Read,
    /// Read the first page of events.
    List,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let mut builder = if cli.threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder
        .worker_threads(cli.threads.max(1))
        .enable_all()
        .build()?
        .block_on(act(cli))
}

async fn act(cli: Cli) -> Result<ExitCode> {
    let metrics = match cli.metrics.as_str() {
        "none" => None,
        address => Some(address.parse().context("--metrics is an address or `none`")?),
    };
    let service = Service {
        events: cli.events_at.unwrap_or(cli.target),
        bookings: cli.bookings_at.unwrap_or(cli.target),
        metrics,
    };
    let mut events = Vec::new();
    for number in 0..cli.hot_events {
        events.push(
            service
                .new_event(&format!("Load test {number}"), cli.capacity)
                .await?,
        );
    }
    let events = Arc::new(events);
    let (address, work) = match cli.work {
        Kind::Book => (
            service.bookings,
            Work::Book {
                seats: 1..=cli.seats.max(1),
            },
        ),
        Kind::Read => (service.events, Work::Read),
        Kind::List => (
            service.events,
            Work::Raw(loadtest::http::request("GET", "/events", &[], b"")),
        ),
    };
    let plan = Plan {
        address,
        events: Arc::clone(&events),
        work,
        connections: cli.connections,
        duration: Duration::from_secs_f64(cli.duration),
        rate: cli.rate,
        patience: Duration::from_secs(60),
    };
    let progress = Arc::new(Progress::default());
    let line = tokio::spawn(progress_line(Arc::clone(&progress)));
    let tally = run(plan, progress).await?;
    line.abort();
    let findings = if cli.no_check {
        None
    } else {
        Some(
            check(
                &service,
                &events,
                &tally,
                Duration::from_secs_f64(cli.outbox_within),
            )
            .await?,
        )
    };
    report(&cli, &tally, findings.as_ref());
    let ok = findings.is_none_or(|findings| findings.faults.is_empty());
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line a second on the standard error, so that the standard output stays the result.
async fn progress_line(progress: Arc<Progress>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut before = 0;
    for second in 0_u64.. {
        ticks.tick().await;
        let answered = progress.answered.load(Ordering::Relaxed);
        eprintln!(
            "{second:>4} s  {:>7}/s  {answered:>9} answered  {:>9} accepted  {:>5} failed",
            answered - before,
            progress.accepted.load(Ordering::Relaxed),
            progress.failed.load(Ordering::Relaxed)
        );
        before = answered;
    }
}

fn report(cli: &Cli, tally: &Tally, findings: Option<&Findings>) {
    if cli.json {
        let mut document = tally.json();
        document["connections"] = json!(cli.connections);
        document["rate"] = json!(cli.rate);
        document["hot_events"] = json!(cli.hot_events);
        document["check"] = findings.map_or(serde_json::Value::Null, Findings::json);
        println!("{document}");
        return;
    }
    println!(
        "{} requests in {:.2} s: {:.0}/s; latency p50 {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
        tally.latency.len(),
        tally.elapsed.as_secs_f64(),
        tally.per_second(),
        tally.millis(50.0),
        tally.millis(90.0),
        tally.millis(99.0),
        tally.millis(99.9),
        tally.latency.max() as f64 / 1000.0
    );
    for (outcome, count) in &tally.outcomes {
        println!("{count:>9}  {outcome}");
    }
    let Some(findings) = findings else { return };
    println!(
        "check: {} seats sold by the counters, {} in confirmed bookings, {} counted by the clients; outbox empty after {:?}",
        findings.sold, findings.confirmed, findings.counted, findings.outbox_empty_after
    );
    for fault in findings.faults.iter().take(20) {
        println!("FAULT: {fault}");
    }
    println!(
        "{}",
        if findings.faults.is_empty() {
            "check passed"
        } else {
            "check FAILED"
        }
    );
}
