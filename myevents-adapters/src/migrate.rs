//! What bringing over a store of the original system tells, whatever it is brought into.

use std::collections::BTreeMap;

/// Told what happens on the way.
pub trait Witness: Send {
    /// So many documents were read.
    fn progress(&mut self, documents: u64);

    /// Something can't be taken, and why.
    fn skipped(&mut self, collection: &str, id: &str, reason: &str);
}

/// What became of the documents of one collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Brought over, or what would be.
    pub taken: u64,
    /// There already.
    pub existing: u64,
    /// Not taken; each was told.
    pub skipped: u64,
}

/// What was brought into one store, by collection; bookings count as a collection of their own.
pub type Tallies = BTreeMap<&'static str, Tally>;
