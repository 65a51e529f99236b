//! How each kind of server starts: its files, its command line, and waiting until it is ready.

mod amqp;
mod dynamodb;
mod kafka;
mod mongodb;
mod smtp;
mod sns;
mod sqs;

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{Kind, install, ports, probe, process};

/// How long a server may take until it answers.
const READY: Duration = Duration::from_secs(180);

/// Where one server keeps its files, and where it listens.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) kind: Kind,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    /// Where clients are told to come to, if not to the port.
    pub(crate) front: Option<SocketAddr>,
    /// The port for TLS, of a Kafka that was given [its files](Self::secure).
    tls: Option<u16>,
    /// The server's own files, the same for all of its kind.
    home: PathBuf,
}

/// Whether a server goes with the process that starts it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Session<'a> {
    /// It does: when this process is killed, the server is too, and `remove` is removed.
    Own { remove: Option<&'a Path> },
    /// It stays, also when the terminal closes, once it is ready and [`Running::release`]d.
    Detached,
}

/// A server that was started by this process.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    guard: Option<Child>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Kills it, if it has not ended by itself, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill().context("cannot kill the server")?;
        self.child.wait()?;
        self.release();
        Ok(())
    }

    /// Asks it to end. When it has not within `patience` it is killed, and the answer is false.
    pub(crate) fn stop(mut self, patience: Duration) -> Result<bool> {
        if self.has_ended()?.is_none() {
            process::ask_to_end(self.pid())?;
        }
        let start = Instant::now();
        while self.has_ended()?.is_none() {
            if start.elapsed() > patience {
                self.kill()?;
                return Ok(false);
            }
            thread::sleep(process::TICK);
        }
        self.release();
        Ok(true)
    }

    /// For a server that has ended or is to stay.
    pub(crate) fn release(mut self) {
        if let Some(mut guard) = self.guard.take() {
            // It holds nothing, and if it has ended there is nothing to call off.
            let _ended = guard.kill();
            let _status = guard.wait();
        }
    }
}

impl Site {
    /// The folder is made if it is not there. One that was used before gives the port of then, if that is free.
    pub(crate) fn open(kind: Kind, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // Of a server that somebody else killed.
        clear_up(kind, folder);
        let mut site = Self {
            kind,
            // The servers start in it, so their files cannot be named from elsewhere.
            folder: folder.canonicalize()?,
            port: 0,
            front: None,
            tls: None,
            home: install::home(kind)?,
        };
        match port_of(folder).filter(|port| ports::are_free(*port, kind.ports())) {
            Some(port) => site.port = port,
            None => site.choose_port()?,
        }
        Ok(site)
    }

    /// From its next start it listens for TLS too: at this port.
    #[cfg(feature = "tls")]
    pub(crate) fn secure(&mut self, own: &crate::tls::Pair, clients: &crate::tls::Authority) -> Result<u16> {
        let others = self.port..self.port + self.kind.ports();
        let port = loop {
            let port = ports::free(1)?;
            if !others.contains(&port) {
                break port;
            }
        };
        fs::write(
            self.file(kafka::OWN),
            [own.certificate.as_str(), &own.key].concat(),
        )?;
        fs::write(self.file(kafka::CLIENTS), clients.pem())?;
        self.tls = Some(port);
        Ok(port)
    }

    fn choose_port(&mut self) -> Result<()> {
        self.port = ports::free(self.kind.ports())?;
        Ok(fs::write(self.file("port"), self.port.to_string())?)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What it prints, from all its starts.
    pub(crate) fn output(&self) -> PathBuf {
        self.file("out")
    }

    /// Starts it and waits until it answers, on the port that its users know.
    pub(crate) fn start(&self, session: Session<'_>) -> Result<Running> {
        let mut command = self.command()?;
        command.current_dir(&self.folder);
        let out = OpenOptions::new().create(true).append(true).open(self.output())?;
        let begin = usize::try_from(out.metadata()?.len())?;
        let mut command = in_session(command, session);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", install::product(self.kind)))?;
        let mut running = Running { child, guard: None };
        let remove = match session {
            Session::Own { remove } => remove,
            Session::Detached => None,
        };
        let after = after(self.kind, self.port);
        let outcome = process::guard(running.pid(), remove, after.as_ref()).and_then(|guard| {
            running.guard = Some(guard);
            self.wait_ready(&mut running)
        });
        let Err(error) = outcome else {
            return Ok(running);
        };
        // Nothing may be left of a start that failed.
        running.kill()?;
        self.clear_up();
        let said = fs::read(self.output()).unwrap_or_default();
        let said = said.get(begin..).unwrap_or_default();
        bail!(
            "{} did not start: {error:#}; it said last:\n{}",
            install::product(self.kind),
            process::last_lines(&String::from_utf8_lossy(said))
        )
    }

    /// As [`Site::start`], while nobody knows the port: if somebody took it since it was chosen, another one is.
    pub(crate) fn start_anywhere(&mut self, session: Session<'_>) -> Result<Running> {
        for _ in 0..3 {
            match self.start(session) {
                Err(error) if says_port_is_taken(&format!("{error:#}")) => self.choose_port()?,
                outcome => return outcome,
            }
        }
        self.start(session)
    }

    fn command(&self) -> Result<Command> {
        match self.kind {
            Kind::Mongodb => Ok(mongodb::command(self)),
            Kind::Dynamodb => dynamodb::command(self),
            Kind::Amqp => amqp::command(self),
            Kind::Kafka => kafka::command(self),
            Kind::Sqs => sqs::command(self),
            Kind::Sns => Ok(sns::command(self)),
            Kind::Smtp => smtp::command(self),
        }
    }

    fn wait_ready(&self, running: &mut Running) -> Result<()> {
        let start = Instant::now();
        loop {
            let answer = probe::own(self.kind, self.port);
            // Asked after the question: an answer is another server's when this one has ended.
            if let Some(status) = running.has_ended()? {
                bail!("it ended with {status}");
            }
            match answer {
                Ok(()) => return Ok(()),
                Err(error) if start.elapsed() > READY => {
                    return Err(error.context(format!("not ready in {} s", READY.as_secs())));
                }
                Err(_) => thread::sleep(process::TICK),
            }
        }
    }

    /// See [`clear_up`].
    pub(crate) fn clear_up(&self) {
        run_after(after(self.kind, self.port));
    }
}

/// Ends what a server has left behind that used this folder.
pub(crate) fn clear_up(kind: Kind, folder: &Path) {
    if let Some(port) = port_of(folder) {
        run_after(after(kind, port));
    }
}

/// What is to run after a server has ended, if it leaves something behind.
fn after(kind: Kind, port: u16) -> Option<Command> {
    (kind == Kind::Amqp).then(|| amqp::end_epmd(port))
}

fn run_after(after: Option<Command>) {
    if let Some(mut after) = after {
        // It fails when there is nothing left to end.
        let _nothing_left = after.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// The port of the last start in this folder.
fn port_of(folder: &Path) -> Option<u16> {
    let text = fs::read_to_string(folder.join("port")).ok()?;
    text.trim().parse().ok()
}

/// `java` with the jars of this kind of server and these options.
fn java(site: &Site, options: &[&str]) -> Command {
    let home = site.home.display();
    let mut command = Command::new("java");
    command
        .args(options)
        .args(["-cp", &format!("{home}/classes:{home}/lib/*")]);
    command
}

/// Each server's way of saying that it cannot listen.
fn says_port_is_taken(text: &str) -> bool {
    let text = text.to_lowercase();
    ["in use", "eaddrinuse", "bindexception", "failed to bind"]
        .iter()
        .any(|words| text.contains(words))
}

fn in_session(mut command: Command, session: Session<'_>) -> Command {
    use std::os::unix::process::CommandExt;
    if matches!(session, Session::Own { .. }) || !install::on_path("setsid") {
        // A process group of its own: Ctrl-C at the terminal is not for it.
        command.process_group(0);
        return command;
    }
    // `setsid` becomes the server itself, so the process id stays.
    let mut detached = Command::new("setsid");
    detached.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => detached.env(name, value),
            None => detached.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        detached.current_dir(folder);
    }
    detached
}
