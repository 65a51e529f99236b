//! `cargo xtask deploy`: the files of `deploy/` read by the programs they are written for, or by their official schemas.

mod aws;
mod chart;
mod compose;
mod contents;
mod files;
mod foreign;
mod grafana;
mod http;
mod images;
mod machine;
mod metrics;
mod monitoring;
mod pipelines;
mod process;
mod prometheus;
mod routes;
mod settings;
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
    #[arg(long, required_unless_present_any = ["render", "contents"])]
    check: bool,

    /// Write the plain manifests of `deploy/k8s` anew, after a change of the chart.
    #[arg(long, conflicts_with = "check")]
    render: bool,

    /// Write a list of what each image is made of (SBOM, CycloneDX) into this folder.
    #[arg(long, conflicts_with_all = ["check", "render"], value_name = "DIR")]
    contents: Option<PathBuf>,

    /// Only this part; may be given several times.
    #[arg(long = "part", requires = "check", value_name = "NAME", value_enum)]
    parts: Vec<Part>,

    /// The folder of the built programs that servers are tried with; without it, they are built.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
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
    /// The CloudFormation templates.
    Templates,
    /// The Dockerfiles.
    Dockerfiles,
    /// The pipelines of GitHub and GitLab.
    Pipelines,
    /// The unit of systemd.
    Machine,
    /// Rules and dashboards on a real Prometheus that scrapes a `myevents` under load.
    Metrics,
    /// The settings of Compose and the chart, read by the programs.
    Settings,
    /// Which path goes where, through a real nginx.
    Routes,
    /// The CloudFormation templates, created on moto, and the programs on their tables and queue.
    Stacks,
    /// The images, built from the programs and run.
    Images,
}

impl Part {
    /// Those that only read.
    const READING: [Self; 7] = [
        Self::Monitoring,
        Self::Compose,
        Self::Chart,
        Self::Templates,
        Self::Dockerfiles,
        Self::Pipelines,
        Self::Machine,
    ];
    /// Those that start servers, `myevents` among them.
    const RUNNING: [Self; 5] = [
        Self::Metrics,
        Self::Settings,
        Self::Routes,
        Self::Stacks,
        Self::Images,
    ];

    fn title(self) -> String {
        let name = self.to_possible_value();
        format!("deploy: {}", name.as_ref().map_or("", |value| value.get_name()))
    }

    fn check(self, programs: &dyn Fn() -> Result<PathBuf>) -> Result<()> {
        let program = || Ok::<_, anyhow::Error>(programs()?.join("myevents"));
        match self {
            Self::Monitoring => monitoring::check(),
            Self::Compose => compose::check(),
            Self::Chart => chart::check(),
            Self::Templates => aws::lint(),
            Self::Dockerfiles => images::lint(),
            Self::Pipelines => pipelines::check(),
            Self::Machine => machine::check(),
            Self::Metrics => metrics::check(&program()?),
            Self::Settings => settings::check(&programs()?),
            Self::Routes => routes::check(&program()?),
            Self::Stacks => aws::check(&programs()?),
            Self::Images => images::check(&programs()?),
        }
    }
}

impl Deploy {
    pub(crate) fn run(self) -> Result<()> {
        if let Some(folder) = &self.contents {
            // Nothing else, so that a pipeline has it in a minute.
            tools::PYTHON.install(&|line| println!("--- {line}"))?;
            return contents::write(folder);
        }
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
        let programs = || self.programs.clone().map_or_else(built, Ok);
        for part in chosen {
            parts.part(&part.title(), || part.check(&programs));
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
                part.check(&tested)?;
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

/// The folder of the programs, built as the tests build them.
fn built() -> Result<PathBuf> {
    let mut build = shell::cargo(&["build", "--quiet", "--workspace", "--all-features"]);
    build.args([
        "--bin",
        "myevents",
        "--bin",
        "eventservice",
        "--bin",
        "bookingservice",
    ]);
    shell::run(build)?;
    tested()
}

/// The folder of the programs that the tests have left. A build without the tests would choose other features and begin anew.
fn tested() -> Result<PathBuf> {
    let folder = shell::target().join("debug");
    folder
        .canonicalize()
        .with_context(|| format!("no {}", folder.display()))
}
