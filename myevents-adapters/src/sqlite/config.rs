//! Where the database is, whose it is, and how it is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Who opens the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqliteMode {
    /// A running service: takes the lock that means "a service runs here" and voids the leases of the one before.
    Service,
    /// A command beside it: no lock, no voided leases, and its messages are left for the service's relay.
    Tool,
}

/// Something done to every connection right after it was opened.
pub type ConnectionSetup = Arc<dyn Fn(&mut rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync>;

/// How to open a [`SqliteStore`](super::SqliteStore).
#[derive(Clone)]
#[non_exhaustive]
pub struct SqliteConfig {
    /// The database file; made when it is not there (its folder too).
    pub path: PathBuf,
    /// Whose file it is, such as `eventservice`. Kept in the file: another role is refused.
    pub role: String,
    /// Who opens it.
    pub mode: SqliteMode,
    /// How long a write waits for another process's transaction before it answers `Unavailable`.
    pub busy_timeout: Duration,
    /// The most jobs that wait for the writer; more are refused with `Overloaded`.
    pub queue: usize,
    /// How long a list may wait for its turn before it is refused with `Overloaded`.
    pub list_wait: Duration,
    /// For how long messages are born leased to this instance, whose relay they are handed to; `None` = they are born
    /// free, for another instance's relay.
    pub lease: Option<Duration>,
    /// The page cache of the writer in KiB; each reader has an eighth of it.
    pub cache_kib: u32,
    /// Run on every connection after our own settings: your functions, a key, a limit.
    pub setup: Option<ConnectionSetup>,
}

impl SqliteConfig {
    /// The file of a running service.
    pub fn service(path: impl Into<PathBuf>, role: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            role: role.into(),
            mode: SqliteMode::Service,
            busy_timeout: Duration::from_secs(2),
            queue: 4_096,
            list_wait: Duration::from_secs(2),
            lease: Some(Duration::from_secs(30)),
            cache_kib: 8 * 1024,
            setup: None,
        }
    }

    /// The same file for a command beside the service.
    pub fn tool(path: impl Into<PathBuf>, role: impl Into<String>) -> Self {
        Self {
            mode: SqliteMode::Tool,
            lease: None,
            busy_timeout: Duration::from_secs(10),
            ..Self::service(path, role)
        }
    }

    /// Sets how long a write waits for another process.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Sets how long a list may wait for its turn.
    #[must_use]
    pub fn list_wait(mut self, wait: Duration) -> Self {
        self.list_wait = wait;
        self
    }

    /// Sets what is run on every connection after our own settings.
    #[must_use]
    pub fn setup(
        mut self,
        setup: impl Fn(&mut rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.setup = Some(Arc::new(setup));
        self
    }
}

impl fmt::Debug for SqliteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteConfig")
            .field("path", &self.path)
            .field("role", &self.role)
            .field("mode", &self.mode)
            .field("busy_timeout", &self.busy_timeout)
            .field("queue", &self.queue)
            .field("list_wait", &self.list_wait)
            .field("lease", &self.lease)
            .field("cache_kib", &self.cache_kib)
            .finish_non_exhaustive()
    }
}
