//! `EventEmitter`: hands messages to a broker and tells for each whether the broker took it.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::contract::Envelope;
use crate::error::Result;
use crate::ports::BrokerCapabilities;

/// Publishes to a broker.
#[async_trait]
pub trait EventEmitter: Debug + Send + Sync + 'static {
    /// What this broker promises.
    fn capabilities(&self) -> BrokerCapabilities;

    /// Publishes `messages` and answers one result for each, in their order.
    ///
    /// * A result is `Ok` only after the broker accepted that message: publisher confirm, `acks=all`, the entry's own
    ///   result, or (on `local`) every subscribed handler finished.
    /// * Messages of one key are published in the order given; the caller keeps at most one call open a key.
    /// * Dropping the future leaves the outcome of all messages unknown; it MUST NOT break later calls.
    ///
    /// # Errors
    /// For each message: `Unavailable` (not taken), `OutcomeUnknown` (perhaps taken), `Unroutable` (a name that needs
    /// a subscriber has none, or the destination is missing), `TooLarge` and `Rejected` (never), `Closed`.
    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>>;

    /// Whether the broker can be reached now.
    ///
    /// # Errors
    /// `Unavailable` when it can't, `Closed` after [`close`](Self::close).
    async fn ping(&self) -> Result<()>;

    /// Waits for open publishes, then closes. Later calls answer `Closed`. Safe to call many times at once.
    ///
    /// # Errors
    /// `Unavailable` when the connection broke while closing; it is closed all the same.
    async fn close(&self) -> Result<()>;
}
