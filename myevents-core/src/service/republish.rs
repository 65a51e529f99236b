//! Use case: announce stored events again, for a booking service that is new or lost its copy.

use crate::domain::{EventId, EventRecord, UnixSeconds};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{Attached, EventFilter};
use crate::service::{EventService, RequestContext};

/// How many events are read at once.
const PAGE: usize = 200;

impl EventService {
    /// Announces one event again with its version; receivers that have it change nothing.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable`, `OutcomeUnknown`.
    pub async fn republish_event(&self, id: &EventId) -> Result<()> {
        let Some(record) = self.store.find_event(id).await? else {
            let unknown = Error::new(ErrorKind::NotFound, "republish", "no event has this id");
            return Err(unknown.with("event", id));
        };
        self.announce_again(&record).await
    }

    /// Announces every event again that starts at or after `since`, cancelled ones too. Calls `progress` with the
    /// count so far after each page. Answers how many were announced. What changes meanwhile announces itself.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown`: start again, repeats do no harm.
    pub async fn republish_all(
        &self,
        since: Option<UnixSeconds>,
        mut progress: impl FnMut(usize) + Send,
    ) -> Result<usize> {
        let filter = EventFilter {
            from: since,
            with_cancelled: true,
            ..EventFilter::default()
        };
        let mut after = None;
        let mut count = 0;
        loop {
            let page = self.store.list_events(&filter, after.as_ref(), PAGE).await?;
            for record in &page.items {
                self.announce_again(record).await?;
                count += 1;
            }
            progress(count);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(count),
            }
        }
    }

    async fn announce_again(&self, record: &EventRecord) -> Result<()> {
        let message = self.announce_change(record, &RequestContext::default())?;
        let attached = Attached::announcement(message);
        match self
            .store
            .announce_event(&record.event.id, record.version, attached)
            .await
        {
            Ok(committed) => {
                self.hand_over(committed);
                Ok(())
            }
            // It changed meanwhile, and that change announces itself.
            Err(error) if error.kind() == ErrorKind::Precondition => Ok(()),
            Err(error) => Err(error),
        }
    }
}
