//! RabbitMQ, by AMQP 0.9.1.
#![doc = include_str!("docs.md")]

mod broker;
mod codec;
mod config;
pub(crate) mod connect;
mod dead_letters;
mod dial;
mod emitter;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod letter;
mod link;
mod listener;
mod publisher;
mod secure;
mod settlement;
mod shelf;
mod subscription;
mod topology;

pub use broker::AmqpBroker;
pub use config::{AmqpConfig, AmqpUrl, QueueType};
pub use dead_letters::AmqpDeadLetters;
pub use emitter::AmqpEmitter;
pub use lapin;
pub use listener::AmqpListener;
