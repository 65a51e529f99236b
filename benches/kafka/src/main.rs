//! Kafka's figures: ours beside bare `rdkafka` with the same promise, on a real Kafka of this run's own.
//!
//! Rounds alternate in their order; the answer is the median of the paired ratios with a 90 % bootstrap interval.
#![allow(
    clippy::print_stdout,
    reason = "a command line tool talks through its standard output"
)]

mod backlog;
mod consume;
mod emit;
#[path = "../../figures/src/stats.rs"]
mod stats;

use anyhow::Result;
use clap::Parser;
use myevents_adapters::kafka::KafkaConfig;
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::ports::{Clock as _, IdSource as _, RandomIds, SystemClock};
use myevents_servers::{Kind, Server};

use stats::{bootstrap, median};

/// Measures Kafka's figures.
#[derive(Debug, Parser)]
struct Cli {
    /// Few and short rounds: shows that everything runs, not what it reaches.
    #[arg(long)]
    quick: bool,
    /// Rounds of each figure.
    #[arg(long)]
    rounds: Option<usize>,
    /// Messages of each side of a round.
    #[arg(long)]
    messages: Option<usize>,
    /// Only these: emit, consume, backlog.
    only: Vec<String>,
}

/// One size for all: a body of about 256 bytes, one of 1,000 keys.
pub(crate) fn messages(count: usize) -> Vec<Envelope> {
    let text = "x".repeat(200);
    (0..count)
        .map(|number| {
            Envelope::builder(
                RandomIds.message_id(),
                MessageName::from_static("event.booked"),
                format!("{:024x}", number % 1_000),
            )
            .time(SystemClock.now())
            .header("source", "/bookingservice")
            .body(format!(r#"{{"eventId":"{number:024x}","text":"{text}"}}"#))
            .build()
        })
        .collect()
}

/// The settings of a new topic.
pub(crate) fn config(brokers: &str, topic: &str) -> KafkaConfig {
    let mut config = KafkaConfig::new(&[brokers]);
    config.topic = topic.to_owned();
    config
}

/// What a pair came to, as a line of the table.
fn line(what: &str, reach: f64, ours: &[f64], bare: &[f64]) -> String {
    let ratios: Vec<f64> = ours.iter().zip(bare).map(|(ours, bare)| ours / bare).collect();
    let ratio = bootstrap(&ratios);
    let met = if ratio.median >= reach {
        "reached"
    } else {
        "**missed**"
    };
    format!(
        "| {what} | ≥ {reach} of bare rdkafka | {ratio}, {:.0}/s beside {:.0}/s | {met} |",
        median(ours),
        median(bare)
    )
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let server = Server::start(Kind::Kafka)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let brokers = server.url().to_owned();
    let lines = runtime.block_on(measure(&cli, &brokers))?;
    println!("\n| what | reach | measured | |\n|---|---|---|---|");
    for line in lines {
        println!("{line}");
    }
    drop(server);
    Ok(())
}

async fn measure(cli: &Cli, brokers: &str) -> Result<Vec<String>> {
    let rounds = cli.rounds.unwrap_or(if cli.quick { 2 } else { 9 });
    let count = cli.messages.unwrap_or(if cli.quick { 5_000 } else { 100_000 });
    let wanted = |name: &str| cli.only.is_empty() || cli.only.iter().any(|only| only == name);
    let mut lines = Vec::new();
    if wanted("emit") {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        let sides = emit::Sides::new(brokers, messages(count)).await?;
        // Not measured: a server that has just started is slow.
        sides.ours().await?;
        sides.bare().await?;
        for round in 0..rounds {
            if round % 2 == 0 {
                ours.push(sides.ours().await?);
                bare.push(sides.bare().await?);
            } else {
                bare.push(sides.bare().await?);
                ours.push(sides.ours().await?);
            }
            println!(
                "emit, round {}: {:.0}/s beside {:.0}/s",
                round + 1,
                ours[round],
                bare[round]
            );
        }
        lines.push(line("emit `acks=all`, idempotent", 0.9, &ours, &bare));
    }
    if wanted("consume") {
        let (mut ours, mut bare, mut reading) = (Vec::new(), Vec::new(), Vec::new());
        let sides = consume::Sides::new(brokers, messages(count)).await?;
        for round in 0..rounds {
            if round % 2 == 0 {
                ours.push(sides.ours(round).await?);
            }
            bare.push(sides.bare(round, false).await?);
            reading.push(sides.bare(round, true).await?);
            if round % 2 == 1 {
                ours.push(sides.ours(round).await?);
            }
            println!(
                "consume, round {}: {:.0}/s beside {:.0}/s, and {:.0}/s with the records read",
                round + 1,
                ours[round],
                bare[round],
                reading[round]
            );
        }
        let what = "consume with tracked commits, prefetch 256";
        lines.push(line(what, 0.8, &ours, &bare));
        let what = format!("{what}, the bare client reads its records too");
        lines.push(line(&what, 0.8, &ours, &reading));
    }
    if wanted("backlog") {
        lines.push(backlog::measure(brokers, count).await?);
    }
    Ok(lines)
}
