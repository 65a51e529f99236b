//! Handlers, what they are told beside the message, and the table from name to handler.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::contract::{Envelope, Message};
use crate::error::Result;
use crate::ports::InboxToken;

/// What a handler is told beside the message.
#[derive(Debug, Clone)]
pub struct Context {
    pub(super) envelope: Envelope,
    pub(super) attempt: u32,
    pub(super) mark: Option<InboxToken>,
    pub(super) cancelled: CancellationToken,
}

impl Context {
    /// The message as it came.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, String> {
        self.envelope.headers()
    }

    /// Which try this is: what the broker counted plus the tries in place; at least 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The inbox's token, for [`Attached::mark`](crate::ports::Attached::mark) where the store can write it with the
    /// effect. `None` for a handler without inbox.
    #[must_use]
    pub fn mark(&self) -> Option<&InboxToken> {
        self.mark.as_ref()
    }

    /// Signalled when the handler takes too long, or the service can't wait for it any more.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }
}

/// Handles messages of one type. Implemented by closures `|message: M, context: Context| async move { … }`.
///
/// * `Ok` acknowledges the message.
/// * An error of kind `Unavailable`, `OutcomeUnknown` or `Overloaded` says that our own store is away: the message
///   is tried again until it answers, and no attempt is used up.
/// * `Malformed` says that no try can succeed: the message becomes a dead letter at once.
/// * Any other error, and a panic, is a failed attempt.
///
/// Messages may come again and, by some brokers, out of order: a handler MUST be idempotent and not depend on order.
#[async_trait]
pub trait Handler<M>: Send + Sync + 'static {
    /// Handles one message.
    ///
    /// # Errors
    /// As above.
    async fn handle(&self, message: M, context: Context) -> Result<()>;
}

#[async_trait]
impl<M, F, Fut> Handler<M> for F
where
    M: Send + 'static,
    F: Fn(M, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send,
{
    async fn handle(&self, message: M, context: Context) -> Result<()> {
        self(message, context).await
    }
}

/// A handler whose message type was put away.
#[async_trait]
pub(super) trait AnyHandler: Send + Sync + 'static {
    async fn handle(&self, context: Context) -> Result<()>;
}

pub(super) struct Typed<M, H> {
    handler: H,
    message: PhantomData<fn() -> M>,
}

impl<M, H> Typed<M, H> {
    pub(super) fn new(handler: H) -> Self {
        Self {
            handler,
            message: PhantomData,
        }
    }
}

#[async_trait]
impl<M: Message, H: Handler<M>> AnyHandler for Typed<M, H> {
    async fn handle(&self, context: Context) -> Result<()> {
        let message = M::decode(&context.envelope)?;
        self.handler.handle(message, context).await
    }
}

/// A handler that wants the envelope and decodes by itself, or not at all.
pub(super) struct Undecoded<H>(pub(super) H);

#[async_trait]
impl<H: Handler<Envelope>> AnyHandler for Undecoded<H> {
    async fn handle(&self, context: Context) -> Result<()> {
        self.0.handle(context.envelope.clone(), context).await
    }
}

impl fmt::Debug for dyn AnyHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}
