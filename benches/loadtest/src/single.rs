//! `eventservice` or `bookingservice` as a child process: its own file and ports, joined to others by a broker.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::program::{Running, free_port};

/// Where to find one of the two services, what it works on, and where it listens: the same at every start.
#[derive(Debug, Clone)]
pub struct Single {
    /// The executable.
    pub binary: PathBuf,
    /// It runs here, and its SQLite file lies here.
    pub folder: PathBuf,
    /// Its API.
    pub address: SocketAddr,
    /// Its metrics.
    pub metrics: SocketAddr,
    /// Further settings, as environment variables.
    pub environment: Vec<(String, String)>,
}

impl Single {
    /// The program `name` that is built beside `sibling`, a program of the same build, on fresh ports and in this folder.
    /// One that was not built yet is built.
    ///
    /// # Errors
    /// When it can't be built.
    ///
    /// # Panics
    /// When no port is free.
    pub fn beside(sibling: &str, name: &str, folder: &Path) -> Result<Self> {
        let binary = Path::new(sibling).with_file_name(name);
        if !binary.exists() {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let built = Command::new(cargo)
                .args(["build", "--quiet", "--package", name])
                .status()?;
            ensure!(built.success() && binary.exists(), "{name} can't be built");
        }
        Ok(Self {
            binary,
            folder: folder.to_owned(),
            address: free_port(),
            metrics: free_port(),
            environment: Vec::new(),
        })
    }

    fn prepared(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder).env_clear();
        command
            .env("LISTEN_URL", self.address.to_string())
            .env("METRICS_URL", self.metrics.to_string())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    /// When the executable cannot be started.
    pub fn start(&self) -> Result<Running> {
        let starting = Running::spawn(self.prepared());
        starting.with_context(|| format!("starting {}", self.binary.display()))
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready within 30 seconds; its log is in the message.
    pub async fn start_ready(&self) -> Result<Running> {
        self.start()?.ready(self.address).await
    }

    /// Starts a sub-command with the same settings and does not wait.
    ///
    /// # Errors
    /// When the executable cannot be started.
    pub fn start_command(&self, arguments: &[&str]) -> Result<Running> {
        let mut command = self.prepared();
        command.args(arguments);
        Running::spawn(command).with_context(|| format!("starting {}", self.binary.display()))
    }

    /// Runs a sub-command with the same settings to its end: whether it succeeded and all that it printed.
    ///
    /// # Errors
    /// When the executable cannot be started.
    pub fn command(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let output = self
            .prepared()
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }
}
