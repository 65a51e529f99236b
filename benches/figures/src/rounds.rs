//! Paired rounds: ours and the yardstick one after the other, in alternating order, again if others used the machine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use loadtest::load::{Plan, Progress, run};
use loadtest::program::{Program, Running};
use loadtest::tally::Tally;

use crate::machine::Ticks;
use crate::stats::{Interval, bootstrap};

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) program: PathBuf,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
}

/// Above this many cores used by others a round does not count.
const OTHERS: f64 = 0.3;

/// How often a round is repeated before it is taken as it is.
const TRIES: usize = 4;

impl Settings {
    /// The program on data of its own, started.
    ///
    /// # Errors
    /// When it does not get ready.
    pub(crate) async fn start(&self, folder: &tempfile::TempDir) -> Result<(Program, Running)> {
        let mut program = Program::new(&self.program, folder.path().join("data"));
        // Logs are not what is measured.
        program
            .environment
            .push(("RUST_LOG".to_owned(), "warn".to_owned()));
        let running = program.start_ready().await?;
        Ok((program, running))
    }

    /// How long one side of a round takes.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// One side of a pair.
pub(crate) trait Side {
    /// Measures once.
    async fn measure(&mut self) -> Result<f64>;
}

/// A closed loop of requests; its measure is requests a second.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) plan: Plan,
    /// What all rounds counted.
    pub(crate) tally: Tally,
}

impl Loop {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            tally: Tally::default(),
        }
    }
}

impl Side for Loop {
    async fn measure(&mut self) -> Result<f64> {
        let tally = run(self.plan.clone(), Arc::new(Progress::default())).await?;
        let mut outcomes = tally.outcomes.keys();
        if let Some(outcome) = outcomes.find(|outcome| !matches!(outcome.as_str(), "ok" | "booked")) {
            anyhow::bail!("a measured request ended with {outcome}");
        }
        let rate = tally.per_second();
        self.tally.add(tally);
        Ok(rate)
    }
}

/// What the rounds of a pair came to.
#[derive(Debug)]
pub(crate) struct Pairs {
    pub(crate) ours: Vec<f64>,
    pub(crate) yardstick: Vec<f64>,
}

impl Pairs {
    /// Ours over the yardstick.
    pub(crate) fn ratio(&self) -> Interval {
        let ratios: Vec<f64> = self
            .ours
            .iter()
            .zip(&self.yardstick)
            .map(|(ours, yardstick)| ours / yardstick)
            .collect();
        bootstrap(&ratios)
    }
}

/// Measures both sides in `settings.rounds` rounds; `children` are the processes that belong to the measurement.
///
/// # Errors
/// When a side fails.
pub(crate) async fn paired(
    what: &str,
    settings: &Settings,
    children: &[u32],
    ours: &mut impl Side,
    yardstick: &mut impl Side,
) -> Result<Pairs> {
    let mut pairs = Pairs {
        ours: Vec::new(),
        yardstick: Vec::new(),
    };
    for round in 0..settings.rounds {
        for attempt in 1..=TRIES {
            let before = Ticks::read(children);
            let (first, second) = if round % 2 == 0 {
                let first = ours.measure().await?;
                (first, yardstick.measure().await?)
            } else {
                let second = yardstick.measure().await?;
                (ours.measure().await?, second)
            };
            let others = Ticks::read(children).others_since(before);
            let again = others > OTHERS && attempt < TRIES && !settings.quick;
            println!(
                "{what}, round {}: ours {first:.1}, yardstick {second:.1}, ratio {:.3}, others used {others:.2} cores{}",
                round + 1,
                first / second,
                if again { ": again" } else { "" }
            );
            if !again {
                pairs.ours.push(first);
                pairs.yardstick.push(second);
                break;
            }
        }
    }
    Ok(pairs)
}
