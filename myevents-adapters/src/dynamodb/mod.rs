//! DynamoDB: one transaction a batch of bookings, messages in one item of it.
#![doc = include_str!("docs.md")]

mod adopt;
mod api_keys;
mod attach;
mod audit;
mod book;
mod cancel;
mod check;
mod claim;
mod client;
mod codec;
mod commit;
mod config;
mod confirm;
pub(crate) mod connect;
mod dead_letters;
mod digest;
mod edit;
mod error;
mod events;
mod expression;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gate;
mod handler;
mod holders;
mod ids;
mod import;
mod inbox;
mod inventory;
mod item;
mod lists;
mod locations;
mod names;
mod outbox;
mod pack;
mod parcel;
mod projection;
mod records;
mod scan;
mod schema;
mod seats;
mod store;
mod transact;
mod transfer;
mod users;

pub use aws_sdk_dynamodb;
pub use config::DynamoConfig;
pub use store::DynamoStore;

/// Where a test may end the process: see [`myevents_core::crash`].
///
/// | name | what is done by then, and what is not |
/// |---|---|
/// | `dynamodb.before-commit` | a booking or a cancel is decided; its transaction is not sent |
/// | `dynamodb.after-commit` | its transaction is applied; nobody has an answer |
pub const CRASH_POINTS: &[&str] = &["dynamodb.before-commit", "dynamodb.after-commit"];
