//! SQS, with FIFO and standard queues.
#![doc = include_str!("docs.md")]

pub(crate) mod batch;
mod broker;
pub(crate) mod client;
pub(crate) mod codec;
mod config;
pub(crate) mod connect;
mod emitter;
pub(crate) mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod incoming;
mod keeper;
mod letter;
mod letters;
mod listener;
pub(crate) mod outlet;
pub(crate) mod pulse;
pub(crate) mod queues;
mod settlement;
mod shelf;
mod subscription;

pub use aws_sdk_sqs;
pub use broker::SqsBroker;
pub use config::SqsConfig;
pub use emitter::SqsEmitter;
pub use letters::SqsDeadLetters;
pub use listener::SqsListener;
