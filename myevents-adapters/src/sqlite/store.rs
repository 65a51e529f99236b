//! `SqliteStore`: opening, closing, and the user's own state in our transactions.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use myevents_core::contract::Envelope;
use myevents_core::domain::IdSecret;
use myevents_core::ports::{Clock, Committed, InboxToken, OutboxRow};
use myevents_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use rusqlite::Connection;

use super::config::{SqliteConfig, SqliteMode};
use super::job::Durability;
use super::private;
use super::reader::Readers;
use super::schema;
use super::tx::Tx;
use super::writer::Writer;

/// The records, outbox, inbox and dead letters of one service in one SQLite file.
///
/// All writes go through one thread; what is queued becomes one transaction, and a write answers only after the commit
/// reached the disk. Cheap to clone; clones are the same opening of the file.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Writer,
    readers: Arc<Readers>,
    config: Arc<SqliteConfig>,
    secret: Arc<Mutex<IdSecret>>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, making or updating its tables. Blocks for some milliseconds; a migration or the recovery after a
    /// crash may take longer.
    ///
    /// # Errors
    /// `Config` when the file is another role's, another program's or of a newer version; `Conflict` in
    /// [`SqliteMode::Service`] when a service runs on it; `NotFound` in [`SqliteMode::Tool`] when there is no file; `Unavailable` when it can't be opened or is locked;
    /// `Malformed` when it is damaged.
    pub fn open(config: SqliteConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        // A command that is pointed at the wrong place must not find a sound, empty store there.
        if config.mode == SqliteMode::Tool && !config.path.exists() {
            return Err(Error::new(
                ErrorKind::NotFound,
                "open database",
                "no database is here; name the one of a service that has run",
            )
            .with("file", config.path.display()));
        }
        if let Some(folder) = config
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|source| {
                Error::new(
                    ErrorKind::Unavailable,
                    "open database",
                    "the folder of the database can't be made",
                )
                .with("folder", folder.display())
                .caused_by(source)
            })?;
        }
        let lock = match config.mode {
            SqliteMode::Service => Some(service_lock(&config.path)?),
            SqliteMode::Tool => None,
        };
        let mut connection = schema::open_writer(&config)?;
        let identity = schema::prepare(&mut connection, &config)?;
        if config.mode == SqliteMode::Service {
            schema::void_leases(&connection).map_err(|error| error.with("file", config.path.display()))?;
        }
        let config = Arc::new(config);
        Ok(Self {
            writer: Writer::start(connection, Arc::clone(&config), clock, lock)?,
            readers: Arc::new(Readers::new(Arc::clone(&config))),
            config,
            secret: Arc::new(Mutex::new(identity.id_secret)),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.config.path
    }

    /// Runs `work` in a transaction on the writer thread: your own tables and the messages and marks that go with them,
    /// all or nothing. Answers after the commit reached the disk. What the closure does delays every other write.
    ///
    /// The closure must not end the transaction or change settings of the connection.
    ///
    /// # Errors
    /// The closure's own error, after everything it did was rolled back; `Unavailable` (nothing was stored, repeat),
    /// `OutcomeUnknown`, `Overloaded`, `Closed`; `Internal` when the closure panics.
    pub async fn with_transaction<T, F>(&self, work: F) -> Result<Committed<T>>
    where
        T: Send + 'static,
        F: FnOnce(&SqliteTransaction<'_>) -> Result<T> + Send + 'static,
    {
        self.writer
            .run_once(move |tx| {
                let transaction = SqliteTransaction {
                    tx,
                    leased: std::cell::RefCell::default(),
                };
                let value = work(&transaction)?;
                Ok(Committed {
                    value,
                    leased: transaction.leased.into_inner(),
                })
            })
            .await
    }

    /// Runs a read on a read-only connection, on a thread where blocking is allowed. One call sees one state.
    ///
    /// # Errors
    /// The closure's own error; `Unavailable`, `Closed`.
    pub async fn with_reader<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.read(move |connection| super::reader::snapshot(connection, read))
            .await
    }

    pub(super) fn secret(&self) -> IdSecret {
        self.secret.lock().clone()
    }

    /// Another secret was stored.
    pub(super) fn take_secret(&self, secret: &IdSecret) {
        *self.secret.lock() = secret.clone();
    }

    pub(super) fn reads(&self) -> &Arc<Readers> {
        &self.readers
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.long(read).await
    }

    /// For somebody who waits: in a short while or not at all.
    pub(super) async fn read_soon<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.soon(read).await
    }

    pub(super) async fn write<T, F>(&self, weight: usize, durability: Durability, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.writer.run(weight.max(1), durability, work).await
    }

    pub(super) async fn shut(&self) -> Result<()> {
        self.readers.close();
        self.writer.close().await
    }
}

/// The transaction a closure of [`SqliteStore::with_transaction`] works in.
pub struct SqliteTransaction<'t> {
    tx: &'t Tx<'t>,
    leased: std::cell::RefCell<Vec<OutboxRow>>,
}

impl fmt::Debug for SqliteTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTransaction").finish_non_exhaustive()
    }
}

impl SqliteTransaction<'_> {
    /// The connection, for your own tables.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.tx.connection()
    }

    /// Stores a message with whatever else this transaction stores. Its key names the record that changed; messages of
    /// one key are sent in the order they were stored.
    ///
    /// # Errors
    /// `Unavailable`; the transaction is lost then.
    pub fn append(&self, message: Envelope) -> Result<()> {
        let leased = self.tx.append(std::slice::from_ref(&message))?;
        self.leased.borrow_mut().extend(leased);
        Ok(())
    }

    /// Completes the handling of a message together with its effect.
    ///
    /// # Errors
    /// `Precondition` when another took the message over: return it, so that the effect is rolled back.
    pub fn complete_inbox(&self, token: &InboxToken) -> Result<()> {
        self.tx.complete(token)
    }
}

/// The file whose lock means "a service runs here".
fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Takes the lock, or says that a service holds it. The lock ends with the process, however that ends.
pub(super) fn service_lock(database: &Path) -> Result<File> {
    let path = lock_path(database);
    let unavailable = |message: &'static str, source: std::io::Error| {
        Error::new(ErrorKind::Unavailable, "open database", message)
            .with("file", path.display())
            .caused_by(source)
    };
    let file = private::open(&path).map_err(|source| {
        unavailable(
            "the lock file can't be written; check the folder's permissions",
            source,
        )
    })?;
    match patiently(|| file.try_lock()) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            ErrorKind::Conflict,
            "open database",
            "a service already runs on this database; stop it first, or name another file",
        )
        .with("file", database.display())),
        Err(TryLockError::Error(source)) => Err(unavailable("the lock file can't be locked", source)),
    }
}

/// A service that was just stopped or dropped lets go a moment later.
fn patiently(
    mut try_lock: impl FnMut() -> std::result::Result<(), TryLockError>,
) -> std::result::Result<(), TryLockError> {
    for _ in 0..20 {
        match try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(10)),
            settled => return settled,
        }
    }
    try_lock()
}
