//! Stores and brokers for MyEvents, one folder and one feature each.

#[cfg(feature = "amqp")]
pub mod amqp;
pub mod connect;
#[cfg(feature = "sqlite")]
pub mod sqlite;
