//! Reads: point reads run where they are asked for, lists on blocking threads, none of them behind the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use myevents_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::SqliteConfig;
use super::schema;
use super::writer::closed;

/// Lists that read at once; more wait their turn.
const LISTS: usize = 2;

/// Connections that stay open when idle.
const IDLE: usize = 4;

/// Read-only connections, opened as needed and kept.
///
/// A point read takes a few microseconds, less than waking another thread would: it runs on the caller's thread. At
/// most one such read runs on each of the runtime's threads, so the pool stays small.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    lists: Arc<Semaphore>,
    closed: AtomicBool,
    config: Arc<SqliteConfig>,
}

impl Readers {
    pub(super) fn new(config: Arc<SqliteConfig>) -> Self {
        Self {
            idle: Mutex::default(),
            lists: Arc::new(Semaphore::new(LISTS)),
            closed: AtomicBool::new(false),
            config,
        }
    }

    /// Runs a read of a few rows by key, here and now.
    pub(super) fn point<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.config)?,
        };
        let result = read(&connection);
        match &result {
            // What failed at the file may go on failing on this connection: the next read opens another.
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Malformed) => {}
            _ => self.put_back(connection),
        }
        result.map_err(|error| match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Malformed => error.with("file", self.config.path.display()),
            _ => error,
        })
    }

    /// Runs a longer read for somebody who waits: refused, unread, when its turn does not come in time.
    pub(super) async fn soon<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = Arc::clone(&self.lists).acquire_owned();
        let Ok(turn) = tokio::time::timeout(self.config.list_wait, turn).await else {
            return Err(Error::new(
                ErrorKind::Overloaded,
                "list",
                "too many lists wait for the database; try again",
            ));
        };
        self.read_in_turn(turn.map_err(|_| closed())?, read).await
    }

    /// Runs a longer read for ourselves, whenever its turn comes.
    pub(super) async fn long<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = Arc::clone(&self.lists).acquire_owned().await;
        self.read_in_turn(turn.map_err(|_| closed())?, read).await
    }

    /// Reads on a thread where blocking is allowed.
    async fn read_in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let readers = Arc::clone(self);
        // The read goes on when its caller goes away, and keeps its permit until it ends.
        let reading = move || {
            let _permit = permit;
            readers.point(read)
        };
        tokio::task::spawn_blocking(reading)
            .await
            .unwrap_or_else(|source| {
                Err(Error::new(
                    ErrorKind::Internal,
                    "read",
                    "a fault of this program stopped the read",
                )
                .caused_by(source))
            })
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE && !self.closed.load(Ordering::Acquire) {
            idle.push(connection);
        }
    }

    /// Closes all connections; later reads answer `Closed`.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.lists.close();
        self.idle.lock().clear();
    }
}

/// The first row of a query, decoded.
pub(super) fn one<T>(
    connection: &Connection,
    operation: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
    decode: impl FnOnce(&rusqlite::Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let op = super::error::during(operation);
    let mut statement = connection.prepare_cached(sql).map_err(op)?;
    let mut rows = statement.query(params).map_err(op)?;
    match rows.next().map_err(op)? {
        Some(row) => decode(row).map(Some),
        None => Ok(None),
    }
}

/// All rows of a query, decoded.
pub(super) fn all<T>(
    connection: &Connection,
    operation: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
    decode: impl Fn(&rusqlite::Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let op = super::error::during(operation);
    let mut statement = connection.prepare_cached(sql).map_err(op)?;
    let mut rows = statement.query(params).map_err(op)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().map_err(op)? {
        items.push(decode(row)?);
    }
    Ok(items)
}

/// Runs a statement; answers how many rows it changed.
pub(super) fn change(
    connection: &Connection,
    operation: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<usize> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params))
        .map_err(super::error::during(operation))
}

/// A page's `LIMIT`: one row more than wanted, to know whether there are more.
pub(super) fn surplus(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// Runs several queries on one state of the database.
pub(super) fn snapshot<T>(connection: &Connection, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let op = super::error::during("read");
    let transaction = connection.unchecked_transaction().map_err(op)?;
    let result = read(&transaction);
    transaction.finish().map_err(op)?;
    result
}
