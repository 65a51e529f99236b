//! Dead letters: messages a consumer gave up on, kept for people to look at and send back.

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::contract::Envelope;
use crate::domain::UnixMillis;
use crate::error::Result;
use crate::ports::PageOf;

/// Names a dead letter within its place. Opaque, printable, sortable by age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId(pub Arc<str>);

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message that a consumer gave up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The consumer group that gave up.
    pub consumer: String,
    /// Where the message lay when it was given up.
    pub origin: String,
    /// Why, in words for people.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: UnixMillis,
    /// The message, unchanged.
    pub envelope: Envelope,
}

/// A place for dead letters.
#[async_trait]
pub trait DeadLetters: Debug + Send + Sync + 'static {
    /// Stores a letter; durable where the place is. A repeat of the same consumer and message MAY be stored once.
    ///
    /// # Errors
    /// `Unavailable` or `OutcomeUnknown`: put it again before settling the delivery.
    async fn put(&self, letter: &DeadLetter) -> Result<()>;

    /// Lists letters, oldest first, from after `after`.
    ///
    /// # Errors
    /// `Unavailable`; `Malformed` for a letter that can't be read.
    async fn list(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>>;

    /// Sends letters back to the consumer that gave up on them, and to no other. Answers how many were found.
    ///
    /// # Errors
    /// `Unavailable`; what was sent back until then is counted as sent.
    async fn resend(&self, ids: &[DeadLetterId]) -> Result<usize>;

    /// Deletes letters. Answers how many were found.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn discard(&self, ids: &[DeadLetterId]) -> Result<usize>;

    /// How many letters are here.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count(&self) -> Result<u64>;
}

/// Dead letters kept as rows of a store, for the `local` broker: sending back marks the row due, and the running
/// broker polls for due rows.
#[async_trait]
pub trait DeadLetterQueue: DeadLetters {
    /// Takes up to `limit` letters of `consumer` that are due and not taken, for `lease`. The row stays until it is
    /// [discarded](DeadLetters::discard) (handled) or [put back](Self::put_back).
    ///
    /// # Errors
    /// `Unavailable`.
    async fn take_due(
        &self,
        consumer: &str,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(DeadLetterId, DeadLetter)>>;

    /// The letter failed again: it is not due any more; reason and attempts are replaced.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn put_back(&self, id: &DeadLetterId, reason: &str, attempts: u32) -> Result<()>;
}
