//! RabbitMQ's figures: ours beside bare `lapin` with the same promise, and the two services beside `myevents` with its
//! `local` broker, on a real RabbitMQ of this run's own.
//!
//! Rounds alternate in their order; the answer is the median of the paired ratios with a 90 % bootstrap interval.
#![allow(
    clippy::print_stdout,
    reason = "a command line tool talks through its standard output"
)]

mod backlog;
mod bare;
mod bookable;
mod consume;
mod emit;
#[path = "../../figures/src/machine.rs"]
#[allow(dead_code, reason = "figures uses the rest of it")]
mod machine;
#[path = "../../figures/src/stats.rs"]
mod stats;
mod whole;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use loadtest::program::{Program, Running};
use loadtest::single::Single;
use myevents_adapters::amqp::{AmqpConfig, AmqpUrl};
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::ports::{Clock as _, IdSource as _, RandomIds, SystemClock};
use myevents_servers::{Kind, Server};
use tempfile::TempDir;

use stats::{bootstrap, median};

/// Measures RabbitMQ's figures.
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
    /// Seconds of load of each side of a round of the whole system.
    #[arg(long)]
    seconds: Option<f64>,
    /// Where the three programs are.
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// Only these: emit, consume, backlog, whole, bookable.
    only: Vec<String>,
}

/// How much is measured.
pub(crate) struct Sizes {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) messages: usize,
    pub(crate) seconds: f64,
    programs: PathBuf,
}

/// The routing name of all messages of these figures.
pub(crate) const NAME: &str = "event.booked";

/// One size for all: a body of about 256 bytes, one of 1,000 keys.
pub(crate) fn messages(count: usize) -> Vec<Envelope> {
    let text = "x".repeat(200);
    (0..count)
        .map(|number| {
            Envelope::builder(
                RandomIds.message_id(),
                MessageName::from_static(NAME),
                format!("{:024x}", number % 1_000),
            )
            .time(SystemClock.now())
            .header("source", "/bookingservice")
            .body(format!(r#"{{"eventId":"{number:024x}","text":"{text}"}}"#))
            .build()
        })
        .collect()
}

/// The settings of a queue of its own.
pub(crate) fn config(url: &str, queue: &str) -> Result<AmqpConfig> {
    let mut config = AmqpConfig::new(vec![AmqpUrl::parse(url)?], "figures", queue);
    config.exchange = queue.to_owned();
    Ok(config)
}

impl Sizes {
    /// The two services joined by the broker at `url`, started.
    pub(crate) async fn services(&self, url: &str, folder: &TempDir) -> Result<[(Single, Running); 2]> {
        let start = async |name: &str| -> Result<(Single, Running)> {
            let place = folder.path().join(name);
            std::fs::create_dir(&place)?;
            // A program of the same folder, whatever its name.
            let sibling = self.programs.canonicalize()?.join("myevents");
            let sibling = sibling.to_str().context("a path that is text")?;
            let mut single = Single::beside(sibling, name, &place)?;
            for (name, value) in [("AMQP_BROKER_URL", url), ("RUST_LOG", "warn")] {
                single.environment.push((name.to_owned(), value.to_owned()));
            }
            let running = single.start_ready().await?;
            Ok((single, running))
        };
        Ok([start("eventservice").await?, start("bookingservice").await?])
    }

    /// `myevents` with its `local` broker, started.
    pub(crate) async fn one_program(&self, folder: &TempDir) -> Result<(Program, Running)> {
        let mut program = Program::new(self.programs.join("myevents"), folder.path().join("data"));
        program
            .environment
            .push(("RUST_LOG".to_owned(), "warn".to_owned()));
        let running = program.start_ready().await?;
        Ok((program, running))
    }
}

/// What pairs came to, as a line of the table.
pub(crate) fn line(what: &str, reach: f64, of: &str, ours: &[f64], bare: &[f64]) -> String {
    let ratios: Vec<f64> = ours.iter().zip(bare).map(|(ours, bare)| ours / bare).collect();
    let ratio = bootstrap(&ratios);
    let met = if ratio.median >= reach {
        "reached"
    } else {
        "**missed**"
    };
    format!(
        "| {what} | ≥ {reach} of {of} | {ratio}, {:.0}/s beside {:.0}/s | {met} |",
        median(ours),
        median(bare)
    )
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    for program in ["myevents", "eventservice", "bookingservice"] {
        let program = cli.programs.join(program);
        ensure!(
            program.exists(),
            "{} is not there: `cargo build --release` it, or say where it is with --programs",
            program.display()
        );
    }
    let server = Server::start(Kind::Amqp)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    println!("{}", machine::describe());
    let url = server.url().to_owned();
    let lines = runtime.block_on(measure(&cli, &url))?;
    println!("\n| what | reach | measured | |\n|---|---|---|---|");
    for line in lines {
        println!("{line}");
    }
    drop(server);
    Ok(())
}

async fn measure(cli: &Cli, url: &str) -> Result<Vec<String>> {
    let sizes = Sizes {
        quick: cli.quick,
        rounds: cli.rounds.unwrap_or(if cli.quick { 2 } else { 9 }),
        messages: cli.messages.unwrap_or(if cli.quick { 5_000 } else { 100_000 }),
        seconds: cli.seconds.unwrap_or(if cli.quick { 1.0 } else { 5.0 }),
        programs: cli.programs.clone(),
    };
    let wanted = |name: &str| cli.only.is_empty() || cli.only.iter().any(|only| only == name);
    let mut lines = Vec::new();
    if wanted("emit") {
        lines.extend(emit::measure(url, &sizes).await?);
    }
    if wanted("consume") {
        lines.push(consume::measure(url, &sizes).await?);
    }
    if wanted("backlog") {
        lines.push(backlog::measure(url, &sizes).await?);
    }
    if wanted("whole") {
        lines.extend(whole::measure(url, &sizes).await?);
    }
    if wanted("bookable") {
        lines.extend(bookable::measure(url, &sizes).await?);
    }
    Ok(lines)
}

/// Measures both sides in turns, in alternating order.
pub(crate) async fn paired(
    what: &str,
    rounds: usize,
    mut ours: impl AsyncFnMut() -> Result<f64>,
    mut bare: impl AsyncFnMut() -> Result<f64>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut all_ours, mut all_bare) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let before = machine::Ticks::read(&[]);
        let this = [std::process::id()];
        let begun = whole::used(&this)?;
        let (one, other, between) = if round % 2 == 0 {
            let one = ours().await?;
            let between = whole::used(&this)?;
            (one, bare().await?, between)
        } else {
            let other = bare().await?;
            let between = whole::used(&this)?;
            (ours().await?, other, between)
        };
        let parts = (between - begun, whole::used(&this)? - between);
        let (own, others_own) = if round % 2 == 0 { parts } else { (parts.1, parts.0) };
        // The broker and the services count as others here.
        let others = machine::Ticks::read(&[]).others_since(before);
        println!(
            "{what}, round {}: {one:.0}/s beside {other:.0}/s, ratio {:.3}, {own:.0} ms of this process's own beside \
             {others_own:.0} ms, other processes used {others:.2} cores",
            round + 1,
            one / other
        );
        all_ours.push(one);
        all_bare.push(other);
    }
    Ok((all_ours, all_bare))
}
