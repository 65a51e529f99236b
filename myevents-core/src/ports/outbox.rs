//! `Outbox`: the messages that writes left in the store, handed to one relay at a time until the broker has them.

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::contract::Envelope;
use crate::domain::UnixMillis;
use crate::error::Result;
use crate::ports::PageOf;

/// Names a row within one outbox. Opaque and printable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub Arc<str>);

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells one claim from every other, of this relay or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimToken(pub u128);

/// A message that waits in the outbox, held under a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place.
    pub id: RowId,
    /// The claim that holds it.
    pub token: ClaimToken,
    /// The message. Its key is the entity: the record whose change caused it.
    pub envelope: Envelope,
}

/// What a claim took, the rows of one entity in the order of that entity's writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The token of all rows in it.
    pub token: ClaimToken,
    /// The rows.
    pub rows: Vec<OutboxRow>,
}

/// A message that the broker refused for good, kept for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedMessage {
    /// Its row.
    pub id: RowId,
    /// Why it was parked.
    pub reason: String,
    /// The message.
    pub envelope: Envelope,
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxDepth {
    /// Rows that are neither confirmed nor parked, held or not.
    pub rows: u64,
    /// When the oldest of them was written.
    pub oldest: Option<UnixMillis>,
    /// Rows that are parked.
    pub parked: u64,
}

/// The messages that writes left behind. Rows get here only with a write ([`Attached`](super::Attached)), in the same
/// atomic step; they leave by `confirm` or `discard`.
#[async_trait]
pub trait Outbox: Debug + Send + Sync + 'static {
    /// Takes up to `limit` rows for `lease`.
    ///
    /// Takes only a gap-free prefix of each entity: a row only if every earlier unconfirmed, unparked row of its entity
    /// is taken by the same claim. A live lease blocks its entity, whoever owns it, the caller included. A lease ends
    /// by itself after its time.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown` (rows may be held until the lease ends).
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim>;

    /// The broker has these rows: they are deleted, whatever claim they were taken under. Unknown rows are ignored. A
    /// confirm that is lost means a repeat of the message, nothing worse; it need not be durable when this returns.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn confirm(&self, rows: &[OutboxRow]) -> Result<()>;

    /// Gives rows back at once, those that their token still holds.
    ///
    /// # Errors
    /// `Unavailable`: they come back when the lease ends.
    async fn release(&self, rows: &[OutboxRow]) -> Result<()>;

    /// Holds rows for another `lease`, those that their token still holds; answers the ids of these.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn extend(&self, rows: &[OutboxRow], lease: Duration) -> Result<Vec<RowId>>;

    /// Sets rows aside for good, those that their token still holds; answers the ids of these. Later rows of their
    /// entities flow once this has returned. A row that is not answered belongs to somebody else by now: whoever asked
    /// lets go of the later rows of its entity too.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown`.
    async fn park(&self, rows: &[OutboxRow], reason: &str) -> Result<Vec<RowId>>;

    /// Lists parked rows, oldest first, from after `after`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn parked(&self, after: Option<&RowId>, limit: usize) -> Result<PageOf<ParkedMessage, RowId>>;

    /// Lets parked rows be claimed again. Answers how many were found.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn resend(&self, ids: &[RowId]) -> Result<usize>;

    /// Deletes parked rows. Answers how many were found.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn discard(&self, ids: &[RowId]) -> Result<usize>;

    /// How much waits.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn depth(&self) -> Result<OutboxDepth>;
}
