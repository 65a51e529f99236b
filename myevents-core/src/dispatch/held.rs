//! A delivery in our hands: its hold is extended while we wait or work, and it is settled once.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ErrorKind;
use crate::ports::Delivery;

pub(super) struct Held {
    delivery: Delivery,
    since: Instant,
    hold: Duration,
    extends: bool,
}

impl Held {
    pub(super) fn new(delivery: Delivery, hold: Duration, extends: bool) -> Self {
        Self {
            delivery,
            since: Instant::now(),
            hold,
            extends,
        }
    }

    pub(super) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Whether it was not given to another consumer meanwhile, as far as can be told without asking the broker.
    pub(super) async fn is_ours(&mut self) -> bool {
        let extended = self.delivery.extend(Duration::ZERO).await;
        !extended.is_err_and(|error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Closed))
    }

    /// Whether the broker may hand it to another by now.
    pub(super) fn is_overdue(&self) -> bool {
        !self.extends && self.since.elapsed() >= self.hold
    }

    /// Awaits `work` and keeps the hold meanwhile, where the broker can.
    pub(super) async fn during<F: Future>(&mut self, work: F) -> F::Output {
        tokio::pin!(work);
        if !self.extends {
            return work.await;
        }
        loop {
            let extending = async {
                tokio::time::sleep(self.hold / 3).await;
                self.delivery.extend(self.hold).await
            };
            let extended = tokio::select! {
                biased;
                output = &mut work => return output,
                extended = extending => extended,
            };
            match extended {
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    self.extends = false;
                    return work.await;
                }
                Err(error) => tracing::debug!(%error, "the hold on a delivery was not extended"),
                Ok(()) => {}
            }
        }
    }

    /// The work is done. A lost acknowledgement means that the message comes again, nothing worse.
    pub(super) async fn ack(self) {
        if let Err(error) = self.delivery.ack().await {
            tracing::warn!(%error, "a message was not acknowledged and will come again");
        }
    }

    pub(super) async fn give_back(self, delay: Duration) {
        if let Err(error) = self.delivery.nack(delay).await {
            tracing::debug!(%error, "a message was not given back; the broker takes it when its hold ends");
        }
    }
}
