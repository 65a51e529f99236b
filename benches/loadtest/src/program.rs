//! The real `myevents` program as a child process: started on its own ports, killed, stopped, started again on the same data.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::service::Service;

/// Where to find the program, what it works on, and where it listens: the same at every start.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub binary: PathBuf,
    /// Its `--data`.
    pub data: PathBuf,
    /// Where it listens.
    pub service: Service,
    /// Where event and booking service listen for themselves too, if they do.
    pub own: Option<[SocketAddr; 2]>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Settings handed over in the environment.
    pub environment: Vec<(String, String)>,
    /// A shell line put before it, such as `ulimit -n 1000;`.
    pub before: String,
}

/// A started program. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Program {
    /// The program at `binary` on fresh ports of this machine.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        let api = free_port();
        let service = Service {
            events: api,
            bookings: api,
            metrics: Some(free_port()),
        };
        Self {
            binary: binary.into(),
            data: data.into(),
            service,
            own: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            before: String::new(),
        }
    }

    /// The same data and settings on other ports.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
            ..Self::new(&self.binary, &self.data)
        }
    }

    /// The same with a fresh port of its own for each service beside the one of both.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn with_own_ports(self) -> Self {
        let own = Some([free_port(), free_port()]);
        Self { own, ..self }
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    /// When the executable cannot be started.
    pub fn start(&self) -> Result<Running> {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(format!("{} exec \"$0\" \"$@\"", self.before))
            .arg(&self.binary)
            .arg("serve");
        command.arg("--data").arg(&self.data);
        command.args(["--listen", &self.service.bookings.to_string()]);
        for (at, flag) in ["--event-listen", "--booking-listen"].into_iter().enumerate() {
            let address = self
                .own
                .map_or_else(|| "none".to_owned(), |own| own[at].to_string());
            command.args([flag, &address]);
        }
        let metrics = self
            .service
            .metrics
            .map_or_else(|| "none".to_owned(), |address| address.to_string());
        command.args(["--metrics-listen", &metrics]).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Running::spawn(command).with_context(|| format!("starting {}", self.binary.display()))
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready within 30 seconds; its log is in the message.
    pub async fn start_ready(&self) -> Result<Running> {
        self.start()?.ready(self.service.bookings).await
    }

    /// Runs a sub-command on the same data to its end: whether it succeeded and all that it printed.
    ///
    /// # Errors
    /// When the executable cannot be started.
    pub fn command(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .arg("--data")
            .arg(&self.data)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let output = command
            .output()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }
}

impl Running {
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let log = Arc::new(Mutex::new(String::new()));
        let readers = [
            collect(child.stdout.take(), &log),
            collect(child.stderr.take(), &log),
        ];
        Ok(Self {
            child,
            log,
            readers: readers.into_iter().flatten().collect(),
        })
    }

    /// Waits until the service at this address, which it is to become, is ready.
    pub(crate) async fn ready(mut self, address: SocketAddr) -> Result<Self> {
        let service = Service {
            events: address,
            bookings: address,
            metrics: None,
        };
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.read_out().await;
                bail!("ended with {status} instead of getting ready:\n{}", self.log());
            }
            if service.wait_ready(Duration::ZERO).await.is_ok() {
                return Ok(self);
            }
            if start.elapsed() > Duration::from_secs(120) {
                bail!("not ready within two minutes:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until the process is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn terminate(&self) -> Result<()> {
        // The shell's own `kill` is everywhere, and sending a signal from here would take unsafe code.
        let sent = Command::new("/bin/sh")
            .args(["-c", &format!("kill -TERM {}", self.id())])
            .status()?;
        if sent.success() {
            Ok(())
        } else {
            bail!("SIGTERM could not be sent")
        }
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// When it still runs after `patience`; its log is in the message.
    pub async fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.read_out().await;
                return Ok(status);
            }
            if start.elapsed() > patience {
                bail!("still running after {patience:?}:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGTERM, then the end; anything but exit status 0 is an error.
    ///
    /// # Errors
    /// When it does not end well within two minutes.
    pub async fn stop(mut self) -> Result<()> {
        self.terminate()?;
        let status = self.wait(Duration::from_secs(120)).await?;
        if status.success() {
            Ok(())
        } else {
            bail!("stopped with {status}:\n{}", self.log())
        }
    }

    /// Waits, once it has ended, until all that it printed is in the log; not for ever, as a child of its own may hold the pipe.
    async fn read_out(&self) {
        let start = Instant::now();
        while !self.readers.iter().all(JoinHandle::is_finished) && start.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until it has printed these words, in letters of either case: all that it printed.
    ///
    /// # Errors
    /// When it has not within a minute; its log is in the message.
    pub async fn log_with(&self, words: &str) -> Result<String> {
        let (start, words) = (Instant::now(), words.to_lowercase());
        while !self.log().to_lowercase().contains(&words) {
            if start.elapsed() > Duration::from_secs(60) {
                bail!("`{words}` was never printed:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(self.log())
    }

    /// All it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// Where `/proc` does not show it.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(Path::new("/proc").join(self.id().to_string()).join("status"))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn collect(output: Option<impl Read + Send + 'static>, log: &Arc<Mutex<String>>) -> Option<JoinHandle<()>> {
    let output = output?;
    let log = Arc::clone(log);
    Some(std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Ok(mut log) = log.lock() {
                log.push_str(&line);
                log.push('\n');
            }
        }
    }))
}

/// A free port below those that the system gives to clients: a client that connects again and again while nobody listens
/// could otherwise be given that very port and end up talking to itself.
pub(crate) fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Far from those of a process that was started just before or after this one, as between here and the child's listening others may
    // take the port.
    let spread = u16::try_from(std::process::id() % 1_100 * 389 % 1_100).unwrap_or(0) * 10;
    for _ in 0..11_000 {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(spread) % 11_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 21_000 + offset));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    unreachable!("one of 11,000 ports is free")
}
