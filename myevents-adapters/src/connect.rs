//! Picks a backend by its configured word. A backend that was not compiled in is a typed error that names the feature.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use myevents_core::contract::MessageName;
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::memory::MemoryStore;
use myevents_core::observe::Observer;
use myevents_core::ports::{
    ApiKeys, Clock, DeadLetterQueue, DeadLetters, EventEmitter, EventListener, Mailer, Store,
};
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::watch;

use crate::migrate::{Tallies, Witness};
pub use crate::tools::{CheckResult, StoreTools};
use crate::tools::{NoTools, unsupported};
use crate::transfer::Part;

/// Which store to open, and for whom.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The backend's word: `sqlite`, `memory`, …
    pub kind: String,
    /// The file or URL.
    pub location: String,
    /// The authorities of the store's certificate, PEM, and no others; `None` = those of the backend's default. With one
    /// the store is spoken to over TLS or not at all. Without effect where there is nothing to prove: `sqlite`, `memory`.
    pub ca: Option<PathBuf>,
    /// Whose records it holds, such as `eventservice`.
    pub role: String,
    /// Opened by a command beside a running service, not by the service.
    pub tool: bool,
    /// Whether tables that are not there are made, where the store has tables to make.
    pub create_tables: bool,
    /// Put before the names of tables, where services share one name space.
    pub table_prefix: String,
}

/// A store with what hangs on it.
#[derive(Debug, Clone)]
pub struct OpenStore {
    /// Records, outbox and inbox.
    pub store: Arc<dyn Store>,
    /// The keys for machines kept in it.
    pub api_keys: Arc<dyn ApiKeys>,
    /// The dead letters kept in it, for the `local` broker.
    pub dead_letters: Arc<dyn DeadLetterQueue>,
    /// What operators ask of it.
    pub tools: Arc<dyn StoreTools>,
}

/// Which broker to open, and for whom. Of the parts named after brokers only that of `kind` is used.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// The backend's word: `local`, `amqp`, `kafka`, `sqs`.
    pub kind: String,
    /// Whose messages it carries, such as `bookingservice`: the source of what is published, and the name of the group
    /// that its own queue belongs to.
    pub service: String,
    /// Messages that need a subscriber.
    pub required_names: Vec<MessageName>,
    /// The largest body in bytes.
    pub max_message_bytes: usize,
    /// Whether the original services' spelling of names is sent.
    pub legacy_names: bool,
    /// Whom the broker is proven by.
    pub tls: BrokerTls,
    /// For `amqp`.
    pub amqp: AmqpOptions,
    /// For `kafka`.
    pub kafka: KafkaOptions,
    /// For `sqs`.
    pub sqs: SqsOptions,
}

/// Whom a broker is proven by over TLS, and how the service proves itself to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerTls {
    /// The authorities of the broker's certificate, PEM, and no others; `None` = the system's. With one the broker is
    /// spoken to over TLS or not at all.
    pub ca: Option<PathBuf>,
    /// The service's own certificate chain and key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// What RabbitMQ is opened with.
#[derive(Clone, Default)]
pub struct AmqpOptions {
    /// Where it is; several are tried in turn. They hold passwords.
    pub urls: Vec<String>,
    /// The queue of the service's own group.
    pub queue: String,
    /// `quorum` or `classic`.
    pub queue_type: String,
}

impl Debug for AmqpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AmqpOptions")
            .field("urls", &self.urls.len())
            .field("queue", &self.queue)
            .field("queue_type", &self.queue_type)
            .finish()
    }
}

/// What Kafka is opened with.
#[derive(Debug, Clone, Default)]
pub struct KafkaOptions {
    /// Where brokers are.
    pub brokers: Vec<String>,
    /// The topic of all messages.
    pub topic: String,
    /// The consumer group of the service's own group.
    pub group: String,
    /// Partitions of a topic that has to be made.
    pub partitions: u32,
}

/// What SQS is opened with; region, credentials and endpoint come from the AWS SDK's own variables.
#[derive(Debug, Clone, Default)]
pub struct SqsOptions {
    /// The queue of the service's own group.
    pub queue: String,
    /// The queues that messages are sent to; empty = the service's own.
    pub destinations: Vec<String>,
    /// An SNS topic that messages are published to instead; empty = none.
    pub topic: String,
    /// Whether queues and topic that are not there are made.
    pub create_queues: bool,
    /// How long a queue's new policy is waited for before the queue is subscribed to the topic.
    pub policy_wait: Duration,
    /// Messages a receive.
    pub max_messages: u32,
    /// How long a receive waits.
    pub wait_time: Duration,
    /// How long a received message stays hidden from others.
    pub visibility_timeout: Duration,
}

/// A broker.
#[derive(Debug, Clone)]
pub struct OpenBroker {
    /// Takes messages.
    pub emitter: Arc<dyn EventEmitter>,
    /// Gives messages.
    pub listener: Arc<dyn EventListener>,
    /// What services and operators ask of it.
    pub tools: Arc<dyn BrokerTools>,
}

/// What services and operators ask of a broker beside its messages.
pub trait BrokerTools: Debug + Send + Sync + 'static {
    /// Makes a group known before it subscribes, so that nothing published meanwhile passes it by. Where the broker is
    /// away it is made known as soon as it is there.
    fn declare(&self, group: &str, names: &[MessageName]);

    /// The dead letters of a group; `rows` keeps them where the broker has no place of its own.
    fn dead_letters(&self, group: &str, rows: Arc<dyn DeadLetterQueue>) -> Arc<dyn DeadLetters>;

    /// The log as it is now, for building a copy anew. Most brokers keep none.
    ///
    /// # Errors
    /// `Unsupported` where messages are gone once they are handled.
    fn replay(&self) -> Result<Replay> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "replay",
            "this broker keeps no log to read again; `republish` at the event service announces everything anew",
        ))
    }
}

/// A log to read again.
#[derive(Debug)]
pub struct Replay {
    /// Its streams give every message up to the ends of the log at their start, and end when all are settled.
    pub listener: Arc<dyn EventListener>,
    /// How far the last stream is.
    pub progress: watch::Receiver<ReplayProgress>,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Records that are done with.
    pub done: u64,
    /// Records there are.
    pub total: u64,
}

impl BrokerTools for LocalBroker {
    fn declare(&self, group: &str, names: &[MessageName]) {
        LocalBroker::declare(self, group, names);
    }

    fn dead_letters(&self, group: &str, rows: Arc<dyn DeadLetterQueue>) -> Arc<dyn DeadLetters> {
        LocalBroker::dead_letters(self, group, rows)
    }
}

#[allow(dead_code, reason = "with every backend built nothing calls it")]
pub(crate) fn not_built(operation: &'static str, feature: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        operation,
        format!("this program was built without feature {feature}"),
    )
}

fn unknown(operation: &'static str, kind: &str) -> Error {
    Error::new(ErrorKind::Config, operation, "there is no such backend").with("type", kind)
}

/// Opens a store.
///
/// # Errors
/// `Unsupported` "built without feature …"; `Config` for an unknown word; what the backend's own opening answers.
pub async fn store(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<OpenStore> {
    match options.kind.as_str() {
        "memory" => {
            let store = Arc::new(MemoryStore::new(clock));
            Ok(OpenStore {
                store: Arc::<MemoryStore>::clone(&store),
                api_keys: Arc::<MemoryStore>::clone(&store),
                dead_letters: store,
                tools: Arc::new(NoTools),
            })
        }
        "sqlite" => sqlite(options, clock).await,
        "mongodb" => mongodb(options, clock).await,
        "dynamodb" => dynamodb(options, clock).await,
        kind => Err(unknown("open store", kind)),
    }
}

/// Opens a broker, which may be away: it is then used as soon as it is there.
///
/// # Errors
/// `Unsupported` "built without feature …"; `Config` for an unknown word or an option that can't be.
#[allow(
    clippy::unused_async,
    reason = "the brokers that are reached over a network may be opened asynchronously, and within a runtime"
)]
pub async fn broker(options: &BrokerOptions, observer: Arc<dyn Observer>) -> Result<OpenBroker> {
    match options.kind.as_str() {
        "local" => {
            let local = LocalOptions {
                required_names: options.required_names.clone(),
                max_message_bytes: options.max_message_bytes,
                ..LocalOptions::default()
            };
            let local = LocalBroker::new(local, observer);
            Ok(OpenBroker {
                emitter: Arc::new(local.clone()),
                listener: Arc::new(local.clone()),
                tools: Arc::new(local),
            })
        }
        "amqp" => amqp(options),
        "kafka" => kafka(options, observer).await,
        "sqs" if options.sqs.topic.is_empty() => sqs(options).await,
        "sqs" => sns(options).await,
        kind => Err(unknown("open broker", kind)),
    }
}

/// Which mail server to send by, and as whom.
#[derive(Debug, Clone)]
pub struct MailerOptions {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: MailerSecurity,
    /// The authorities of its certificate, PEM, and no others; `None` = the system's.
    pub ca: Option<PathBuf>,
    /// Who signs in there, and the file with the password.
    pub sign_in: Option<(String, PathBuf)>,
    /// The name that mails come from; may be empty.
    pub from_name: String,
    /// The address that they come from.
    pub from_address: String,
    /// The most connections at once.
    pub connections: usize,
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailerSecurity {
    /// Without TLS.
    None,
    /// TLS by `STARTTLS`, or not at all.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// Makes what hands mails to a server, which may be away.
///
/// # Errors
/// `Unsupported` "built without feature …"; `Config` for a file that can't be read, or an address that is none.
pub fn mailer(options: &MailerOptions) -> Result<Arc<dyn Mailer>> {
    smtp(options)
}

#[cfg(feature = "smtp")]
use crate::smtp::open as smtp;

#[cfg(not(feature = "smtp"))]
fn smtp(_options: &MailerOptions) -> Result<Arc<dyn Mailer>> {
    Err(not_built("open mailer", "smtp"))
}

/// Puts a backup back as the store of `options`, which no service may be using.
///
/// # Errors
/// `Unsupported` for a store without backups; what the backend's own restoring answers.
pub fn restore(options: &StoreOptions, folder: &Path) -> Result<()> {
    match options.kind.as_str() {
        "sqlite" => sqlite_restore(options, folder),
        kind => Err(unsupported("restore").with("type", kind)),
    }
}

/// Brings what the original system left in the MongoDB database at `url` into a store, by its role; see `original` (feature
/// `mongodb`). With `dry_run` nothing is written.
///
/// # Errors
/// `Unsupported` "built without feature …"; what the original and the store answer.
pub async fn migrate_mongodb(
    url: &str,
    to: Part<'_>,
    dry_run: bool,
    witness: &mut dyn Witness,
) -> Result<Tallies> {
    bring(url, to, dry_run, witness).await
}

#[cfg(feature = "mongodb")]
use crate::original::bring;

#[cfg(not(feature = "mongodb"))]
async fn bring(_url: &str, _to: Part<'_>, _dry_run: bool, _witness: &mut dyn Witness) -> Result<Tallies> {
    Err(not_built("migrate", "mongodb"))
}

#[cfg(feature = "mongodb")]
use crate::mongodb::connect::open as mongodb;

#[cfg(not(feature = "mongodb"))]
async fn mongodb(_options: &StoreOptions, _clock: Arc<dyn Clock>) -> Result<OpenStore> {
    Err(not_built("open store", "mongodb"))
}

#[cfg(feature = "amqp")]
use crate::amqp::connect::open as amqp;

#[cfg(not(feature = "amqp"))]
fn amqp(_options: &BrokerOptions) -> Result<OpenBroker> {
    Err(not_built("open broker", "amqp"))
}

#[cfg(feature = "kafka")]
use crate::kafka::connect::open as kafka;

#[cfg(not(feature = "kafka"))]
async fn kafka(_options: &BrokerOptions, _observer: Arc<dyn Observer>) -> Result<OpenBroker> {
    Err(not_built("open broker", "kafka"))
}

#[cfg(feature = "sqs")]
use crate::sqs::connect::open as sqs;

#[cfg(not(feature = "sqs"))]
async fn sqs(_options: &BrokerOptions) -> Result<OpenBroker> {
    Err(not_built("open broker", "sqs"))
}

#[cfg(feature = "sns")]
use crate::sns::connect::open as sns;

#[cfg(not(feature = "sns"))]
async fn sns(_options: &BrokerOptions) -> Result<OpenBroker> {
    Err(not_built("open broker", "sns"))
}

#[cfg(feature = "sqlite")]
use crate::sqlite::connect::{open as sqlite, restore as sqlite_restore};

#[cfg(feature = "dynamodb")]
use crate::dynamodb::connect::open as dynamodb;

#[cfg(not(feature = "dynamodb"))]
async fn dynamodb(_options: &StoreOptions, _clock: Arc<dyn Clock>) -> Result<OpenStore> {
    Err(not_built("open store", "dynamodb"))
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_options: &StoreOptions, _clock: Arc<dyn Clock>) -> Result<OpenStore> {
    Err(not_built("open store", "sqlite"))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite_restore(_options: &StoreOptions, _folder: &Path) -> Result<()> {
    Err(not_built("restore", "sqlite"))
}

#[cfg(test)]
mod tests {
    use myevents_core::observe::NoObserver;
    use myevents_core::ports::SystemClock;

    use super::*;

    fn told(result: Result<impl Debug>) -> (ErrorKind, String) {
        let error = result.unwrap_err();
        (error.kind(), error.message().to_owned())
    }

    #[test]
    fn a_mailer_that_is_not_built_says_so() {
        let options = MailerOptions {
            host: "localhost".into(),
            port: 25,
            security: MailerSecurity::None,
            ca: None,
            sign_in: None,
            from_name: String::new(),
            from_address: "a@example.org".into(),
            connections: 1,
        };
        let opened = mailer(&options);
        if cfg!(feature = "smtp") {
            assert!(opened.is_ok());
        } else {
            let (kind, message) = told(opened);
            assert_eq!(kind, ErrorKind::Unsupported);
            assert_eq!(message, "this program was built without feature smtp");
        }
    }

    #[tokio::test]
    async fn what_is_not_built_says_so() {
        let stores = [
            ("sqlite", cfg!(feature = "sqlite")),
            ("mongodb", cfg!(feature = "mongodb")),
            ("dynamodb", cfg!(feature = "dynamodb")),
        ];
        for (kind, built) in stores {
            if built {
                continue;
            }
            let options = StoreOptions {
                kind: kind.into(),
                location: String::new(),
                ca: None,
                role: "eventservice".into(),
                tool: false,
                create_tables: true,
                table_prefix: String::new(),
            };
            let expected = format!("this program was built without feature {kind}");
            let opened = store(&options, Arc::new(SystemClock)).await;
            assert_eq!(told(opened), (ErrorKind::Unsupported, expected));
        }
        let options = |kind: &str| BrokerOptions {
            kind: kind.into(),
            service: "bookingservice".into(),
            required_names: Vec::new(),
            max_message_bytes: 1_000,
            legacy_names: false,
            tls: BrokerTls::default(),
            amqp: AmqpOptions::default(),
            kafka: KafkaOptions::default(),
            sqs: SqsOptions::default(),
        };
        let brokers = [
            ("amqp", cfg!(feature = "amqp")),
            ("kafka", cfg!(feature = "kafka")),
            ("sqs", cfg!(feature = "sqs")),
        ];
        for (kind, built) in brokers {
            if built {
                continue;
            }
            let expected = format!("this program was built without feature {kind}");
            let opened = broker(&options(kind), Arc::new(NoObserver)).await;
            assert_eq!(told(opened), (ErrorKind::Unsupported, expected));
        }
        let opened = broker(&options("pigeon"), Arc::new(NoObserver)).await;
        assert_eq!(told(opened).0, ErrorKind::Config);
    }
}
