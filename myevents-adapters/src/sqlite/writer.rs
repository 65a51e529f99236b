//! The one thread that writes: whatever is queued becomes one transaction, and nobody is answered before its commit.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use myevents_core::ports::Clock;
use myevents_core::{Error, ErrorKind, Result, crash};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::config::{SqliteConfig, SqliteMode};
use super::error::{commit_fault, during, fault};
use super::job::{Durability, Job, JobOf};
use super::schema;
use super::tx::{Instance, Tx};

/// Jobs of one transaction weigh at most this (a booking weighs 1), and no job is begun after [`GROUP_TIME`]: the
/// first of them must not wait long for the last.
const GROUP_WEIGHT: usize = 1_024;
const GROUP_TIME: Duration = Duration::from_millis(20);

/// The longest the writer waits for those it has just answered to come back with their next write.
const GATHER_TIME: Duration = Duration::from_millis(2);

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<Result<()>>),
}

/// The way to the writer thread.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: SyncSender<Message>,
}

impl Writer {
    /// Starts the thread. `held` is kept until the database is closed (the service lock).
    pub(super) fn start(
        connection: Connection,
        config: Arc<SqliteConfig>,
        clock: Arc<dyn Clock>,
        held: Option<std::fs::File>,
    ) -> Result<Self> {
        let (queue, jobs) = sync_channel(config.queue.max(1));
        let instance = Instance::new(&config);
        let thread = Thread {
            connection: Some(connection),
            synced: true,
            config,
            clock,
            instance,
            rhythm: Rhythm::default(),
            _held: held,
        };
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || thread.work(&jobs))
            .map_err(|source| {
                Error::new(
                    ErrorKind::Unavailable,
                    "open database",
                    "no thread for the writer",
                )
                .caused_by(source)
            })?;
        Ok(Self { queue })
    }

    /// Runs `work` in the next transaction and answers after its commit. `work` may be run twice (the first run rolled
    /// back), so it must not change anything but the database.
    pub(super) async fn run<T, F>(&self, weight: usize, durability: Durability, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.submit(weight, durability, false, work).await
    }

    /// Runs `work` once, in a savepoint of its own.
    pub(super) async fn run_once<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        let mut work = Some(work);
        self.submit(16, Durability::Synced, true, move |tx| match work.take() {
            Some(work) => work(tx),
            None => Err(Error::new(ErrorKind::Internal, "write", "a write was run twice")),
        })
        .await
    }

    async fn submit<T, F>(&self, weight: usize, durability: Durability, once: bool, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(JobOf {
            work,
            weight,
            durability,
            once,
            result: None,
            answer,
        });
        match self.queue.try_send(Message::Job(job)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(Error::new(
                    ErrorKind::Overloaded,
                    "write",
                    "too many writes wait for the database; try again",
                ));
            }
            Err(TrySendError::Disconnected(_)) => return Err(closed()),
        }
        // The thread drops jobs unanswered only when it ends before they were begun.
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes what is queued and closes the database. Later jobs answer `Closed`.
    pub(super) async fn close(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.clone();
        // The queue may be full, and waiting for room must not block a task.
        let sent = tokio::task::spawn_blocking(move || queue.send(Message::Close(answer)).is_ok()).await;
        match sent {
            Ok(true) => answered.await.unwrap_or(Ok(())),
            _ => Ok(()),
        }
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "use database", "the store was closed")
}

struct Thread {
    connection: Option<Connection>,
    /// Whether commits wait for the disk at the moment.
    synced: bool,
    config: Arc<SqliteConfig>,
    clock: Arc<dyn Clock>,
    instance: Instance,
    rhythm: Rhythm,
    _held: Option<std::fs::File>,
}

/// How many synced writes a transaction had of late, and how long its commit took.
///
/// Without it many callers that each wait for their answer split in two: the first one back starts a transaction almost
/// alone, the rest wait out its sync, and every second sync is wasted. A lone caller never waits.
#[derive(Debug, Default)]
struct Rhythm {
    writes: usize,
    commit: Duration,
    ended: Option<Instant>,
}

impl Rhythm {
    /// How long from now it pays to wait for the rest, with `writes` of them here: not at all once the last commit is
    /// long past.
    fn patience(&self, writes: usize) -> Option<Duration> {
        if self.writes < 2 || writes >= self.writes {
            return None;
        }
        (self.commit / 2)
            .min(GATHER_TIME)
            .checked_sub(self.ended?.elapsed())
    }

    fn note(&mut self, writes: usize, commit: Duration) {
        // Falls slowly, so that one that came late is waited for once more.
        self.writes = writes.max(self.writes * 7 / 8);
        self.commit = commit;
        self.ended = Some(Instant::now());
    }
}

/// How a run through the jobs of a group ended.
enum Pass {
    /// All ran; failed ones left nothing behind.
    Done,
    /// One failed after it had written something: all must run again, each in a savepoint.
    Again,
    /// The transaction is lost.
    Lost(Error),
}

impl Thread {
    fn work(mut self, queue: &Receiver<Message>) {
        let mut group: Vec<Box<dyn Job>> = Vec::new();
        while let Ok(message) = queue.recv() {
            let closing = self.gather(message, queue, &mut group);
            while !group.is_empty() {
                self.run_group(&mut group);
            }
            if let Some(answer) = closing {
                let result = self.close();
                drop(self);
                let _ = answer.send(result);
                return;
            }
        }
        // Every handle is gone without a close: leases end by themselves or with the next start.
        if let Err(error) = self.checkpoint() {
            tracing::warn!(%error, "the database was closed without a last checkpoint");
        }
    }

    /// Takes what is queued, as far as one transaction holds it, and waits a moment for more where that pays.
    fn gather(
        &self,
        first: Message,
        queue: &Receiver<Message>,
        group: &mut Vec<Box<dyn Job>>,
    ) -> Option<oneshot::Sender<Result<()>>> {
        let (mut weight, mut writes) = (0, 0);
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Job(job) => {
                    weight += job.weight();
                    writes += usize::from(job.durability() == Durability::Synced);
                    group.push(job);
                }
                Message::Close(answer) => return Some(answer),
            }
            if weight >= GROUP_WEIGHT {
                break;
            }
            next = queue.try_recv().ok().or_else(|| {
                let patience = self.rhythm.patience(writes)?;
                queue.recv_timeout(patience).ok()
            });
        }
        None
    }

    /// Runs as many jobs from the front of `group` as one transaction takes, and answers them.
    fn run_group(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let (taken, result) = self.transact(group);
        let jobs = group.drain(..taken);
        match result {
            Ok(()) => {
                crash::point_sync("sqlite.after-commit");
                jobs.for_each(|job| job.finish(Ok(())));
            }
            Err(error) => {
                let error = error.with("file", self.config.path.display());
                tracing::warn!(%error, source = ?std::error::Error::source(&error), jobs = taken, "a write failed");
                jobs.for_each(|job| job.finish(Err(&error)));
            }
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> (usize, Result<()>) {
        let all = group.len();
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => match schema::reopen_writer(&self.config) {
                Ok(connection) => {
                    self.synced = true;
                    connection
                }
                Err(error) => return (all, Err(error)),
            },
        };
        let want = group.iter().any(|job| job.durability() == Durability::Synced);
        if want != self.synced {
            let level = if want {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            };
            if let Err(source) = connection.execute_batch(level) {
                return (all, Err(fault("begin", source)));
            }
            self.synced = want;
        }
        if let Err(source) = begin(&connection) {
            let error = fault("begin", source);
            // Another process's lock says nothing against this connection.
            if error.kind() == ErrorKind::Unavailable && connection.is_autocommit() {
                self.keep_if_usable(connection);
            }
            return (all, Err(error));
        }
        let careful = group.iter().any(|job| job.once());
        let (mut taken, mut pass) = self.pass(&connection, group, careful);
        if matches!(pass, Pass::Again) {
            pass = match rollback(&connection).and_then(|()| begin(&connection)) {
                Ok(()) => {
                    let (again, pass) = self.pass(&connection, group, true);
                    taken = again;
                    pass
                }
                Err(source) => Pass::Lost(fault("roll back", source)),
            };
        }
        if let Pass::Lost(error) = pass {
            // Dropping the connection rolls back whatever is left of the transaction.
            return (all, Err(error));
        }
        crash::point_sync("sqlite.before-commit");
        let began = Instant::now();
        match commit(&connection) {
            Ok(()) => {
                let synced = group[..taken]
                    .iter()
                    .map(|job| job.durability() == Durability::Synced);
                let writes = synced.filter(|synced| *synced).count();
                if writes > 0 {
                    self.rhythm.note(writes, began.elapsed());
                }
                self.connection = Some(connection);
                (taken, Ok(()))
            }
            Err(source) => (taken, Err(commit_fault(source))),
        }
    }

    /// A connection that only met a lock stays; one that met anything else is opened anew before the next write.
    fn keep_if_usable(&mut self, connection: Connection) {
        if connection
            .query_row("SELECT count(*) FROM meta", [], |_| Ok(()))
            .is_ok()
        {
            self.connection = Some(connection);
        }
    }

    fn pass(&self, connection: &Connection, group: &mut [Box<dyn Job>], savepoints: bool) -> (usize, Pass) {
        let tx = Tx::new(connection, self.clock.now(), &self.instance);
        let began = Instant::now();
        let mut taken = 0;
        for job in group.iter_mut() {
            if taken > 0 && began.elapsed() > GROUP_TIME {
                break;
            }
            taken += 1;
            let ended = if savepoints {
                run_in_savepoint(&tx, job.as_mut())
            } else {
                let before = connection.total_changes();
                match job.run(&tx) {
                    Ok(()) => Pass::Done,
                    Err(error) if error.kind() == ErrorKind::Unavailable => Pass::Lost(error),
                    Err(_) if connection.total_changes() != before => Pass::Again,
                    Err(_) => Pass::Done,
                }
            };
            let ended = match ended {
                Pass::Done if connection.is_autocommit() => Pass::Lost(ended_by_a_write()),
                ended => ended,
            };
            if !matches!(ended, Pass::Done) {
                return (taken, ended);
            }
        }
        (taken, Pass::Done)
    }

    fn checkpoint(&mut self) -> Result<()> {
        // A tool's would wait for the service beside it, and keep it waiting.
        let (Some(connection), SqliteMode::Service) = (&self.connection, self.config.mode) else {
            return Ok(());
        };
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(during("close database"))
    }

    fn close(&mut self) -> Result<()> {
        if self.connection.is_none() {
            self.connection = Some(schema::reopen_writer(&self.config)?);
        }
        if let Some(connection) = &self.connection {
            self.instance.release_leases(connection)?;
        }
        self.checkpoint()?;
        let Some(connection) = self.connection.take() else {
            return Ok(());
        };
        connection
            .close()
            .map_err(|(_, source)| fault("close database", source))
    }
}

fn ended_by_a_write() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "write",
        "the transaction was ended by one of its writes; try again",
    )
}

fn run_in_savepoint(tx: &Tx<'_>, job: &mut dyn Job) -> Pass {
    let execute = |sql: &str| tx.connection().prepare_cached(sql)?.execute([]).map(|_| ());
    if let Err(source) = execute("SAVEPOINT job") {
        return Pass::Lost(fault("begin", source));
    }
    let ended = job.run(tx);
    if let Err(error) = &ended
        && error.kind() == ErrorKind::Unavailable
        && !job.once()
    {
        return Pass::Lost(error.duplicate());
    }
    if tx.connection().is_autocommit() {
        // SQLite rolled everything back (a full disk does that), so there is no savepoint left to go back to.
        return Pass::Lost(match ended {
            Err(error) if error.kind() == ErrorKind::Unavailable => error,
            _ => ended_by_a_write(),
        });
    }
    let undone = match ended {
        Ok(()) => Ok(()),
        Err(_) => {
            tx.forget_sequence();
            execute("ROLLBACK TO job")
        }
    };
    match undone.and_then(|()| execute("RELEASE job")) {
        Ok(()) => Pass::Done,
        Err(source) => Pass::Lost(fault("write", source)),
    }
}

fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached("BEGIN IMMEDIATE")?
        .execute([])
        .map(|_| ())
}

fn commit(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("COMMIT")?.execute([]).map(|_| ())
}

fn rollback(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() {
        return Ok(());
    }
    connection.prepare_cached("ROLLBACK")?.execute([]).map(|_| ())
}
