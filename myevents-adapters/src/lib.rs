//! Stores and brokers for MyEvents, and the way to a mail server: one folder and one feature each.

#[cfg(feature = "amqp")]
pub mod amqp;
#[cfg(any(feature = "dynamodb", feature = "sqs"))]
mod aws;
pub mod connect;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod migrate;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "mongodb")]
pub mod original;
#[cfg(feature = "smtp")]
pub mod smtp;
#[cfg(feature = "sns")]
pub mod sns;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "sqs")]
pub mod sqs;
pub mod tools;
pub mod transfer;
#[cfg(any(
    feature = "amqp",
    feature = "dynamodb",
    feature = "kafka",
    feature = "mongodb",
    feature = "smtp",
    feature = "sqs"
))]
mod trust;
