//! Targets of `fuzz/` in one place: what each backend and the export read. No part of the interface.

#[cfg(feature = "amqp")]
pub use crate::amqp::fuzzing::messages as amqp;
#[cfg(feature = "dynamodb")]
pub use crate::dynamodb::fuzzing::items as dynamodb;
#[cfg(feature = "kafka")]
pub use crate::kafka::fuzzing::records as kafka;
#[cfg(feature = "mongodb")]
pub use crate::mongodb::fuzzing::documents as mongodb;
#[cfg(feature = "sqlite")]
pub use crate::sqlite::fuzzing::rows as sqlite;
#[cfg(feature = "sqs")]
pub use crate::sqs::fuzzing::messages as sqs;
pub use crate::transfer::fuzzing::lines as transfer;
