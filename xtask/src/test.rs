//! `cargo xtask test`: every test that can run here with the servers it needs, counted, and what could not run said at the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use clap::Args;

use crate::again;
use crate::deploy;
use crate::fuzz;
use crate::lanes::{self, Job, Outcome};
use crate::layering;
use crate::page;
use crate::programs::{self, Program};
use crate::servers::Servers;
use crate::shell;
use crate::skips;
use crate::suites;
use crate::tools;

/// Run every test that can run on this machine, then say what was skipped and why.
///
/// A test that cannot run here (no right to mount a file system, no server to talk to) says so and is listed at the end.
/// With MYEVENTS_REQUIRE=all such a skip is a failure.
///
/// Several test programs run at a time (`--jobs`), but for those that load the machine; what each of them wrote is shown when it has ended.
///
/// A machine that is busy may starve a server until a limit of time is over. So a few failed programs that wait for others are
/// run once more, alone; one that passes then is listed as flaky, which is a fault to be found. Not with --strict.
///
/// The servers that tests share are started if they are installed (with MYEVENTS_REQUIRE=all they are installed first) and do
/// not run yet, and stopped at the end. `cargo xtask backends up` keeps them between runs.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The big sizes: 200 kills instead of 20, and the like. The same as MYEVENTS_SCALE=full.
    #[arg(long)]
    full: bool,

    /// Build with optimisation.
    #[arg(long)]
    release: bool,

    /// A test that fails once has failed: no second run of programs that wait for others.
    #[arg(long)]
    strict: bool,

    /// Only this package; may be given several times.
    #[arg(short, long = "package", value_name = "NAME")]
    packages: Vec<String>,

    /// How many test programs run at a time. With --full, where more of them load the machine, one is a good number.
    #[arg(short, long, value_name = "N", default_value_t = 2)]
    jobs: usize,

    /// Only build what would run.
    #[arg(long)]
    no_run: bool,

    /// Passed on to the test programs, such as part of a test's name.
    #[arg(last = true)]
    rest: Vec<String>,
}

const DOCS: &str = "the examples in the docs";

/// What the test programs said about themselves.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    programs: u32,
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        let start = Instant::now();
        let whole = self.packages.is_empty() && self.rest.is_empty();
        if self.packages.is_empty() || self.packages.iter().any(|package| package == "myevents") {
            // Before the program is built, which embeds it.
            page::ensure_built()?;
            tools::chromium()?;
        }
        let programs = programs::build(self.cargo(&self.packages))?;
        println!(
            "--- {} test programs built in {:.0} s",
            programs.len(),
            start.elapsed().as_secs_f64()
        );
        if self.no_run {
            return Ok(());
        }
        let skipped = skips::fresh();
        if whole {
            suites::forget()?;
        }
        // They end with this value, and with this process if it is killed.
        let servers = if self.needs_servers()? {
            Servers::start()
        } else {
            Servers::default()
        };
        let tested = self.test(&programs, &skipped, &servers);
        servers.stop();
        let (tally, outcome) = tested?;

        let reasons = skips::read(&skipped);
        println!(
            "--- skipped on this machine: {}",
            if reasons.is_empty() { "nothing" } else { "" }
        );
        for reason in &reasons {
            println!("  {reason}");
        }
        println!(
            "--- {} tests passed, {} failed, {} skipped, in {} test programs, {:.0} s",
            tally.passed,
            tally.failed,
            reasons.len() + tally.ignored as usize,
            tally.programs,
            start.elapsed().as_secs_f64()
        );
        // Last, as they take the program that the tests have built.
        let deployed = if whole && !self.release {
            deploy::test()
        } else {
            Ok(())
        };
        let fuzzed = if whole { fuzz::of_ci() } else { Ok(()) };
        outcome?;
        deployed?;
        fuzzed?;
        if whole {
            suites::compare()?;
        }
        if tally.passed == 0 {
            bail!("no test ran");
        }
        if skips::required() && (!reasons.is_empty() || tally.ignored > 0) {
            bail!("MYEVENTS_REQUIRE=all, and not everything could run");
        }
        Ok(())
    }

    /// Runs the examples in the docs and the programs, then those again for which that is worth it: what all said, and whether all is well.
    fn test(&self, programs: &[Program], skipped: &Path, servers: &Servers) -> Result<(Tally, Result<()>)> {
        let job = |title: String, mut command: Command, alone: bool| {
            command.env(skips::FILE, skipped).envs(servers.environment());
            if self.full {
                command.env("MYEVENTS_SCALE", "full");
            }
            Job {
                title,
                command,
                alone,
            }
        };
        let of_program = |program: &Program| {
            let mut command = program.command();
            command.args(&self.rest);
            job(program.to_string(), command, program.loads())
        };
        let mut jobs = Vec::new();
        // First, as they need cargo, which anything that builds keeps waiting.
        if let Some(mut docs) = self.docs()? {
            docs.arg("--").args(&self.rest);
            jobs.push(job(DOCS.to_owned(), docs, false));
        }
        jobs.extend(programs.iter().map(of_program));

        let mut tally = Tally::default();
        let (mut failed, mut broken, mut times) = (Vec::new(), Vec::new(), Vec::new());
        let mut missing: BTreeMap<String, &Program> = programs
            .iter()
            .map(|program| (program.to_string(), program))
            .collect();
        lanes::run(jobs, self.jobs, &output("all"), |mut outcome| {
            // One that ended well without a word ran no test.
            if outcome.failure.is_none() && !outcome.output.contains("test result: ") {
                outcome.failure = Some("it said no result".to_owned());
            }
            show(&outcome);
            outcome.output.lines().for_each(|line| tally.take(line));
            times.push((outcome.took, outcome.title.clone()));
            let program = missing.remove(&outcome.title);
            if outcome.failure.is_some() {
                match program {
                    Some(program) => failed.push(program.clone()),
                    None => broken.push(outcome.title),
                }
            }
        })?;
        broken.extend(missing.into_keys());
        times.sort();
        println!("--- the longest");
        for (took, title) in times.iter().rev().take(12) {
            println!("{:>8.1} s  {title}", took.as_secs_f64());
        }

        let mut flaky = Vec::new();
        if !self.strict && broken.is_empty() && again::worth_it(&failed) {
            for program in std::mem::take(&mut failed) {
                println!("--- once more, alone: {program}");
                let mut passed = false;
                lanes::run(vec![of_program(&program)], 1, &output("again"), |outcome| {
                    show(&outcome);
                    passed = outcome.failure.is_none();
                })?;
                if passed {
                    flaky.push(program);
                } else {
                    failed.push(program);
                }
            }
        }
        for program in &flaky {
            println!("--- FLAKY, a fault to be found: failed at first, passed alone: {program}");
        }
        broken.extend(failed.iter().map(Program::to_string));
        let outcome = if broken.is_empty() {
            Ok(())
        } else {
            Err(anyhow!("failed: {}", broken.join(", ")))
        };
        Ok((tally, outcome))
    }

    /// `cargo test` for these packages; for all if none is named.
    fn cargo(&self, packages: &[String]) -> Command {
        let mut command = shell::cargo(&["test", "--all-features"]);
        if packages.is_empty() {
            command.arg("--workspace");
        }
        for package in packages {
            command.args(["-p", package]);
        }
        if self.release {
            command.arg("--release");
        }
        command
    }

    /// What tests the examples in the docs, if there is a library among what was chosen.
    fn docs(&self) -> Result<Option<Command>> {
        let mut libraries = Vec::new();
        if !self.packages.is_empty() {
            libraries = layering::libraries()?;
            libraries.retain(|library| self.packages.contains(library));
            if libraries.is_empty() {
                return Ok(None);
            }
        }
        let mut command = self.cargo(&libraries);
        command.args(["--quiet", "--doc", "--no-fail-fast"]);
        Ok(Some(command))
    }

    /// Whether one of the chosen packages has tests that talk to servers.
    fn needs_servers(&self) -> Result<bool> {
        if self.packages.is_empty() {
            return Ok(true);
        }
        let using = layering::packages_using("myevents-servers")?;
        Ok(self.packages.iter().any(|package| using.contains(package)))
    }
}

/// Where programs write to.
fn output(run: &str) -> PathBuf {
    shell::target().join("test-output").join(run)
}

fn show(outcome: &Outcome) {
    let took = outcome.took.as_secs_f64();
    let how = outcome.failure.as_deref().map_or_else(
        || format!("ok in {took:.1} s"),
        |failure| format!("FAILED after {took:.1} s: {failure}"),
    );
    println!("{}--- {how}: {}", outcome.output, outcome.title);
}

impl Tally {
    /// Adds one line of output, if it is a test program's last word.
    fn take(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else {
            return;
        };
        self.programs += 1;
        let mut previous = 0;
        for word in rest.split_whitespace() {
            match word.trim_end_matches(';') {
                "passed" => self.passed += previous,
                "failed" => self.failed += previous,
                "ignored" => self.ignored += previous,
                other => previous = other.parse().unwrap_or(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_each_test_program_is_counted() {
        let mut tally = Tally::default();
        tally.take("running 3 tests");
        tally.take(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s",
        );
        tally.take("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        assert_eq!(
            tally,
            Tally {
                programs: 2,
                passed: 5,
                failed: 1,
                ignored: 1
            }
        );
    }
}
