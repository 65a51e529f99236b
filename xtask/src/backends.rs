//! `cargo xtask backends up|down|status`: the real servers that tests and people share, started so that they stay.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use myevents_servers::Kind;
use myevents_servers::shared::{self, Status};

/// Run the real servers behind the backends as ordinary processes: no container engine is needed.
///
/// What is missing is installed first: downloads go to ~/.cache/myevents/servers, RabbitMQ comes by apt-get.
/// Data are kept in target/backends/NAME from one start to the next.
#[derive(Debug, Args)]
pub(crate) struct Backends {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start servers so that they stay, and print how to name them. Those that run are left alone.
    Up {
        /// Which: mongodb, dynamodb, amqp, kafka, sqs, sns, smtp or all. Without any, those that the tests need.
        #[arg(value_name = "NAME", value_parser = names)]
        which: Vec<Names>,
    },
    /// Stop all that `up` started; their data stay.
    Down,
    /// Say for each whether it runs and answers.
    Status,
}

/// What one word on the command line stands for.
#[derive(Debug, Clone)]
struct Names(Vec<Kind>);

fn names(word: &str) -> Result<Names> {
    if word == "all" {
        return Ok(Names(Kind::ALL.to_vec()));
    }
    Ok(Names(vec![word.parse()?]))
}

impl Backends {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Up { which } => {
                let mut kinds: Vec<Kind> = which.into_iter().flat_map(|names| names.0).collect();
                if kinds.is_empty() {
                    kinds.extend(Kind::NEEDED);
                }
                kinds.sort();
                kinds.dedup();
                up(&kinds)
            }
            Command::Down => down(),
            Command::Status => {
                status();
                Ok(())
            }
        }
    }
}

fn up(kinds: &[Kind]) -> Result<()> {
    let mut started = Vec::new();
    let mut failed = Vec::new();
    for kind in kinds {
        let start = Instant::now();
        match shared::up(*kind, &|line| println!("{line}")) {
            Ok(url) => {
                println!("{kind}: {url} after {:.1} s", start.elapsed().as_secs_f64());
                started.push((kind, url));
            }
            Err(error) => {
                println!("{kind}: FAILED: {error:#}");
                failed.push(kind.word());
            }
        }
    }
    println!();
    for (kind, url) in started {
        println!("export {}={url}", kind.environment());
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("did not start: {}", failed.join(", "))
}

fn down() -> Result<()> {
    let mut failed = Vec::new();
    for kind in Kind::ALL {
        match shared::down(kind) {
            Ok(true) => println!("{kind}: stopped"),
            Ok(false) => {}
            Err(error) => {
                println!("{kind}: FAILED: {error:#}");
                failed.push(kind.word());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("did not stop: {}", failed.join(", "))
}

fn status() {
    for kind in Kind::ALL {
        let word = kind.word();
        match shared::status(kind) {
            Status::Named { url, fault } => {
                println!("{word:<9} {url} ({}), {}", kind.environment(), answers(fault));
            }
            Status::Up { url, pid, fault } => println!("{word:<9} {url} (process {pid}), {}", answers(fault)),
            Status::Down { installed: true } => println!("{word:<9} not started"),
            Status::Down { installed: false } => println!("{word:<9} not started, not installed"),
        }
    }
}

fn answers(fault: Option<String>) -> String {
    fault.map_or_else(
        || "answers".to_owned(),
        |fault| format!("DOES NOT ANSWER: {fault}"),
    )
}
