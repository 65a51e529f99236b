//! Consuming a full topic with a new group, each message settled by itself; measured from the first to the last.
//!
//! The bare client twice: once it stores the offset of each record and looks at nothing else, once it also takes out of the
//! record what whoever handles the message needs, as ours does: key, headers, name and body, in memory of their own.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use myevents_adapters::kafka::KafkaBroker;
use myevents_adapters::kafka::rdkafka::ClientConfig;
use myevents_adapters::kafka::rdkafka::consumer::{Consumer as _, StreamConsumer};
use myevents_adapters::kafka::rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use myevents_core::contract::Envelope;
use myevents_core::ports::{EventEmitter as _, EventListener as _, StartFrom, Subscription};
use serde::Deserialize;
use serde_json::value::RawValue;

const TOPIC: &str = "consume";

/// A record's value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Value<'a> {
    event_name: &'a str,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// What a handler needs of a record.
#[allow(dead_code, reason = "taken out of the record, and looked at by nobody here")]
struct Read {
    key: String,
    name: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Read {
    fn new(record: &BorrowedMessage<'_>) -> Result<Self> {
        let value: Value<'_> = serde_json::from_slice(record.payload().context("no value")?)?;
        let headers = record.headers().context("no headers")?;
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        Ok(Self {
            key: text(record.key()),
            name: value.event_name.to_owned(),
            headers: headers
                .iter()
                .map(|header| (header.key.to_owned(), text(header.value)))
                .collect(),
            body: value.payload.get().as_bytes().to_vec(),
        })
    }
}

pub(crate) struct Sides {
    broker: KafkaBroker,
    brokers: String,
    count: usize,
}

impl Sides {
    pub(crate) async fn new(brokers: &str, messages: Vec<Envelope>) -> Result<Self> {
        let broker = KafkaBroker::new(crate::config(brokers, TOPIC))?;
        let emitter = broker.emitter()?;
        for batch in messages.chunks(5_000) {
            for result in emitter.emit(batch).await {
                result?;
            }
        }
        emitter.close().await?;
        Ok(Self {
            broker,
            brokers: brokers.to_owned(),
            count: messages.len(),
        })
    }

    pub(crate) async fn ours(&self, round: usize) -> Result<f64> {
        let listener = self.broker.listener();
        let subscription = Subscription {
            group: format!("ours-{round}"),
            names: Vec::new(),
            prefetch: 256,
            from: StartFrom::Beginning,
        };
        let mut stream = listener.subscribe(subscription).await?;
        let count = self.count;
        // In a task of its own, as the bare one is and as dispatch is.
        let rate = tokio::spawn(async move {
            let mut started = None;
            for _ in 0..count {
                let delivery = stream.next().await.context("the stream ended")?;
                started.get_or_insert_with(Instant::now);
                delivery.ack().await?;
            }
            rate(count, started)
        });
        let rate = rate.await??;
        listener.close().await?;
        Ok(rate)
    }

    /// `read` says whether the records are looked at.
    pub(crate) async fn bare(&self, round: usize, read: bool) -> Result<f64> {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", format!("bare-{read}-{round}"))
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "200")
            .set("enable.auto.offset.store", "false")
            .set("partition.assignment.strategy", "cooperative-sticky");
        let consumer: StreamConsumer = client.create()?;
        consumer.subscribe(&[TOPIC])?;
        let count = self.count;
        let rate = tokio::spawn(async move {
            let mut started = None;
            for _ in 0..count {
                let record = consumer.recv().await?;
                started.get_or_insert_with(Instant::now);
                if read {
                    black_box(Read::new(&record)?);
                }
                consumer.store_offset_from_message(&record)?;
            }
            let rate = rate(count, started);
            tokio::task::spawn_blocking(move || drop(consumer)).await?;
            rate
        });
        rate.await?
    }
}

fn rate(count: usize, started: Option<Instant>) -> Result<f64> {
    let started = started.context("nothing came")?;
    Ok(count as f64 / started.elapsed().as_secs_f64())
}
