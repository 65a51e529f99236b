//! Publishing: batches of 500 from four tasks at once, each answered after its delivery report.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use futures_util::future::try_join_all;
use myevents_adapters::kafka::rdkafka::ClientConfig;
use myevents_adapters::kafka::rdkafka::message::{Header, OwnedHeaders};
use myevents_adapters::kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use myevents_adapters::kafka::{KafkaBroker, KafkaEmitter};
use myevents_core::contract::Envelope;
use myevents_core::ports::EventEmitter as _;

const TASKS: usize = 4;
const BATCH: usize = 500;
const TOPIC: &str = "emit";

/// A record as ours is on the wire, made beforehand.
struct Record {
    key: String,
    value: Vec<u8>,
    headers: OwnedHeaders,
}

pub(crate) struct Sides {
    emitter: Arc<KafkaEmitter>,
    producer: FutureProducer,
    messages: Vec<Arc<Vec<Envelope>>>,
    records: Vec<Arc<Vec<Record>>>,
}

impl Sides {
    pub(crate) async fn new(brokers: &str, messages: Vec<Envelope>) -> Result<Self> {
        let emitter = KafkaBroker::new(crate::config(brokers, TOPIC))?.emitter()?;
        emitter.ping().await?;
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "1")
            .set("partitioner", "murmur2_random");
        let size = messages.len().div_ceil(TASKS);
        Ok(Self {
            emitter: Arc::new(emitter),
            producer: client.create()?,
            records: messages
                .chunks(size)
                .map(|part| Arc::new(part.iter().map(record).collect()))
                .collect(),
            messages: messages
                .chunks(size)
                .map(|part| Arc::new(part.to_vec()))
                .collect(),
        })
    }

    pub(crate) async fn ours(&self) -> Result<f64> {
        let started = Instant::now();
        let tasks = self.messages.iter().map(|part| {
            let (emitter, part) = (Arc::clone(&self.emitter), Arc::clone(part));
            tokio::spawn(async move {
                for batch in part.chunks(BATCH) {
                    for result in emitter.emit(batch).await {
                        result?;
                    }
                }
                anyhow::Ok(part.len())
            })
        });
        rate(try_join_all(tasks).await?, started)
    }

    pub(crate) async fn bare(&self) -> Result<f64> {
        let started = Instant::now();
        let tasks = self.records.iter().map(|part| {
            let (producer, part) = (self.producer.clone(), Arc::clone(part));
            tokio::spawn(async move {
                for batch in part.chunks(BATCH) {
                    let mut open = Vec::with_capacity(batch.len());
                    for record in batch {
                        let sent = FutureRecord::to(TOPIC)
                            .key(&record.key)
                            .payload(&record.value)
                            .headers(record.headers.clone());
                        open.push(producer.send_result(sent).map_err(|(error, _)| error)?);
                    }
                    for delivery in open {
                        delivery.await?.map_err(|(error, _)| error)?;
                    }
                }
                anyhow::Ok(part.len())
            })
        });
        rate(try_join_all(tasks).await?, started)
    }
}

fn rate(counts: Vec<Result<usize>>, started: Instant) -> Result<f64> {
    let mut sum = 0;
    for count in counts {
        sum += count?;
    }
    Ok(sum as f64 / started.elapsed().as_secs_f64())
}

fn record(envelope: &Envelope) -> Record {
    let body = String::from_utf8_lossy(envelope.body());
    let mut headers = OwnedHeaders::new();
    for (key, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", envelope.id().as_str()),
        ("ce_type", envelope.name().as_str()),
        ("content-type", "application/json"),
        ("ce_source", "/bookingservice"),
        ("ce_time", "2026-11-25T18:00:00.000Z"),
        ("ce_partitionkey", envelope.key()),
    ] {
        headers = headers.insert(Header {
            key,
            value: Some(value),
        });
    }
    Record {
        key: envelope.key().to_owned(),
        value: format!(r#"{{"eventName":"{}","payload":{body}}}"#, envelope.name()).into_bytes(),
        headers,
    }
}
