//! Programs that run for the time of a check, each with its output in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::http;

/// One of them; it ends with the value.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it and waits until `path` at `port` answers 200.
    ///
    /// # Errors
    /// When it can't be started, ends, or does not answer within a minute; what it said last is in the message.
    pub(super) fn start(mut command: Command, log: &Path, port: u16, path: &str) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut running = Self {
            child,
            log: log.to_owned(),
        };
        let start = Instant::now();
        while !http::get(port, path).is_ok_and(|answer| answer.status == 200) {
            if running.child.try_wait()?.is_some() || start.elapsed() > Duration::from_secs(60) {
                bail!("{name} does not answer at port {port}:\n{}", running.said());
            }
            thread::sleep(Duration::from_millis(50));
        }
        if running.child.try_wait()?.is_some() {
            bail!(
                "{name} has ended, and another answers at port {port}:\n{}",
                running.said()
            );
        }
        Ok(running)
    }

    /// What it said last.
    pub(super) fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended by itself is what was wanted.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
