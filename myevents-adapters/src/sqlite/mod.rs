//! SQLite: one file a service, group commit by one writer thread.
#![doc = include_str!("docs.md")]

mod api_keys;
mod audit;
mod backup;
mod bookings;
mod check;
mod codec;
mod config;
pub(crate) mod connect;
mod dead_letters;
mod error;
mod events;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod handler;
mod inbox;
mod inventory;
mod job;
mod locations;
mod outbox;
mod private;
mod projection;
mod reader;
mod schema;
mod store;
mod transfer;
mod tx;
mod users;
mod writer;

pub use check::StoreReport;
pub use config::{ConnectionSetup, SqliteConfig, SqliteMode};
pub use rusqlite;
pub use store::{SqliteStore, SqliteTransaction};

/// Where a test may end the process: see [`myevents_core::crash`].
///
/// | name | what is done by then, and what is not |
/// |---|---|
/// | `sqlite.before-commit` | the transaction is complete and open; nothing is stored |
/// | `sqlite.after-commit` | the transaction is on the disk; nobody has an answer |
pub const CRASH_POINTS: &[&str] = &["sqlite.before-commit", "sqlite.after-commit"];
