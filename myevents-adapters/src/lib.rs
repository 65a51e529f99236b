//! Stores and brokers for MyEvents, one folder and one feature each.

pub mod connect;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "sqlite")]
pub mod sqlite;
