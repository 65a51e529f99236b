//! Settles one delivery: deleted, or shown to others again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_core::Result;
use myevents_core::ports::Settlement;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::keeper::{Keeper, Taken};

/// Settles one delivery; dropped unsettled, it is given back.
#[derive(Debug)]
pub(super) struct SqsSettlement {
    keeper: Arc<Keeper>,
    key: u64,
    /// One of the subscription's prefetch; free again when the delivery is settled.
    permit: Option<OwnedSemaphorePermit>,
}

impl SqsSettlement {
    pub(super) fn new(keeper: &Arc<Keeper>, key: u64, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            keeper: Arc::clone(keeper),
            key,
            permit,
        }
    }

    fn take(&self) -> Option<Taken> {
        self.keeper.take(self.key)
    }
}

#[async_trait]
impl Settlement for SqsSettlement {
    async fn ack(mut self: Box<Self>) -> Result<()> {
        let _permit = self.permit.take();
        match self.take() {
            Some(taken) => self.keeper.delete(taken).await,
            None => Ok(()),
        }
    }

    async fn nack(mut self: Box<Self>, delay: Duration) -> Result<()> {
        let _permit = self.permit.take();
        match self.take() {
            Some(taken) => self.keeper.give_back(taken, delay).await,
            None => Ok(()),
        }
    }

    async fn extend(&mut self, hold: Duration) -> Result<()> {
        self.keeper.extend(self.key, hold).await
    }
}

impl Drop for SqsSettlement {
    fn drop(&mut self) {
        let Some(taken) = self.take() else { return };
        if taken.is_over() {
            return;
        }
        let (keeper, permit) = (Arc::clone(&self.keeper), self.permit.take());
        // Outside a runtime nothing can be asked: it comes again when its time is over.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = keeper.give_back(taken, Duration::ZERO).await {
                    tracing::debug!(%error, "a message was not given back; it comes again when its time is over");
                }
                drop(permit);
            });
        }
    }
}
