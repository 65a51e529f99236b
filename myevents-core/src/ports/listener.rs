//! `EventListener`: subscribes to a broker and gives deliveries that the consumer settles.

use std::fmt;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::contract::{Envelope, MessageName};
use crate::domain::UnixMillis;
use crate::error::Result;
use crate::ports::BrokerCapabilities;

/// Who wants which messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The consumer group: each group gets every message, its members share them.
    pub group: String,
    /// The names wanted, in their dotted spelling; the broker delivers both spellings of each. Empty = all.
    pub names: Vec<MessageName>,
    /// The most deliveries handed out and not settled.
    pub prefetch: usize,
    /// Where a group that is new starts.
    pub from: StartFrom,
}

/// Where a new group starts reading. A broker without a log supports only [`StartFrom::Now`] and its own backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartFrom {
    /// With what is published from now on, and what the group's queue already holds.
    #[default]
    Now,
    /// With the oldest message of the log.
    Beginning,
    /// With the first message of the log at or after this time.
    Time(UnixMillis),
}

/// Deliveries as they come. The stream ends only when the subscription or the listener is closed; while the broker is
/// away it waits. Dropping it gives back what was not settled.
pub type DeliveryStream = BoxStream<'static, Delivery>;

/// One message handed out. Dropping it without settling gives it back as a lost consumer would.
pub struct Delivery {
    /// The message.
    pub envelope: Envelope,
    /// How often it was handed out, counted by the broker, this time included: at least 1.
    pub attempt: u32,
    /// Where it lies, for people: a queue, or topic, partition and offset.
    pub origin: String,
    settlement: Box<dyn Settlement>,
}

impl Delivery {
    /// A delivery that is settled through `settlement`.
    pub fn new(envelope: Envelope, attempt: u32, origin: String, settlement: Box<dyn Settlement>) -> Self {
        Self {
            envelope,
            attempt,
            origin,
            settlement,
        }
    }

    /// The work is done: the message will not come again to this group.
    ///
    /// # Errors
    /// `Unavailable` or `OutcomeUnknown` when the broker did not hear it: the message comes again. `Closed` after close.
    pub async fn ack(self) -> Result<()> {
        self.settlement.ack().await
    }

    /// Gives the message back; it comes again, not before `delay` where the broker can delay.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub async fn nack(self, delay: Duration) -> Result<()> {
        self.settlement.nack(delay).await
    }

    /// Keeps the message from being handed out again for another `hold`. `Duration::ZERO` only asks whether it is still
    /// held, of what is known here: no call is made for it.
    ///
    /// # Errors
    /// `Unsupported` where the broker can't, `Unavailable` when it did not hear it or already gave it to another.
    pub async fn extend(&mut self, hold: Duration) -> Result<()> {
        self.settlement.extend(hold).await
    }
}

impl Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("envelope", &self.envelope)
            .field("attempt", &self.attempt)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// How a broker settles one delivery. Called at most once with `ack` or `nack`.
#[async_trait]
pub trait Settlement: Send + 'static {
    /// See [`Delivery::ack`].
    ///
    /// # Errors
    /// See [`Delivery::ack`].
    async fn ack(self: Box<Self>) -> Result<()>;

    /// See [`Delivery::nack`].
    ///
    /// # Errors
    /// See [`Delivery::nack`].
    async fn nack(self: Box<Self>, delay: Duration) -> Result<()>;

    /// See [`Delivery::extend`].
    ///
    /// # Errors
    /// See [`Delivery::extend`].
    async fn extend(&mut self, hold: Duration) -> Result<()>;
}

/// Subscribes to a broker.
#[async_trait]
pub trait EventListener: Debug + Send + Sync + 'static {
    /// What this broker promises.
    fn capabilities(&self) -> BrokerCapabilities;

    /// Subscribes. The broker MAY be away: the stream then starts when it is there.
    ///
    /// Never more than `prefetch` deliveries are handed out and unsettled at once.
    ///
    /// # Errors
    /// `Unsupported` when `from` asks for a log and there is none, `Closed` after [`close`](Self::close).
    async fn subscribe(&self, subscription: Subscription) -> Result<DeliveryStream>;

    /// Ends every stream. Deliveries already handed out may still be settled. Safe to call many times at once.
    ///
    /// # Errors
    /// `Unavailable` when the connection broke while closing; it is closed all the same.
    async fn close(&self) -> Result<()>;
}
