//! The store: its clients, tables, identity, and how a write outlives whoever asked for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aws_sdk_dynamodb::Client;
use myevents_core::domain::{IdSecret, UnixMillis};
use myevents_core::ports::Clock;
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::RwLock;
use tokio::time::Instant;

use super::client::{self, Clients};
use super::config::DynamoConfig;
use super::confirm::Confirms;
use super::error::closed;
use super::gate::Gates;
use super::ids::{Ids, Place};
use super::names::Tables;
use super::schema;
use super::seats::Sums;

/// The records, outbox, inbox and dead letters of one service in DynamoDB.
///
/// Cheap to clone; clones are the same instance, with the same leases.
#[derive(Clone)]
pub struct DynamoStore(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) clients: Clients,
    pub(super) tables: Tables,
    pub(super) config: DynamoConfig,
    pub(super) clock: Arc<dyn Clock>,
    secret: parking_lot::Mutex<IdSecret>,
    pub(super) ids: Ids,
    pub(super) gates: Gates,
    pub(super) confirms: Confirms,
    /// Held while bookings are imported.
    pub(super) sums: tokio::sync::Mutex<Option<Sums>>,
    /// Outbox items of which this instance may hold messages, to be given back when it closes.
    pub(super) held: parking_lot::Mutex<std::collections::HashSet<Place>>,
    /// The first half of every token names the instance.
    instance: u64,
    tokens: AtomicU64,
    /// The shard where the next claim begins.
    pub(super) next_shard: AtomicU64,
    closed: AtomicBool,
    /// Held shared by every write, so that closing can wait for all of them.
    writing: Arc<RwLock<()>>,
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

impl DynamoStore {
    /// Opens the tables with a client made from `config` and the SDK's own chain for region and credentials.
    ///
    /// # Errors
    /// `Config` when a table is missing and none are to be made, or the tables are another role's; `NotFound` for a
    /// [tool](DynamoConfig::tool) where no service has been; `Unavailable`.
    pub async fn open(config: DynamoConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        config.validate()?;
        let client = client::connect(&config).await?;
        Self::with_client(&client, config, clock).await
    }

    /// Opens the tables with the caller's own client. Its endpoint, region, credentials and HTTP client are used; its
    /// timeouts and retries are replaced by those of `config`, as writes have their own protocol of repeats.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn with_client(client: &Client, config: DynamoConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        config.validate()?;
        let clients = Clients::new(client, &config);
        let tables = Tables::with_prefix(&config.table_prefix);
        let identity = schema::prepare(&clients, &tables, &config).await?;
        let adopts = identity.is_new && !config.tool;
        let store = Self(Arc::new(Shared {
            clients,
            tables,
            config,
            clock,
            secret: parking_lot::Mutex::new(identity.secret),
            ids: Ids::default(),
            gates: Gates::default(),
            confirms: Confirms::default(),
            sums: tokio::sync::Mutex::default(),
            held: parking_lot::Mutex::default(),
            instance: rand::random(),
            tokens: AtomicU64::new(0),
            next_shard: AtomicU64::new(rand::random()),
            closed: AtomicBool::new(false),
            writing: Arc::new(RwLock::new(())),
        }));
        if adopts {
            store.0.adopt().await?;
        }
        Ok(store)
    }

    /// Runs a write in a task of its own: it goes on when its caller stops waiting, and closing waits for it.
    pub(super) async fn write<T, F, W>(&self, operation: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
        W: FnOnce(Arc<Shared>) -> F,
    {
        let writing = Arc::clone(&self.0.writing).try_read_owned();
        let Some(writing) = writing.ok().filter(|_| !self.0.is_closed()) else {
            return Err(closed(operation));
        };
        let work = work(Arc::clone(&self.0));
        let task = tokio::spawn(async move {
            let _writing = writing;
            work.await
        });
        task.await.unwrap_or_else(|panic| {
            Err(Error::new(
                ErrorKind::OutcomeUnknown,
                operation,
                "the write ended before it was known what became of it",
            )
            .caused_by(panic))
        })
    }

    pub(super) fn open_for(&self, operation: &'static str) -> Result<&Shared> {
        if self.0.is_closed() {
            return Err(closed(operation));
        }
        Ok(&self.0)
    }

    /// Takes nothing more, waits for what is in flight, and gives all leases back.
    pub(super) async fn shut(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::SeqCst);
        let shared = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let _all_done = shared.writing.write().await;
            shared.give_back_all().await
        });
        task.await.unwrap_or_else(|panic| {
            Err(Error::new(ErrorKind::Internal, "close", "closing ended early").caused_by(panic))
        })
    }
}

impl Shared {
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
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

    pub(super) fn new_token(&self) -> u128 {
        let count = self.tokens.fetch_add(1, Ordering::Relaxed);
        (u128::from(self.instance) << 64) | u128::from(count)
    }

    /// Whether this instance made the token.
    pub(super) fn is_ours(&self, token: u128) -> bool {
        token >> 64 == u128::from(self.instance)
    }

    /// When a write that starts now gives up.
    pub(super) fn end_of_patience(&self) -> Instant {
        Instant::now() + self.config.patience
    }
}

/// The error of a write whose record was changed by others each time it was tried.
pub(super) fn too_busy(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        operation,
        "others changed the record again and again; try again",
    )
}
