//! `AmqpEmitter`: publishes to the topic exchange, each answer after the broker's confirm.

use std::sync::Arc;

use async_trait::async_trait;
use myevents_core::Result;
use myevents_core::contract::Envelope;
use myevents_core::ports::{BrokerCapabilities, EventEmitter, MessageOrder};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::codec;
use super::config::AmqpConfig;
use super::error::closed;
use super::link::Link;
use super::publisher::Publisher;

/// Publishes with confirms. Made by [`AmqpBroker::emitter`](super::AmqpBroker::emitter).
///
/// * Open publishes of many calls go side by side; the messages of one call leave in their order.
/// * A message whose connection is lost before its confirm is `OutcomeUnknown`; one that had not left is `Unavailable`.
/// * While the broker is away, or takes no messages because it is low on memory or disk, a call waits a little
///   ([`AmqpConfig::publish_wait`]) and answers `Unavailable`.
#[derive(Debug)]
pub struct AmqpEmitter {
    config: Arc<AmqpConfig>,
    link: Arc<Link>,
    publisher: Arc<Publisher>,
    /// Calls that are open; closed with the emitter.
    open: TaskTracker,
}

impl AmqpEmitter {
    pub(super) fn new(config: Arc<AmqpConfig>, link: Arc<Link>, publisher: Arc<Publisher>) -> Self {
        Self {
            config,
            link,
            publisher,
            open: TaskTracker::new(),
        }
    }
}

pub(super) fn capabilities(config: &AmqpConfig) -> BrokerCapabilities {
    BrokerCapabilities {
        name: "amqp",
        order: MessageOrder::InOneConsumer,
        durable: true,
        replay: false,
        shared: true,
        delayed_nack: false,
        extend: true,
        detects_unroutable: true,
        max_message_bytes: config.max_message_bytes,
    }
}

#[async_trait]
impl EventEmitter for AmqpEmitter {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.config)
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        let _open = self.open.token();
        if self.open.is_closed() {
            return messages.iter().map(|_| Err(closed("publish"))).collect();
        }
        let mut results: Vec<Result<()>> = Vec::with_capacity(messages.len());
        let (mut outgoing, mut places) = (Vec::new(), Vec::new());
        for (place, message) in messages.iter().enumerate() {
            let encoded = codec::encode(message, &self.config);
            results.push(encoded.map(|message| {
                places.push(place);
                outgoing.push(message);
            }));
        }
        if !outgoing.is_empty() {
            let answers = self.publisher.publish(outgoing).await;
            for (place, answer) in places.into_iter().zip(answers) {
                results[place] = answer;
            }
        }
        results
    }

    async fn ping(&self) -> Result<()> {
        if self.open.is_closed() {
            return Err(closed("ping"));
        }
        self.link.ping().await
    }

    async fn close(&self) -> Result<()> {
        self.open.close();
        if timeout(self.config.close_timeout, self.open.wait())
            .await
            .is_err()
        {
            tracing::warn!("RabbitMQ did not confirm every message before the emitter was closed");
        }
        // The end of the connection ends what still waits for it.
        self.link.close().await;
        // A connection that was handed over goes on, and a confirm on it may never come.
        let _ = timeout(self.config.close_timeout, self.publisher.close()).await;
        Ok(())
    }
}
