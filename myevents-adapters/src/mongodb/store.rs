//! `MongoStore`: opening, closing, and the tasks that carry writes through.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mongodb::Client;
use myevents_core::domain::{IdSecret, UnixMillis};
use myevents_core::ports::Clock;
use myevents_core::{Error, ErrorKind, Result};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::{MongoConfig, MongoMode};
use super::desks::Desks;
use super::link::Link;
use super::messages::Instance;
use super::{recovery, schema};

/// How long closing waits for what is in flight.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// The records, outbox, inbox and dead letters of one service in one MongoDB database.
///
/// Several instances, in one process or many, may work on one database. Cheap to clone; clones are one instance.
#[derive(Clone)]
pub struct MongoStore {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) link: Link,
    pub(super) config: MongoConfig,
    pub(super) clock: Arc<dyn Clock>,
    secret: parking_lot::Mutex<IdSecret>,
    pub(super) instance: Instance,
    pub(super) desks: Desks,
    pub(super) tasks: TaskTracker,
    stop: CancellationToken,
    closed: AtomicBool,
    closing: tokio::sync::Mutex<bool>,
    own_client: bool,
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore")
            .field("config", &self.inner.config)
            .field("database", &self.inner.link.database.name())
            .finish_non_exhaustive()
    }
}

impl MongoStore {
    /// Connects and opens the store, making it at its first start. Waits for a server that is away for at most
    /// [`MongoConfig::open_timeout`].
    ///
    /// # Errors
    /// `Config` for a URL that can't be read or would lose writes, another role's database, or a refused user;
    /// `NotFound` in [`MongoMode::Tool`] when there is no store; `Unavailable` when the server stays away.
    pub async fn open(config: MongoConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        let options = config.client_options().await?;
        let name = config.database_name(options.default_database.as_deref());
        let client = Client::with_options(options).map_err(|source| {
            Error::new(
                ErrorKind::Config,
                "open store",
                "the options of dbconnection can't be used together",
            )
            .with("url", config.shown_url())
            .caused_by(source)
        })?;
        Self::start(client, &name, config, clock, true).await
    }

    /// Opens the store by the caller's own client, which [`close`](myevents_core::ports::DatabaseHandler::close) leaves
    /// open. Read and write concern and read preference are this store's own, whatever the client's are.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn with_client(client: Client, config: MongoConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        let of_client = client
            .default_database()
            .map(|database| database.name().to_owned());
        let name = config.database_name(of_client.as_deref());
        Self::start(client, &name, config, clock, false).await
    }

    async fn start(
        client: Client,
        name: &str,
        config: MongoConfig,
        clock: Arc<dyn Clock>,
        own_client: bool,
    ) -> Result<Self> {
        let (link, secret) = schema::prepare(client, name, &config).await?;
        let inner = Arc::new(Inner {
            link,
            clock,
            secret: parking_lot::Mutex::new(secret),
            instance: Instance::new(config.lease),
            desks: Desks::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            closed: AtomicBool::new(false),
            closing: tokio::sync::Mutex::default(),
            own_client,
            config,
        });
        if inner.config.mode == MongoMode::Service {
            let recovering = recovery::run(Arc::clone(&inner));
            let stop = inner.stop.clone();
            inner
                .tasks
                .spawn(async move { stop.run_until_cancelled(recovering).await });
        }
        Ok(Self { inner })
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &mongodb::Database {
        &self.inner.link.database
    }

    /// One round of what a service's instance does in the background: finishes what was left half-done and is older than
    /// `older_than`. Answers how many entries were finished.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    pub async fn recover(&self, older_than: Duration) -> Result<usize> {
        self.run("recover", move |inner| async move {
            recovery::round(&inner, older_than).await
        })
        .await
    }

    /// Everything but the port's face.
    pub(super) fn inner(&self, operation: &'static str) -> Result<&Arc<Inner>> {
        self.inner.check_open(operation)?;
        Ok(&self.inner)
    }

    pub(super) fn secret(&self) -> IdSecret {
        self.inner.secret()
    }

    /// Runs a write in a task of its own: whoever asked may go away, the write is carried through.
    pub(super) async fn run<T, F>(
        &self,
        operation: &'static str,
        work: impl FnOnce(Arc<Inner>) -> F + Send,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let inner = self.inner(operation)?;
        let task = inner.tasks.spawn(work(Arc::clone(inner)));
        task.await.unwrap_or_else(|panic| {
            Err(Error::new(
                ErrorKind::OutcomeUnknown,
                operation,
                "a fault of this program stopped the write half-way",
            )
            .caused_by(panic))
        })
    }

    pub(super) async fn shut(&self) -> Result<()> {
        self.inner.shut().await
    }
}

impl Inner {
    pub(super) fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, operation, "the store was closed"));
        }
        Ok(())
    }

    pub(super) fn secret(&self) -> IdSecret {
        self.secret.lock().clone()
    }

    /// Answers `secret`, which is stored, from now on.
    pub(super) fn take_secret(&self, secret: &IdSecret) {
        *self.secret.lock() = secret.clone();
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    async fn shut(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        self.stop.cancel();
        let mut over = self.closing.lock().await;
        if *over {
            return Ok(());
        }
        self.tasks.close();
        let finished = tokio::time::timeout(CLOSE_WITHIN, self.tasks.wait()).await;
        let released = self.release_own().await;
        if self.own_client {
            self.link.client.clone().shutdown().immediate(true).await;
        }
        *over = true;
        if finished.is_err() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "close store",
                "writes were still under way; what they left half-done is finished by the next start",
            ));
        }
        released
    }
}
