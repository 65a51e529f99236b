//! Dead letters as records: what is written for one, and how it is read. Who lists and sends back is `dead_letters`.
//!
//! The topic is compacted and a letter's key names it, so a letter put twice is one, and a letter that was sent back or
//! dropped is an empty record of its key, after which compaction forgets it.

use std::sync::Arc;

use rdkafka::message::{Header, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::client::{Logs, blocking};
use super::codec::{self, Encoded};
use super::config::KafkaConfig;
use super::error;
use super::topology::{LARGEST_LETTER, Topology};
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{Clock, DeadLetter, SystemClock};
use myevents_core::{ErrorKind, Result};

/// Begins the names of the headers that are a letter's and not its message's.
pub(super) const PREFIX: &str = "dead-";
const CONSUMER: &str = "dead-consumer";
const ORIGIN: &str = "dead-origin";
const REASON: &str = "dead-reason";
const ATTEMPTS: &str = "dead-attempts";
const AT: &str = "dead-at";
/// The value is no message, and is kept as it came.
const UNREADABLE: &str = "dead-unreadable";
const MESSAGE_ID: &str = "ce_id";
const MESSAGE_KEY: &str = "ce_partitionkey";

/// Writes a group's dead letters, and what is sent back to it.
pub(super) struct Letters {
    config: Arc<KafkaConfig>,
    topology: Arc<Topology>,
    group: String,
    topic: String,
    retry_topic: String,
    producer: OnceCell<FutureProducer<Logs>>,
    dead_there: OnceCell<()>,
    retry_there: OnceCell<()>,
}

/// What stands around a message in its letter.
struct About<'a> {
    consumer: &'a str,
    origin: &'a str,
    reason: &'a str,
    attempts: u32,
    at: UnixMillis,
}

impl Letters {
    pub(super) fn new(config: Arc<KafkaConfig>, topology: Arc<Topology>, group: &str) -> Result<Self> {
        Ok(Self {
            group: group.to_owned(),
            topic: config.dead_topic(group)?,
            retry_topic: config.retry_topic(group)?,
            producer: OnceCell::new(),
            dead_there: OnceCell::new(),
            retry_there: OnceCell::new(),
            config,
            topology,
        })
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// Stores a letter.
    pub(super) async fn put(&self, letter: &DeadLetter) -> Result<()> {
        let Encoded { value, headers } = codec::encode(&letter.envelope, false)?;
        let headers = about(
            headers,
            &About {
                consumer: &letter.consumer,
                origin: &letter.origin,
                reason: &letter.reason,
                attempts: letter.attempts,
                at: letter.at,
            },
        );
        let key = format!("{}#{}", letter.origin, letter.envelope.id());
        self.write(&key, &value, headers).await
    }

    /// Stores a record that holds no message, as it is.
    pub(super) async fn put_record(&self, consumer: &str, record: &OwnedMessage, reason: &str) -> Result<()> {
        let origin = codec::origin(record);
        let mut headers = without_about(record);
        let add = |headers: OwnedHeaders, key, value: &str| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        };
        if codec::text(record, MESSAGE_ID).is_none() {
            headers = add(headers, MESSAGE_ID, &origin);
        }
        if let (Some(key), None) = (record.key(), codec::text(record, MESSAGE_KEY)) {
            headers = add(headers, MESSAGE_KEY, &String::from_utf8_lossy(key));
        }
        headers = add(headers, UNREADABLE, "true");
        let headers = about(
            headers,
            &About {
                consumer,
                origin: &origin,
                reason,
                attempts: 1,
                at: SystemClock.now(),
            },
        );
        // Without any value it would be a letter that is gone.
        let value = record.payload().unwrap_or_default();
        self.write(&origin, value, headers).await
    }

    /// Sends the message of a letter back to the group, and to no other.
    pub(super) async fn send_back(&self, record: &OwnedMessage) -> Result<()> {
        let (topology, group) = (Arc::clone(&self.topology), self.group.clone());
        let there = self.retry_there.get_or_try_init(|| async {
            let handle = Handle::current();
            blocking("open topic", move || topology.group_there(&handle, &group)).await
        });
        there.await?;
        let key = codec::text(record, MESSAGE_KEY);
        let value = record.payload().unwrap_or_default();
        let mut sent = FutureRecord::<str, [u8]>::to(&self.retry_topic)
            .payload(value)
            .headers(without_about(record));
        if let Some(key) = key {
            sent = sent.key(key);
        }
        self.send(sent).await
    }

    /// The letter of this key is gone.
    pub(super) async fn forget(&self, key: &[u8]) -> Result<()> {
        let record = FutureRecord::<[u8], [u8]>::to(&self.topic).partition(0).key(key);
        self.send(record).await
    }

    async fn write(&self, key: &str, value: &[u8], headers: OwnedHeaders) -> Result<()> {
        let (topology, group) = (Arc::clone(&self.topology), self.group.clone());
        let there = self.dead_there.get_or_try_init(|| async {
            let handle = Handle::current();
            blocking("open topic", move || topology.dead_there(&handle, &group)).await
        });
        there.await?;
        let record = |value, headers| {
            let record = FutureRecord::<str, [u8]>::to(&self.topic).partition(0);
            record.key(key).payload(value).headers(headers)
        };
        let sent = self.send(record(value, headers.clone())).await;
        match sent {
            // Its key must not wait for ever. The message itself stays where the letter says it lay.
            Err(error) if matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Rejected) => {
                tracing::error!(topic = self.topic, key, %error, "a dead letter is stored without its message");
                let headers = headers.insert(Header {
                    key: UNREADABLE,
                    value: Some("the message is too large for the dead letters"),
                });
                self.send(record(b"", headers)).await
            }
            sent => sent,
        }
    }

    async fn send<K>(&self, record: FutureRecord<'_, K, [u8]>) -> Result<()>
    where
        K: rdkafka::message::ToBytes + ?Sized + Sync,
    {
        let made = self.producer.get_or_try_init(|| async {
            let mut client = self.config.producer();
            client.set("message.max.bytes", LARGEST_LETTER.to_string());
            let made = client.create_with_context(Logs);
            made.map_err(|error| error::call("open kafka", error))
        });
        let producer = made.await?;
        match producer.send(record, self.config.delivery_timeout).await {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error::publish(error)),
        }
    }
}

impl Drop for Letters {
    /// In a thread that may wait for librdkafka's.
    fn drop(&mut self) {
        if let Some(producer) = self.producer.take() {
            std::thread::spawn(move || drop(producer));
        }
    }
}

fn about(mut headers: OwnedHeaders, about: &About<'_>) -> OwnedHeaders {
    let (attempts, at) = (about.attempts.to_string(), time(about.at));
    for (key, value) in [
        (CONSUMER, about.consumer),
        (ORIGIN, about.origin),
        (REASON, about.reason),
        (ATTEMPTS, &attempts),
        (AT, &at),
    ] {
        headers = headers.insert(Header {
            key,
            value: Some(value),
        });
    }
    headers
}

fn time(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}

/// The record's headers but for those of a letter.
fn without_about(record: &OwnedMessage) -> OwnedHeaders {
    let mut kept = OwnedHeaders::new();
    for header in codec::headers_of(record) {
        if !header.key.starts_with(PREFIX) {
            kept = kept.insert(header);
        }
    }
    kept
}

/// The letter in a record.
pub(super) fn read(record: &OwnedMessage) -> DeadLetter {
    let text = |name| codec::text(record, name);
    let key = text(MESSAGE_KEY).unwrap_or_default();
    let envelope = match codec::decode(record, Some(key)) {
        Ok(envelope) if text(UNREADABLE).is_none() => envelope,
        _ => codec::as_it_is(record, key),
    };
    let at = text(AT).and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let stored = record.timestamp().to_millis().unwrap_or_default();
    DeadLetter {
        consumer: text(CONSUMER).unwrap_or_default().to_owned(),
        origin: text(ORIGIN).unwrap_or_default().to_owned(),
        reason: text(REASON).unwrap_or_default().to_owned(),
        attempts: text(ATTEMPTS)
            .and_then(|attempts| attempts.parse().ok())
            .unwrap_or(1),
        at: UnixMillis(at.map_or(stored, jiff::Timestamp::as_millisecond)),
        envelope,
    }
}
