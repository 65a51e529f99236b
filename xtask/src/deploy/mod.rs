//! `cargo xtask deploy`: every file of `deploy/` read by the program it is written for, or by its official schema.

mod chart;
mod compose;
mod files;
mod http;
mod metrics;
mod monitoring;
mod process;
mod routes;
mod tools;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::shell::{self, Parts};
use crate::skips;

/// Check what is in `deploy/`: each file is read by the program it is written for, or by its official schema.
///
/// What does the reading (Prometheus, nginx, helm, Python packages, …) is installed first: by apt-get, or into
/// ~/.cache/myevents/tools. `cargo xtask lint` runs the parts that only read, `cargo xtask test` those that start servers;
/// both skip them where the tools are missing, unless MYEVENTS_REQUIRE=all is set.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Check everything, or the parts that are named.
    #[arg(long, required_unless_present = "render")]
    check: bool,

    /// Write the plain manifests of `deploy/k8s` anew, after a change of the chart.
    #[arg(long, conflicts_with = "check")]
    render: bool,

    /// Only this part; may be given several times.
    #[arg(long = "part", requires = "check", value_name = "NAME", value_enum)]
    parts: Vec<Part>,

    /// The built `myevents` that servers are tried with; without it, it is built.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// What can be checked by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Rules with their tests, dashboards.
    Monitoring,
    /// Compose's file and its settings.
    Compose,
    /// The Helm chart and the manifests made from it.
    Chart,
    /// Rules and dashboards on a real Prometheus that scrapes a `myevents` under load.
    Metrics,
    /// The settings of Compose, read by `myevents`.
    Settings,
    /// Which path goes where, through a real nginx.
    Routes,
}

impl Part {
    /// Those that only read.
    const READING: [Self; 3] = [Self::Monitoring, Self::Compose, Self::Chart];
    /// Those that start servers, `myevents` among them.
    const RUNNING: [Self; 3] = [Self::Metrics, Self::Settings, Self::Routes];

    fn title(self) -> String {
        let name = self.to_possible_value();
        format!("deploy: {}", name.as_ref().map_or("", |value| value.get_name()))
    }

    fn check(self, program: &dyn Fn() -> Result<PathBuf>) -> Result<()> {
        match self {
            Self::Monitoring => monitoring::check(),
            Self::Compose => compose::check(),
            Self::Chart => chart::check(),
            Self::Metrics => metrics::check(&program()?),
            Self::Settings => compose::program_reads_it(&program()?),
            Self::Routes => routes::check(&program()?),
        }
    }
}

impl Deploy {
    pub(crate) fn run(self) -> Result<()> {
        tools::install()?;
        if self.render {
            return chart::render();
        }
        let mut parts = Parts::default();
        let chosen = if self.parts.is_empty() {
            [&Part::READING[..], &Part::RUNNING].concat()
        } else {
            self.parts
        };
        let program = || self.program.clone().map_or_else(built, Ok);
        for part in chosen {
            parts.part(&part.title(), || part.check(&program));
        }
        parts.finish()
    }
}

/// The parts that only read, as parts of `cargo xtask lint`.
pub(crate) fn lint(parts: &mut Parts) {
    for part in Part::READING {
        parts.part(&part.title(), || {
            if !ready(&part.title())? {
                return Ok(());
            }
            part.check(&|| bail!("{} needs no program", part.title()))
        });
    }
}

/// The parts that start servers, after the tests have built the program.
///
/// # Errors
/// When one of them fails.
pub(crate) fn test() -> Result<()> {
    let mut parts = Parts::default();
    for part in Part::RUNNING {
        parts.part(&part.title(), || {
            if ready(&part.title())? {
                part.check(&built)?;
            }
            Ok(())
        });
    }
    parts.finish()
}

/// Whether the tools are there; they are installed where everything has to run.
fn ready(who: &str) -> Result<bool> {
    if skips::required() {
        tools::install()?;
    }
    match tools::missing() {
        None => Ok(true),
        Some(missing) => {
            println!("{who} skipped: {missing} is missing (`cargo xtask deploy --check` installs it)");
            Ok(false)
        }
    }
}

/// `myevents` as the tests build it, so that nothing is built twice.
fn built() -> Result<PathBuf> {
    shell::run(shell::cargo(&[
        "build",
        "--quiet",
        "--workspace",
        "--all-features",
        "--bin",
        "myevents",
    ]))?;
    let program = shell::target().join("debug/myevents");
    program
        .canonicalize()
        .with_context(|| format!("no {}", program.display()))
}
