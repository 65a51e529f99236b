//! Running other programs: from the workspace root, shown before they start, timed, their failure an error.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    myevents_servers::shared::target()
}

/// `cargo` with these arguments, from the workspace root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Runs it with its output shown.
///
/// # Errors
/// When it cannot be started or exits with another status than 0.
pub(crate) fn run(mut command: Command) -> Result<()> {
    println!("$ {}", shown(&command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{}`", command.get_program().to_string_lossy()))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(&command));
    }
    Ok(())
}

/// Runs it and answers what it printed.
///
/// # Errors
/// As [`run`]; what it said on its standard error is in the message.
pub(crate) fn read(mut command: Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", command.get_program().to_string_lossy()))?;
    if !output.status.success() {
        bail!(
            "`{}` ended with {}: {}",
            shown(&command),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let mut words = vec!["cargo".to_owned()];
    let program = command.get_program().to_string_lossy();
    if !program.ends_with("cargo") {
        words = vec![program.into_owned()];
    }
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// The parts of one command, each timed; the first failure ends it unless told to go on.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    done: Vec<(String, Duration, bool)>,
    failures: Vec<String>,
}

impl Parts {
    /// Runs one part and notes how long it took. A failure is kept for [`Parts::finish`]; later parts still run,
    /// so that one run shows all that is wrong.
    pub(crate) fn part(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        println!("--- {name}");
        let start = Instant::now();
        let outcome = work();
        let took = start.elapsed();
        if let Err(error) = &outcome {
            println!("--- {name} FAILED after {:.1} s: {error:#}", took.as_secs_f64());
            self.failures.push(format!("{name}: {error:#}"));
        } else {
            println!("--- {name} ok in {:.1} s", took.as_secs_f64());
        }
        self.done.push((name.to_owned(), took, outcome.is_ok()));
    }

    /// Prints the parts with their times.
    ///
    /// # Errors
    /// When any part failed.
    pub(crate) fn finish(self) -> Result<()> {
        println!("--- parts");
        for (name, took, ok) in &self.done {
            println!(
                "{:>8.1} s  {}  {name}",
                took.as_secs_f64(),
                if *ok { "ok    " } else { "FAILED" }
            );
        }
        if self.failures.is_empty() {
            return Ok(());
        }
        bail!(
            "{} of {} parts failed:\n{}",
            self.failures.len(),
            self.done.len(),
            self.failures.join("\n")
        )
    }
}
