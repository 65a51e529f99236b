//! `Inbox`: which messages a consumer has completed, so that a repeat is not handled twice.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::contract::MessageId;
use crate::domain::UnixMillis;
use crate::error::Result;

/// The right to handle one message, held until the lease ends. A later holder has another token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InboxToken {
    /// The consumer.
    pub consumer: String,
    /// The message.
    pub message: MessageId,
    /// Tells this lease from any other of the same message.
    pub lease: u128,
}

/// The answer to [`Inbox::begin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// Nobody completed it and nobody holds it: handle it under this token.
    Fresh(InboxToken),
    /// Somebody holds it now: wait or give it back, don't acknowledge.
    InProgress,
    /// It was completed: acknowledge.
    Done,
}

/// Remembers completed messages. Only *completed* ones count as seen: a handler that failed gets its redelivery.
#[async_trait]
pub trait Inbox: Debug + Send + Sync + 'static {
    /// Asks to handle `message` for `lease`. Atomic: of many callers at once exactly one gets `Fresh`. A lease that
    /// ran out → `Fresh` with a new token.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown` (ask again; at worst wait out the lease).
    async fn begin(&self, consumer: &str, message: &MessageId, lease: Duration) -> Result<Begin>;

    /// Marks the message done, if `token` still holds it. Answers whether it is done now by this token: `false` when
    /// another took over. Never undoes `Done`. A store with an atomic inbox does the same inside a write that carries
    /// the token ([`Attached::mark`](super::Attached)).
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown`.
    async fn complete(&self, token: &InboxToken) -> Result<bool>;

    /// Gives the message up, if `token` still holds it: the next `begin` is `Fresh`. Never undoes `Done`.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown`.
    async fn abandon(&self, token: &InboxToken) -> Result<bool>;

    /// Forgets marks completed before `before`; answers how many. Called now and then with 15 days ago.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn forget_completed_before(&self, before: UnixMillis) -> Result<u64>;
}
