//! Moving records between any two stores: a file of JSON lines, written from one and read into another.
//!
//! ```text
//! {"format":"myevents-export","version":1,"stores":[{"role":…,"kind":…,"id_secret":…},…]}
//! {"store":"bookingservice","kind":"booking","record":{…}}          a line a record
//! …
//! {"end":true,"counts":{"bookingservice":{"booking":2,…},…}}        without it the file was cut
//! ```
//!
//! Kept are ids, versions, fingerprints, dates, states, owners and the audit log, so that ETags, retries under a key and projections go
//! on as before. The file holds the secrets that derived ids are made with, and what the stores know of persons: it is as
//! confidential as the stores.
//!
//! Not in the file: messages that wait in an outbox, marks of handled messages, revisions and epochs of counters (an
//! import begins new ones; the counters themselves are set by the bookings and checked).

mod export;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod import;
mod lines;
mod messages;

use std::collections::BTreeMap;
use std::time::Duration;

pub use export::{ExportOptions, Exported, export};
pub use import::{Imported, check, import};
use myevents_core::{Error, ErrorKind, Result};

use crate::connect::OpenStore;

/// The version of the format that this program writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// A store that takes part.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Whose records it holds, such as `eventservice`.
    pub role: &'a str,
    /// The store.
    pub store: &'a OpenStore,
}

/// How many records of each kind, by the role of their store.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// Told what happens on the way.
pub trait Watch: Send {
    /// So many records are done.
    fn progress(&mut self, records: u64);

    /// A line can't be taken, and why.
    fn fault(&mut self, line: u64, reason: &str);

    /// Something about an event's counter that an operator should know.
    fn counter(&mut self, role: &str, event: &str, finding: &str);
}

fn count(counts: &mut Counts, role: &str, kind: &str) {
    if !counts.contains_key(role) {
        counts.insert(role.to_owned(), BTreeMap::new());
    }
    let Some(kinds) = counts.get_mut(role) else { return };
    match kinds.get_mut(kind) {
        Some(count) => *count += 1,
        None => {
            kinds.insert(kind.to_owned(), 1);
        }
    }
}

/// How often something that may work later is tried again, and the first of the growing pauses between.
const TRIES: u32 = 9;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Repeats what fails for a moment: everything that is asked here may be repeated.
async fn patiently<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> Result<T> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match ask().await {
            Err(error) if error.is_retryable() => tokio::time::sleep(pause).await,
            settled => return settled,
        }
        pause *= 2;
    }
    ask().await
}

fn file_fault(operation: &'static str, source: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, operation, "the file fails").caused_by(source)
}
