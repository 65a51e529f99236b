//! The servers that all tests of a run share: named by a variable, or started by `cargo xtask backends up`.
//!
//! Below the workspace's target folder, `backends/<word>` holds a server's data and `backends/<word>.state` its
//! process and its port while it runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::launch::{self, Session, Site};
use crate::{Kind, install, probe, process, skip};

/// How long a server may take to end by itself.
const STOP: Duration = Duration::from_secs(10);

/// The URL of the server of this kind that is there: the one that the kind's variable names, as it stands there, or
/// one that `cargo xtask backends up` started, if it lives and answers.
#[must_use]
pub fn find(kind: Kind) -> Option<String> {
    find_among(kind, variable(kind), &folder())
}

/// The URL of the shared server for this test, or none and the skip is noted.
///
/// # Panics
/// When the kind's variable names a server that does not answer: nobody sets it in order to skip.
/// With `MYEVENTS_REQUIRE=all` when there is no server.
#[must_use]
pub fn require(test: &str, kind: Kind) -> Option<String> {
    let Some(url) = find(kind) else {
        let name = kind.environment();
        skip::skip(
            test,
            &format!("no {kind} server (`cargo xtask backends up {kind}` starts one, {name} names one)"),
        );
        return None;
    };
    match answering(kind, &url) {
        Ok(()) => Some(url),
        Err(error) => panic!("{test}: {error:#}"),
    }
}

/// # Errors
/// When what the kind's variable names does not answer.
fn answering(kind: Kind, url: &str) -> Result<()> {
    let name = kind.environment();
    probe::foreign(kind, url).with_context(|| format!("{name}={url} names no {kind} server that answers"))
}

/// Where the build puts its files, and so do the servers that `cargo xtask backends` runs.
#[must_use]
pub fn target() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().unwrap_or(here);
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root.join(target)
}

/// How it stands with the shared server of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The kind's variable names it.
    Named {
        /// What the variable says.
        url: String,
        /// Why it does not answer, if it does not.
        fault: Option<String>,
    },
    /// `cargo xtask backends up` started it.
    Up {
        /// How a client names it.
        url: String,
        /// Its process.
        pid: u32,
        /// Why it does not answer, if it does not.
        fault: Option<String>,
    },
    /// Not started.
    Down {
        /// Whether that would take no download.
        installed: bool,
    },
}

/// Looks.
#[must_use]
pub fn status(kind: Kind) -> Status {
    if let Some(url) = variable(kind) {
        let fault = probe::foreign(kind, &url).err().map(|error| format!("{error:#}"));
        return Status::Named { url, fault };
    }
    match State::read(kind, &folder()) {
        Some(state) => Status::Up {
            fault: state.answers(kind).err().map(|error| format!("{error:#}")),
            url: kind.url(state.port),
            pid: state.pid,
        },
        None => Status::Down {
            installed: install::check(kind).is_ok(),
        },
    }
}

/// Starts the shared server of a kind so that it stays, and answers its URL; one that runs is left alone. What is missing is
/// installed. `say` gets a line before what takes long.
///
/// # Errors
/// When it cannot be installed or does not start.
pub fn up(kind: Kind, say: &dyn Fn(&str)) -> Result<String> {
    up_in(kind, &folder(), say)
}

/// Ends the shared server of a kind that [`up`] started: asked to first, killed after ten seconds. Its data stay. False when there was none.
///
/// # Errors
/// When it cannot be ended.
pub fn down(kind: Kind) -> Result<bool> {
    down_in(kind, &folder())
}

fn variable(kind: Kind) -> Option<String> {
    std::env::var(kind.environment())
        .ok()
        .filter(|value| !value.is_empty())
}

fn folder() -> PathBuf {
    target().join("backends")
}

fn find_among(kind: Kind, variable: Option<String>, folder: &Path) -> Option<String> {
    variable.or_else(|| {
        let state = State::read(kind, folder)?;
        state.answers(kind).is_ok().then(|| kind.url(state.port))
    })
}

fn up_in(kind: Kind, folder: &Path, say: &dyn Fn(&str)) -> Result<String> {
    let _one_at_a_time = lock(kind, folder)?;
    if let Some(state) = State::read(kind, folder) {
        if state.answers(kind).is_ok() {
            return Ok(kind.url(state.port));
        }
        say(&format!(
            "{kind}: process {} does not answer, ending it",
            state.pid
        ));
        end(kind, folder, &state)?;
    }
    install::install(kind, say)?;
    say(&format!("{kind}: starting {}", install::product(kind)));
    let mut site = Site::open(kind, &folder.join(kind.word()))?;
    let running = site.start_anywhere(Session::Detached)?;
    let state = State {
        pid: running.pid(),
        began: process::began(running.pid()),
        port: site.port,
    };
    if let Err(error) = state.write(kind, folder) {
        // A server that nobody can find again must not stay.
        running.kill()?;
        site.clear_up();
        return Err(error);
    }
    running.release();
    Ok(kind.url(state.port))
}

fn down_in(kind: Kind, folder: &Path) -> Result<bool> {
    let _one_at_a_time = lock(kind, folder)?;
    let Some(state) = State::read(kind, folder) else {
        return Ok(false);
    };
    end(kind, folder, &state)?;
    Ok(true)
}

fn end(kind: Kind, folder: &Path, state: &State) -> Result<()> {
    process::end(state.pid, STOP)?;
    launch::clear_up(kind, &folder.join(kind.word()));
    fs::remove_file(State::path(kind, folder)).context("cannot remove the server's state")
}

/// Held while one process starts or ends the server.
fn lock(kind: Kind, folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = File::create(folder.join(format!("{kind}.lock")))?;
    file.lock()?;
    Ok(file)
}

/// A server that runs.
#[derive(Debug, PartialEq, Eq)]
struct State {
    pid: u32,
    /// Tells its process from a later one of the same id.
    began: String,
    port: u16,
}

impl State {
    fn path(kind: Kind, folder: &Path) -> PathBuf {
        folder.join(format!("{kind}.state"))
    }

    /// Three lines; written beside and renamed, as readers take no lock.
    fn write(&self, kind: Kind, folder: &Path) -> Result<()> {
        let Self { pid, began, port } = self;
        let unfinished = folder.join(format!("{kind}.state.new"));
        fs::write(&unfinished, format!("{pid}\n{began}\n{port}\n"))?;
        Ok(fs::rename(unfinished, Self::path(kind, folder))?)
    }

    /// None when there is no such file, or its process is gone.
    fn read(kind: Kind, folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(Self::path(kind, folder)).ok()?;
        let mut lines = text.lines();
        let state = Self {
            pid: lines.next()?.parse().ok()?,
            began: lines.next()?.to_owned(),
            port: lines.next()?.parse().ok()?,
        };
        let same = process::lives(state.pid) && process::began(state.pid) == state.began;
        same.then_some(state)
    }

    fn answers(&self, kind: Kind) -> Result<()> {
        probe::own(kind, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let named = Some("mongodb://db.test".to_owned());
        assert_eq!(find_among(Kind::Mongodb, named.clone(), folder.path()), named);
        assert_eq!(find_among(Kind::Mongodb, None, folder.path()), None);
    }

    #[test]
    fn a_state_counts_while_its_process_lives_and_answers() {
        let folder = tempfile::tempdir().unwrap();
        let pid = std::process::id();
        let mut state = State {
            pid,
            began: process::began(pid),
            port: 1,
        };
        state.write(Kind::Mongodb, folder.path()).unwrap();
        assert_eq!(State::read(Kind::Mongodb, folder.path()).as_ref(), Some(&state));
        // Nobody listens on port 1.
        assert_eq!(find_among(Kind::Mongodb, None, folder.path()), None);

        // Another process got the id.
        state.began.push('0');
        state.write(Kind::Mongodb, folder.path()).unwrap();
        assert_eq!(State::read(Kind::Mongodb, folder.path()), None);
    }

    /// What was started in a folder ends with a test that fails.
    struct Place(Kind, tempfile::TempDir);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ended = down_in(self.0, self.1.path());
        }
    }

    #[test]
    fn a_shared_server_stays_is_found_and_ends() {
        let kind = Kind::Mongodb;
        if !skip::required()
            && let Err(reason) = install::check(kind)
        {
            skip::skip("a_shared_server_stays_is_found_and_ends", &reason.to_string());
            return;
        }
        let place = Place(kind, tempfile::tempdir().unwrap());
        let folder = place.1.path();
        let up = || up_in(kind, folder, &|_| {}).unwrap();
        assert!(!down_in(kind, folder).unwrap());
        let url = up();
        assert_eq!(find_among(kind, None, folder), Some(url.clone()));
        let first = State::read(kind, folder).unwrap();
        assert_eq!(up(), url);
        assert_eq!(State::read(kind, folder), Some(first));

        // Somebody kills it.
        let pid = State::read(kind, folder).unwrap().pid;
        process::end(pid, Duration::ZERO).unwrap();
        assert_eq!(find_among(kind, None, folder), None);
        assert_eq!(up(), url, "the port stays");
        assert_ne!(State::read(kind, folder).unwrap().pid, pid);

        let pid = State::read(kind, folder).unwrap().pid;
        assert!(down_in(kind, folder).unwrap());
        assert!(!process::lives(pid) && !State::path(kind, folder).exists());
        assert_eq!(find_among(kind, None, folder), None);
    }

    #[test]
    fn a_variable_that_names_no_such_server_says_so() {
        // Somebody who speaks another protocol.
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let answering = std::thread::spawn(move || {
            for stream in other.incoming().take(5) {
                let mut stream = stream.unwrap();
                // First, as of mail a server begins.
                std::io::Write::write_all(&mut stream, &[b'?'; 64]).unwrap();
                let _read = std::io::Read::read(&mut stream, &mut [0; 1024]);
            }
        });
        for (kind, words) in [
            (Kind::Mongodb, "does not speak MongoDB's protocol"),
            (Kind::Amqp, "does not speak AMQP"),
            (Kind::Dynamodb, "does not speak HTTP"),
            (Kind::Sns, "does not speak HTTP"),
            (Kind::Smtp, "does not speak SMTP"),
        ] {
            let said = said_of(kind, &kind.url(port));
            assert!(
                said.contains(kind.environment()) && said.contains(words),
                "{said}"
            );
        }
        answering.join().unwrap();
        let said = said_of(Kind::Kafka, "127.0.0.1:1");
        assert!(
            said.contains("TEST_KAFKA_BROKERS=127.0.0.1:1") && said.contains("refused"),
            "{said}"
        );
    }

    fn said_of(kind: Kind, url: &str) -> String {
        format!("{:#}", answering(kind, url).unwrap_err())
    }
}
