//! MongoDB: any topology, several processes on one database, no multi-document transactions.
#![doc = include_str!("docs.md")]

mod api_keys;
mod audit;
mod book;
mod bookings;
mod cancel;
mod check;
mod claiming;
mod codec;
mod commit;
mod config;
pub(crate) mod connect;
mod counters;
mod dead_letters;
mod desks;
mod error;
mod events;
mod fence;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod handler;
mod holders;
mod inbox;
mod inventory;
mod limits;
mod link;
mod locations;
mod messages;
mod outbox;
mod paging;
mod patience;
mod people;
mod projection;
mod records;
mod recovery;
mod rollforward;
mod schema;
mod store;
mod transfer;
mod writes;

pub use check::MongoReport;
pub use config::{MongoConfig, MongoMode};
pub use mongodb;
pub use schema::{INDEXES, Index};
pub use store::MongoStore;

/// Where a test may end the process: see [`myevents_core::crash`].
///
/// | name | what is done by then, and what is not |
/// |---|---|
/// | `mongodb.after-reserve` | a person's seats are reserved in their record; nothing is committed |
/// | `mongodb.after-commit` | seats are taken and the bookings are on the counter's list; none is inserted |
/// | `mongodb.after-insert` | the bookings are stored; they are still on the list, nobody has an answer |
/// | `mongodb.after-intent` | the intent to cancel is on the list; the booking is confirmed |
/// | `mongodb.before-settling-cancel` | the booking is cancelled; its seats are not given back |
pub const CRASH_POINTS: &[&str] = &[
    "mongodb.after-reserve",
    "mongodb.after-commit",
    "mongodb.after-insert",
    "mongodb.after-intent",
    "mongodb.before-settling-cancel",
];
