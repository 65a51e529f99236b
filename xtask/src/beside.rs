//! `cargo xtask lint` beside the tests, which leave the processors idle while they wait.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::shell;

/// The lint that runs. It is killed when this is dropped.
pub(crate) struct Lint {
    child: Child,
    /// What it writes into, as the tests write meanwhile.
    log: PathBuf,
}

impl Lint {
    /// Starts it at the lowest priority, so that tests wait for it as little as can be. It shares the folder of what is built, so start it
    /// only when nothing else is to be built soon.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start() -> Result<Self> {
        let log = shell::target().join("lint.txt");
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new("nice")
            .args(["-n", "19"])
            .arg(std::env::current_exe()?)
            .arg("lint")
            .current_dir(shell::root())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start `nice`")?;
        println!("--- lint: begins beside the tests, see {}", log.display());
        Ok(Self { child, log })
    }

    /// Waits for it and shows what it wrote.
    ///
    /// # Errors
    /// When it failed.
    pub(crate) fn finish(mut self) -> Result<()> {
        let start = Instant::now();
        println!("--- lint: waiting for it to end");
        let status = self.child.wait()?;
        println!("{}", fs::read_to_string(&self.log)?);
        println!("--- lint: waited for {:.0} s", start.elapsed().as_secs_f64());
        if !status.success() {
            bail!("lint ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Lint {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
