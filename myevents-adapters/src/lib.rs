//! Stores and brokers for MyEvents, one folder and one feature each.

#[cfg(feature = "sqlite")]
pub mod sqlite;
