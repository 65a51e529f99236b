//! Stores and brokers for MyEvents, one folder and one feature each.

pub mod connect;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod tools;
pub mod transfer;
