//! `cargo xtask fuzz`: builds the targets of `fuzz/` and runs them for a while.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::shell;

/// Give every decoder any bytes, and see what holds.
///
/// What is found is kept in `target/fuzz`; a run begins with it and with `fuzz/seeds`.
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// How long all targets run together, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,

    /// Only these targets.
    targets: Vec<String>,
}

impl Fuzz {
    pub(crate) fn run(self) -> Result<()> {
        let seeds = shell::root().join("fuzz/seeds");
        let mut targets = self.targets;
        if targets.is_empty() {
            for folder in fs::read_dir(&seeds)? {
                targets.push(folder?.file_name().to_string_lossy().into_owned());
            }
            targets.sort();
        }
        build()?;
        let each = (self.seconds / targets.len() as u64).max(1);
        let (mut total, mut broken) = (0, Vec::new());
        for target in &targets {
            let (executions, ended_well) = fuzz(target, &seeds.join(target), each)?;
            println!("{executions:>12} executions  {target}");
            total += executions;
            if !ended_well {
                broken.push(target.as_str());
            }
        }
        println!("{total:>12} executions in all");
        if !broken.is_empty() {
            bail!("found something: {} (see target/fuzz)", broken.join(", "));
        }
        if total == 0 {
            bail!("nothing was executed");
        }
        Ok(())
    }
}

/// The minute of every run of all tests, after which the drivers are built.
///
/// # Errors
/// When a target breaks.
pub(crate) fn of_ci() -> Result<()> {
    println!("--- fuzzing");
    let start = std::time::Instant::now();
    let all = Fuzz {
        seconds: 60,
        targets: Vec::new(),
    };
    all.run()?;
    println!("--- fuzzing ok in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// With all features of the workspace, as then the drivers are those that the tests have built.
fn build() -> Result<()> {
    let mut command = shell::cargo(&[
        "build",
        "--quiet",
        "--workspace",
        "--all-features",
        "--bin",
        "fuzz",
    ]);
    // Our own crates are other ones than the tests'.
    command.env("RUSTC_WORKSPACE_WRAPPER", shell::root().join("fuzz/rustc"));
    shell::run(command)
}

/// How many inputs were tried, and whether all held.
fn fuzz(target: &str, seeds: &Path, seconds: u64) -> Result<(u64, bool)> {
    let folder = shell::target().join("fuzz").join(target);
    let found = folder.join("corpus");
    fs::create_dir_all(&found)?;
    let output = Command::new(shell::target().join("debug/fuzz"))
        .env("FUZZ_TARGET", target)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .args([
            "-print_final_stats=1",
            "-max_len=4096",
            "-timeout=120",
            "-rss_limit_mb=4096",
        ])
        .args([found.as_path(), seeds])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start the target {target}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("{said}");
    }
    let executions = executions(&said);
    Ok((
        executions.unwrap_or_default(),
        output.status.success() && executions.is_some(),
    ))
}

fn executions(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn executions_are_read_from_what_libfuzzer_says_last() {
        let said = "#5 DONE cov: 3\nstat::number_of_executed_units: 1234\nstat::peak_rss_mb: 30\n";
        assert_eq!(super::executions(said), Some(1234));
        assert_eq!(super::executions("panicked"), None);
    }
}
