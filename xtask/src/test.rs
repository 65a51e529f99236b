//! `cargo xtask test`: every test that can run here with the servers it needs, counted, and what could not run said at the end.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use crate::again::{self, Program};
use crate::deploy;
use crate::fuzz;
use crate::layering;
use crate::page;
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

    /// Passed on to the test programs, such as part of a test's name.
    #[arg(last = true)]
    rest: Vec<String>,
}

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
        let skipped = skips::fresh();
        let whole = self.packages.is_empty() && self.rest.is_empty();
        if whole {
            suites::forget()?;
        }
        if self.packages.is_empty() || self.packages.iter().any(|package| package == "myevents") {
            // Before the program is built, which embeds it.
            page::ensure_built()?;
            tools::chromium()?;
        }
        let mut command = self.command();
        command.env(skips::FILE, &skipped).arg("--").args(&self.rest);
        // They end with this value, and with this process if it is killed.
        let servers = if self.needs_servers()? {
            Servers::start()
        } else {
            Servers::default()
        };
        command.envs(servers.environment());

        let mut tally = Tally::default();
        let (mut outcome, failures) = tee(command, |line| tally.take(line))?;
        let flaky = if self.strict {
            Vec::new()
        } else {
            again::worth_it(&failures)
        };
        if !flaky.is_empty() {
            outcome = self.once_more(&flaky, &skipped, &servers);
        }
        servers.stop();

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
        if outcome.is_ok() {
            for program in &flaky {
                println!("--- FLAKY, a fault to be found: failed at first, passed alone: {program}");
            }
        }
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
}

impl Test {
    fn command(&self) -> Command {
        let mut command = shell::cargo(&["test", "--no-fail-fast", "--all-features"]);
        if self.packages.is_empty() {
            command.arg("--workspace");
        }
        for package in &self.packages {
            command.args(["-p", package]);
        }
        if self.release {
            command.arg("--release");
        }
        if self.full {
            command.env("MYEVENTS_SCALE", "full");
        }
        command
    }

    /// Runs these programs again, one after the other.
    fn once_more(&self, programs: &[Program], skipped: &Path, servers: &Servers) -> Result<()> {
        for program in programs {
            println!("--- once more, alone: {program}");
            let mut command = self.command();
            command.args(["--test", &program.name]).arg("--").args(&self.rest);
            command.env(skips::FILE, skipped).envs(servers.environment());
            tee(command, |_| ())?.0?;
        }
        Ok(())
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

/// What cargo said of each target that failed.
type Failures = Vec<Result<Program, String>>;

/// Runs it with its output both shown and read line by line: how it ended, and what failed.
fn tee(mut command: Command, mut each: impl FnMut(&str)) -> Result<(Result<()>, Failures)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let output = child.stdout.take().context("no output to read")?;
    let errors = child.stderr.take().context("no output to read")?;
    let reading = thread::spawn(move || -> Result<Failures> {
        let mut failures = Failures::new();
        for line in BufReader::new(errors).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            eprintln!("{line}");
            failures.extend(again::failed(&line));
        }
        Ok(failures)
    });
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        each(&line);
    }
    let failures = reading
        .join()
        .map_err(|_| anyhow!("cargo's words were not read"))??;
    let status = child.wait()?;
    let outcome = if status.success() {
        Ok(())
    } else {
        Err(anyhow!("`cargo test` ended with {status}"))
    };
    Ok((outcome, failures))
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
