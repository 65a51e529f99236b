//! The table of figures: what is measured, beside which yardstick, and whether it reaches what is asked of it.
//!
//! Every figure is a ratio of two things measured in the same rounds on the same machine: the program, and a bare yardstick
//! that does the least any program would have to do. Rounds alternate in their order; the answer is the median of the paired
//! ratios with a 90 % bootstrap interval. A round in which other programs used the machine is repeated.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks through its standard output"
)]

mod bookings;
mod growth;
mod machine;
mod reads;
mod rounds;
mod single;
mod startup;
mod stats;
mod yardstick;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use rounds::Settings;

/// Measures the table of figures.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Few and short rounds: shows that everything runs, not what it reaches.
    #[arg(long)]
    quick: bool,
    /// Rounds of each figure.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each side of a round.
    #[arg(long)]
    seconds: Option<f64>,
    /// The program to measure.
    #[arg(long, default_value = "target/release/myevents")]
    program: PathBuf,
    /// Only figures whose group has one of these words: reads, bookings, single, startup, growth.
    only: Vec<String>,
    #[command(subcommand)]
    yardstick: Option<Hidden>,
}

#[derive(Debug, Subcommand)]
enum Hidden {
    /// One of the programs that the figures are held against.
    #[command(hide = true)]
    Yardstick(yardstick::Yardstick),
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: String,
    /// What it came to.
    pub(crate) got: String,
    /// What is asked of it.
    pub(crate) reach: String,
    /// Whether it reaches that.
    pub(crate) met: bool,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Some(Hidden::Yardstick(yardstick)) = cli.yardstick {
        return yardstick.run();
    }
    // The generator shares the cores with what it measures: one thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(&cli))
}

async fn measure(cli: &Cli) -> Result<()> {
    if !cli.program.exists() {
        bail!(
            "{} is not there: build it, or say where it is with --program",
            cli.program.display()
        );
    }
    let settings = Settings {
        program: cli.program.clone(),
        quick: cli.quick,
        rounds: cli.rounds.unwrap_or(if cli.quick { 2 } else { 9 }),
        seconds: cli.seconds.unwrap_or(if cli.quick { 1.0 } else { 5.0 }),
    };
    println!("{}", machine::describe());
    let wanted = |group: &str| cli.only.is_empty() || cli.only.iter().any(|word| word == group);
    let mut figures = Vec::new();
    if wanted("reads") {
        figures.extend(reads::measure(&settings).await?);
    }
    if wanted("bookings") {
        figures.extend(bookings::measure(&settings).await?);
    }
    if wanted("single") {
        figures.extend(single::measure(&settings).await?);
    }
    if wanted("startup") {
        figures.extend(startup::measure(&settings).await?);
    }
    if wanted("growth") {
        figures.extend(growth::measure(&settings).await?);
    }
    println!("\n| what | measured | reach | |\n|---|---|---|---|");
    for figure in &figures {
        let met = if figure.met { "reached" } else { "**missed**" };
        println!("| {} | {} | {} | {met} |", figure.what, figure.got, figure.reach);
    }
    if cli.quick {
        println!("\nQuick rounds: they show that everything runs, not what it reaches.");
    }
    Ok(())
}
