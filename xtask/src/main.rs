//! The repository's own commands; people and the build machine call the same ones.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks through its standard output"
)]

mod again;
mod backends;
mod bench;
mod deploy;
mod fuzz;
mod lanes;
mod layering;
mod lint;
mod loadtest;
mod page;
mod programs;
mod run;
mod servers;
mod shell;
mod skips;
mod suites;
mod test;
mod tools;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The repository's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build `myevents` if needed and start it with some demo events; Ctrl-C stops it.
    Run(run::Run),
    /// Run every test that can run on this machine, then say what was skipped and why.
    Test(test::Test),
    /// Start, stop and list the real servers that tests talk to.
    Backends(backends::Backends),
    /// Check format, lints, docs, licences, features, layering and packaging.
    Lint(lint::Lint),
    /// Build the page that `myevents` embeds, or check its sources.
    Page(page::Page),
    /// Check what is in `deploy/`: rules, dashboards, charts, templates, pipelines.
    Deploy(deploy::Deploy),
    /// Give every decoder any bytes for a while.
    Fuzz(fuzz::Fuzz),
    /// Measure: the micro-benchmarks and the table of figures.
    Bench(bench::Bench),
    /// Compare the table of cases by broker in the docs with what the suites found, or write it.
    Suites(suites::Suites),
    /// Put load on a running service and check afterwards that nothing was lost, doubled or oversold.
    Loadtest(loadtest::Loadtest),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(run) => run.run(),
        Command::Test(test) => test.run(),
        Command::Backends(backends) => backends.run(),
        Command::Lint(lint) => lint.run(),
        Command::Page(page) => page.run(),
        Command::Deploy(deploy) => deploy.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Bench(bench) => bench.run(),
        Command::Suites(suites) => suites.run(),
        Command::Loadtest(loadtest) => loadtest.run(),
    }
}
