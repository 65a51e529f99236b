//! Kafka: one topic in the order of its keys, consumer groups, dead letters in topics of their own, replay.
#![doc = include_str!("docs.md")]

mod client;
mod codec;
mod config;
pub(crate) mod connect;
mod consumer;
mod dead_letters;
mod emitter;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod group;
mod hands;
mod letter_log;
mod letters;
mod line;
mod listener;
mod offsets;
mod partition;
mod replay;
mod secure;
mod settlement;
mod topology;

use std::sync::Arc;

use myevents_core::Result;
use myevents_core::ports::{BrokerCapabilities, MessageOrder};

pub use client::Logs;
pub use config::KafkaConfig;
pub use dead_letters::KafkaDeadLetters;
pub use emitter::KafkaEmitter;
pub use listener::KafkaListener;
pub use rdkafka;
pub use replay::KafkaReplay;

use topology::Topology;

/// One topic of a Kafka cluster: what gives emitters, listeners and dead letters over it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KafkaBroker {
    config: Arc<KafkaConfig>,
    topology: Arc<Topology>,
}

impl KafkaBroker {
    /// Talks to nobody yet: the cluster may be away.
    ///
    /// # Errors
    /// `Config` for settings that can't be.
    pub fn new(config: KafkaConfig) -> Result<Self> {
        config.validate()?;
        let config = Arc::new(config);
        Ok(Self {
            topology: Arc::new(Topology::new(Arc::clone(&config))),
            config,
        })
    }

    /// A new emitter, with a producer of its own.
    ///
    /// # Errors
    /// `Config` or `Unsupported` for client settings that librdkafka refuses.
    pub fn emitter(&self) -> Result<KafkaEmitter> {
        KafkaEmitter::new(Arc::clone(&self.config), Arc::clone(&self.topology))
    }

    /// A new listener; each subscription has a consumer of its own.
    #[must_use]
    pub fn listener(&self) -> KafkaListener {
        KafkaListener::new(Arc::clone(&self.config), Arc::clone(&self.topology))
    }

    /// The dead letters of a group.
    ///
    /// # Errors
    /// `Config` for a group whose name can't be part of a topic's.
    pub fn dead_letters(&self, group: &str) -> Result<KafkaDeadLetters> {
        KafkaDeadLetters::new(Arc::clone(&self.config), Arc::clone(&self.topology), group)
    }

    /// The log as it is, for building something anew.
    #[must_use]
    pub fn replay(&self) -> KafkaReplay {
        KafkaReplay::new(Arc::clone(&self.config))
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &KafkaConfig {
        &self.config
    }

    /// What Kafka promises.
    #[must_use]
    pub fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.config)
    }
}

fn capabilities(config: &KafkaConfig) -> BrokerCapabilities {
    BrokerCapabilities {
        name: "kafka",
        order: MessageOrder::InGroup,
        durable: true,
        replay: true,
        shared: true,
        delayed_nack: true,
        extend: true,
        // A log takes a message whether somebody reads it or not.
        detects_unroutable: false,
        max_message_bytes: config.max_message_bytes,
    }
}
