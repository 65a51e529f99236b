//! `KafkaEmitter`: publishes with an idempotent producer and answers after the delivery report.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::client::{Logs, blocking};
use super::codec::{self, Encoded};
use super::config::KafkaConfig;
use super::topology::Topology;
use super::{capabilities, error};
use myevents_core::contract::Envelope;
use myevents_core::ports::{BrokerCapabilities, EventEmitter};
use myevents_core::{Error, ErrorKind, Result};

/// Between two looks at a full queue.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

type Make<C> = Box<dyn Fn() -> KafkaResult<FutureProducer<C>> + Send + Sync>;

/// Publishes to one topic of Kafka.
///
/// A message is answered with `Ok` after all in-sync replicas have it (`acks=all`). A full queue makes `emit` wait. While the
/// brokers are away a message is answered `OutcomeUnknown` after the delivery timeout.
pub struct KafkaEmitter<C: ClientContext + 'static = Logs> {
    config: Arc<KafkaConfig>,
    /// Absent where the caller looks after the topic.
    topology: Option<Arc<Topology>>,
    producer: Mutex<Option<FutureProducer<C>>>,
    /// Makes another producer when one has failed for good.
    make: Option<Make<C>>,
    closed: OnceCell<()>,
}

impl<C: ClientContext + 'static> fmt::Debug for KafkaEmitter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaEmitter")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KafkaEmitter {
    pub(super) fn new(config: Arc<KafkaConfig>, topology: Arc<Topology>) -> Result<Self> {
        let client = config.producer();
        let make = move || client.create_with_context(Logs);
        let producer = make().map_err(|error| error::call("open kafka", error))?;
        Ok(Self {
            config,
            topology: Some(topology),
            producer: Mutex::new(Some(producer)),
            make: Some(Box::new(make)),
            closed: OnceCell::new(),
        })
    }
}

impl<C: ClientContext + 'static> KafkaEmitter<C> {
    /// Publishes with the caller's own producer, to `config.topic`, which has to be there.
    ///
    /// Set `enable.idempotence=true`: without it a retry inside librdkafka may turn the order of a key's messages. A producer
    /// that failed for good is not replaced. Closing flushes it and leaves it open.
    #[must_use]
    pub fn from_producer(producer: FutureProducer<C>, config: KafkaConfig) -> Self {
        Self {
            config: Arc::new(config),
            topology: None,
            producer: Mutex::new(Some(producer)),
            make: None,
            closed: OnceCell::new(),
        }
    }

    fn producer(&self) -> Result<FutureProducer<C>> {
        let producer = self.producer.lock().clone();
        producer.ok_or_else(|| closed("publish"))
    }

    /// Puts a message into the producer's queue; waits while that is full.
    async fn enqueue(&self, producer: &FutureProducer<C>, envelope: &Envelope) -> Result<DeliveryFuture> {
        let most = self.config.max_message_bytes;
        if envelope.body().len() > most {
            return Err(
                Error::new(ErrorKind::TooLarge, "publish", "the message is too large")
                    .with("bytes", envelope.body().len())
                    .with("most", most),
            );
        }
        let Encoded { value, headers } = codec::encode(envelope, self.config.legacy_names)?;
        let mut record = FutureRecord::<str, [u8]>::to(&self.config.topic)
            .payload(&value)
            .headers(headers);
        if !envelope.key().is_empty() {
            record = record.key(envelope.key());
        }
        let given_up = Instant::now() + self.config.delivery_timeout;
        loop {
            match producer.send_result(record) {
                Ok(delivery) => return Ok(delivery),
                Err((error, again)) if error::is_full(&error) && Instant::now() < given_up => {
                    record = again;
                    tokio::time::sleep(QUEUE_PAUSE).await;
                }
                Err((error, _)) => {
                    self.replace_if_fatal(producer, &error);
                    return Err(error::publish(error));
                }
            }
        }
    }

    async fn delivered(&self, producer: &FutureProducer<C>, delivery: DeliveryFuture) -> Result<()> {
        match delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => {
                self.replace_if_fatal(producer, &error);
                Err(error::publish(error))
            }
            Err(_) => Err(error::publish(KafkaError::Canceled)),
        }
    }

    /// An idempotent producer that can't tell any more what arrived refuses all that follows.
    fn replace_if_fatal(&self, failed: &FutureProducer<C>, error: &KafkaError) {
        let (true, Some(make)) = (error::is_fatal(error), &self.make) else {
            return;
        };
        let mut current = self.producer.lock();
        // Another call may have replaced it already.
        if !current
            .as_ref()
            .is_some_and(|current| std::ptr::eq(current.client(), failed.client()))
        {
            return;
        }
        tracing::warn!(%error, "kafka's producer failed for good; another one is made");
        match make() {
            Ok(made) => {
                let old = current.replace(made);
                // Dropping it waits for its thread.
                std::thread::spawn(move || drop(old));
            }
            Err(error) => tracing::error!(%error, "no other producer can be made"),
        }
    }
}

impl<C: ClientContext + 'static> Drop for KafkaEmitter<C> {
    /// Not closed: what is under way is dropped, in a thread that may wait for librdkafka's.
    fn drop(&mut self) {
        if let Some(producer) = self.producer.get_mut().take() {
            std::thread::spawn(move || drop(producer));
        }
    }
}

fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the emitter is closed")
}

#[async_trait]
impl<C: ClientContext + 'static> EventEmitter for KafkaEmitter<C> {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.config)
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        let ready = async {
            let producer = self.producer()?;
            if let (false, Some(topology)) = (messages.is_empty(), &self.topology) {
                topology.events_there().await?;
            }
            Ok(producer)
        };
        let producer = match ready.await {
            Ok(producer) => producer,
            Err(error) => return messages.iter().map(|_| Err(Error::duplicate(&error))).collect(),
        };
        // One after the other into the queue, so that a key's messages stay in order; then all are waited for.
        let mut open = Vec::with_capacity(messages.len());
        for message in messages {
            open.push(self.enqueue(&producer, message).await);
        }
        // In their order, which is nearly that of the reports: waiting for all at once costs more and ends no sooner.
        let mut answers = Vec::with_capacity(open.len());
        for queued in open {
            answers.push(match queued {
                Ok(delivery) => self.delivered(&producer, delivery).await,
                Err(error) => Err(error),
            });
        }
        let missing =
            |answer: &Result<()>| matches!(answer, Err(error) if error.kind() == ErrorKind::Unroutable);
        if let Some(topology) = self.topology.as_ref().filter(|_| answers.iter().any(missing)) {
            topology.missed();
        }
        answers
    }

    async fn ping(&self) -> Result<()> {
        let producer = self.producer().map_err(|_| closed("ping"))?;
        // First: on some clusters asking for a topic makes it, and not as we want it.
        if let Some(topology) = &self.topology {
            topology.events_there().await?;
        }
        let (topic, within) = (self.config.topic.clone(), self.config.request_timeout);
        blocking("ping", move || {
            let asked = producer.client().fetch_metadata(Some(&topic), within);
            asked.map(drop).map_err(|error| error::call("ping", error))
        })
        .await
    }

    /// Waits for open publishes, at most the close timeout.
    async fn close(&self) -> Result<()> {
        let closing = self.closed.get_or_try_init(|| async {
            let Some(producer) = self.producer.lock().take() else {
                return Ok(());
            };
            let within = self.config.close_timeout;
            blocking("close kafka", move || {
                let flushed = producer.flush(within);
                drop(producer);
                flushed.map_err(|error| error::call("close kafka", error))
            })
            .await
        });
        closing.await.map(drop)
    }
}
