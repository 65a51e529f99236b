//! Fencing off late commits: raise the epoch, then carry out what was committed by then, so that a look for a booking
//! afterwards finds it if it will ever be there.

use myevents_core::domain::EventId;
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::patience::Patience;
use super::rollforward::Rolled;
use super::store::Inner;

impl Inner {
    pub(super) async fn fence(&self, event: &EventId) -> Result<()> {
        let desk = self.desks.of(event);
        let end = Instant::now() + self.config.patience;
        let mut patience = Patience::new(&self.config);
        loop {
            match self.try_fence(&desk, event).await {
                Ok(()) => return Ok(()),
                // Raising it once more is harmless.
                Err(error) if error.is_retryable() && patience.another_try(end).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_fence(&self, desk: &super::desks::Desk, event: &EventId) -> Result<()> {
        let Some(seen) = self.raise_epoch(event).await? else {
            return Ok(());
        };
        desk.remember(&seen.counter);
        for entry in &seen.pending {
            if self.roll_forward(desk, event, entry).await? == Rolled::Stuck {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "fence off late commits",
                    "what is committed for this event can't be stored; see the log",
                ));
            }
        }
        Ok(())
    }
}
