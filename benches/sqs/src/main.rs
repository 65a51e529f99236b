//! SQS's figures: ours beside the bare SDK with the same promise, on an ElasticMQ of this run's own that keeps messages on
//! disk.
//!
//! Rounds alternate in their order; the answer is the median of the paired ratios with a 90 % bootstrap interval.
#![allow(
    clippy::print_stdout,
    reason = "a command line tool talks through its standard output"
)]

mod bare;
mod ours;
#[path = "../../figures/src/stats.rs"]
mod stats;

use anyhow::{Result, ensure};
use clap::Parser;
use myevents_adapters::sqs::aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use myevents_adapters::sqs::aws_sdk_sqs::{Client, Config};
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::ports::{Clock as _, IdSource as _, RandomIds, SystemClock};
use myevents_servers::{Kind, Server};

use bare::Bare;
use ours::Ours;
use stats::{bootstrap, median};

/// How many requests of a kind each side has open at once.
pub(crate) const OPEN: usize = 8;

/// Measures SQS's figures: send all, then receive and delete all.
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

fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(http);
    Client::from_conf(config.build())
}

/// What a pair came to, as a line of the table.
fn line(what: &str, reach: f64, than: &str, ours: &[f64], theirs: &[f64]) -> String {
    let ratios: Vec<f64> = ours
        .iter()
        .zip(theirs)
        .map(|(ours, theirs)| ours / theirs)
        .collect();
    let ratio = bootstrap(&ratios);
    let met = if ratio.median >= reach {
        "reached"
    } else {
        "**missed**"
    };
    format!(
        "| {what} | ≥ {reach} {than} | {ratio}, {:.0}/s beside {:.0}/s | {met} |",
        median(ours),
        median(theirs)
    )
}

/// Messages a second, sent and then received and deleted.
#[derive(Debug, Default)]
struct Rates {
    sent: Vec<f64>,
    taken: Vec<f64>,
    both: Vec<f64>,
}

impl Rates {
    fn add(&mut self, count: usize, (send, take): (f64, f64)) {
        let count = count as f64;
        self.sent.push(count / send);
        self.taken.push(count / take);
        self.both.push(count / (send + take));
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let server = Server::start(Kind::Sqs)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let lines = runtime.block_on(measure(&cli, server.url()))?;
    println!("\n| what | reach | measured | |\n|---|---|---|---|");
    for line in lines {
        println!("{line}");
    }
    drop(server);
    Ok(())
}

async fn measure(cli: &Cli, endpoint: &str) -> Result<Vec<String>> {
    let rounds = cli.rounds.unwrap_or(if cli.quick { 2 } else { 9 });
    let count = cli.messages.unwrap_or(if cli.quick { 200 } else { 3_000 });
    ensure!(count >= 10, "at least one batch");
    let mut lines = Vec::new();
    for end in ["", ".fifo"] {
        let what = if end.is_empty() { "standard" } else { "FIFO" };
        let ours = Ours::new(&client(endpoint), &format!("ours{end}")).await?;
        let batches = Bare::new(client(endpoint), &format!("batches{end}"), 10, OPEN).await?;
        let single = Bare::new(client(endpoint), &format!("single{end}"), 1, OPEN).await?;
        let lonely = Bare::new(client(endpoint), &format!("lonely{end}"), 1, 1).await?;
        let (mut by_us, mut by_ten) = (Rates::default(), Rates::default());
        let (mut by_one, mut in_turn) = (Rates::default(), Rates::default());
        for round in 0..rounds {
            // Not measured: a server that has just started is slow.
            if round == 0 {
                ours.round(messages(200)).await?;
                batches.round(messages(200)).await?;
            }
            if round % 2 == 0 {
                by_us.add(count, ours.round(messages(count)).await?);
                by_ten.add(count, batches.round(messages(count)).await?);
            } else {
                by_ten.add(count, batches.round(messages(count)).await?);
                by_us.add(count, ours.round(messages(count)).await?);
            }
            // Fewer suffice: they take several times as long.
            by_one.add(count / 3, single.round(messages(count / 3)).await?);
            in_turn.add(count / 10, lonely.round(messages(count / 10)).await?);
            println!(
                "{what}, round {}: {:.0}/s beside {:.0}/s in tens, {:.0}/s one by one with {OPEN} open, and {:.0}/s one after another",
                round + 1,
                by_us.both[round],
                by_ten.both[round],
                by_one.both[round],
                in_turn.both[round]
            );
        }
        let tens = "of the bare SDK with batches of 10";
        for (step, ours, theirs) in [
            ("send", &by_us.sent, &by_ten.sent),
            ("receive and delete", &by_us.taken, &by_ten.taken),
            ("send, receive, delete", &by_us.both, &by_ten.both),
        ] {
            lines.push(line(&format!("{what} queue: {step}"), 0.9, tens, ours, theirs));
        }
        let what = format!("{what} queue: send, receive, delete");
        let ones = format!("× the bare SDK one by one, {OPEN} requests open");
        lines.push(line(&what, 5.0, &ones, &by_us.both, &by_one.both));
        let ones = "× the bare SDK one by one, one after another";
        lines.push(line(&what, 5.0, ones, &by_us.both, &in_turn.both));
    }
    Ok(lines)
}
