//! The memory store: every promise of the ports under one lock, and the model that other stores are tested against.
//!
//! ```text
//! MemoryStore (a handle = an instance with leases of its own) ──► Shared { one lock over State, clock }
//! ```
//!
//! Nothing survives the process. Dropping or leaking a handle gives no lease back, as a killed process gives none back;
//! [`close`](crate::ports::DatabaseHandler::close) does.

mod api_keys;
mod audit;
mod bookings;
mod dead_letters;
mod events;
mod handler;
mod inbox;
mod outbox;
mod projection;
mod state;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::crash;
use crate::domain::{EventId, IdSecret, UnixMillis};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{Clock, SystemClock};
use state::State;

/// How long messages are born leased for, where nothing else is said.
const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// The most requests of one batch.
const MAX_BATCH: usize = 256;

/// A store in memory: records, outbox, inbox and dead letters under one lock.
pub struct MemoryStore {
    shared: Arc<Shared>,
    instance: u64,
    closed: AtomicBool,
}

struct Shared {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    secret: IdSecret,
    lease: Duration,
    instances: AtomicU64,
}

/// What a write knows beside the state: the time, and who leases what it leaves in the outbox.
#[derive(Debug, Clone, Copy)]
struct Scope {
    now: UnixMillis,
    instance: u64,
    lease: Duration,
}

impl MemoryStore {
    /// An empty store that tells the time of its leases by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_lease(clock, DEFAULT_LEASE)
    }

    /// An empty store whose messages are born leased for `lease`.
    #[must_use]
    pub fn with_lease(clock: Arc<dyn Clock>, lease: Duration) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            clock,
            secret: IdSecret::new(rand::random()),
            lease,
            instances: AtomicU64::new(0),
        };
        Self::of(Arc::new(shared))
    }

    /// A second instance over the same records, as another process would open it: with leases of its own, and without
    /// a look at those of the first.
    #[must_use]
    pub fn another_instance(&self) -> Self {
        Self::of(Arc::clone(&self.shared))
    }

    /// Makes the counter of `event` wrong by `seats`, for tests of what finds that out. Answers whether there is one.
    #[must_use]
    pub fn plant_drift(&self, event: &EventId, seats: i64) -> bool {
        let mut state = self.shared.state.lock();
        let counter = state.counters.get_mut(event);
        counter.map(|counter| counter.sold += seats).is_some()
    }

    fn of(shared: Arc<Shared>) -> Self {
        let instance = shared.instances.fetch_add(1, Ordering::Relaxed);
        Self {
            shared,
            instance,
            closed: AtomicBool::new(false),
        }
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::Closed,
                operation,
                "the store was closed before",
            ));
        }
        Ok(())
    }

    fn scope(&self) -> Scope {
        Scope {
            now: self.shared.clock.now(),
            instance: self.instance,
            lease: self.shared.lease,
        }
    }

    /// One look at the state.
    fn read<T>(&self, operation: &'static str, look: impl FnOnce(&State) -> T) -> Result<T> {
        self.check_open(operation)?;
        Ok(look(&self.shared.state.lock()))
    }

    /// One atomic write: `change` checks everything before it changes anything, so an error leaves all as it was.
    async fn write<T: Send>(
        &self,
        operation: &'static str,
        change: impl FnOnce(&mut State, Scope) -> Result<T> + Send,
    ) -> Result<T> {
        self.check_open(operation)?;
        crash::point("memory.before-commit").await;
        let answer = change(&mut self.shared.state.lock(), self.scope())?;
        crash::point("memory.after-commit").await;
        Ok(answer)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}
