//! Settling one delivery: acknowledged, or given back together with others so that their order stays.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Acker, Channel};
use myevents_core::ports::Settlement;
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::error::{away, fault};

/// A delivery that goes back to its queue.
#[derive(Debug)]
pub(super) struct GivenBack {
    /// Not before this.
    pub(super) due: Instant,
    pub(super) held: Held,
}

/// A delivery that the broker counts as ours.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) tag: u64,
    pub(super) channel: Channel,
    /// Knows whether the channel is still the one that the tag belongs to.
    pub(super) acker: Acker,
    /// One of the subscription's prefetch; free again when the delivery is settled.
    pub(super) _permit: OwnedSemaphorePermit,
    /// While one is alive, the listener's connection is kept.
    pub(super) _handed_out: TaskTrackerToken,
}

impl Held {
    fn check(&self) -> Result<()> {
        if self.acker.usable() {
            return Ok(());
        }
        Err(away(
            "settle",
            "the connection of this delivery is gone; the message comes again",
        ))
    }

    /// Gives it back now. The question is put to the client at the first look at it; no answer comes.
    pub(super) async fn give_back(self) -> Result<()> {
        self.check()?;
        let options = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        let sent = self.channel.basic_nack(self.tag, options).await;
        sent.map_err(|error| fault("settle", error))
    }

    /// As [`give_back`](Self::give_back), where nothing can be waited for.
    pub(super) fn let_go(self) {
        // The broker gives it to the next one all the same when the channel ends.
        let _ = self.give_back().now_or_never();
    }
}

pub(super) struct AmqpSettlement {
    /// `None` once it was settled.
    held: Option<Held>,
    returns: mpsc::UnboundedSender<GivenBack>,
    /// The broker takes the delivery for lost some time after this.
    held_until: Instant,
}

impl AmqpSettlement {
    pub(super) fn new(
        held: Held,
        returns: mpsc::UnboundedSender<GivenBack>,
        held_until: Instant,
    ) -> Box<Self> {
        Box::new(Self {
            held: Some(held),
            returns,
            held_until,
        })
    }

    fn return_after(&mut self, delay: Duration) -> Result<()> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        held.check()?;
        let due = Instant::now() + delay;
        if let Err(refused) = self.returns.send(GivenBack { due, held }) {
            // The subscription has ended, and with it all others of its deliveries.
            refused.0.held.let_go();
        }
        Ok(())
    }
}

#[async_trait]
impl Settlement for AmqpSettlement {
    async fn ack(mut self: Box<Self>) -> Result<()> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        held.check()?;
        let acknowledged = held.channel.basic_ack(held.tag, BasicAckOptions::default()).await;
        acknowledged.map_err(|error| fault("settle", error))
    }

    async fn nack(mut self: Box<Self>, delay: Duration) -> Result<()> {
        self.return_after(delay)
    }

    /// The broker holds a delivery as long as its consumer is there, up to its own bound.
    async fn extend(&mut self, hold: Duration) -> Result<()> {
        if let Some(held) = &self.held {
            held.check()?;
        }
        if Instant::now() + hold <= self.held_until {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            "extend",
            "RabbitMQ takes a delivery for lost that is held any longer",
        ))
    }
}

impl Drop for AmqpSettlement {
    fn drop(&mut self) {
        // It fails only where the broker gives the message to another by itself.
        let _ = self.return_after(Duration::ZERO);
    }
}
