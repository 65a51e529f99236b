//! Use case: announce stored events again, for a booking service that is new or lost its copy.

use crate::contract::header;
use crate::domain::{EventId, EventRecord, UnixSeconds};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{Attached, EventFilter};
use crate::service::{EventService, RequestContext};

/// How many events are read at once.
const PAGE: usize = 200;

/// What announcing all events again came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Republished {
    /// Events that are announced.
    pub announced: usize,
    /// Events that were passed over, as their messages would be too large.
    pub too_large: usize,
}

impl EventService {
    /// Announces one event again with its version; receivers that have it change nothing.
    ///
    /// # Errors
    /// `NotFound`; `TooLarge`; `Unavailable`, `OutcomeUnknown`.
    pub async fn republish_event(&self, id: &EventId) -> Result<()> {
        let Some(record) = self.store.find_event(id).await? else {
            let unknown = Error::new(ErrorKind::NotFound, "republish", "no event has this id");
            return Err(unknown.with("event", id));
        };
        self.announce_again(&record).await
    }

    /// Announces every event again that starts at or after `since`, cancelled ones too. Calls `progress` with the
    /// count so far after each page. What changes meanwhile announces itself.
    ///
    /// An event whose message would be above the largest that is allowed is told to `too_large` and passed over: nothing is
    /// left in the outbox for it, and the events behind it are announced.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown`: start again, repeats do no harm.
    pub async fn republish_all(
        &self,
        since: Option<UnixSeconds>,
        mut progress: impl FnMut(usize) + Send,
        mut too_large: impl FnMut(&EventId, &Error) + Send,
    ) -> Result<Republished> {
        let filter = EventFilter {
            from: since,
            with_cancelled: true,
            ..EventFilter::default()
        };
        let mut after = None;
        let mut done = Republished::default();
        loop {
            let page = self.store.list_events(&filter, after.as_ref(), PAGE).await?;
            for record in &page.items {
                match self.announce_again(record).await {
                    Ok(()) => done.announced += 1,
                    Err(error) if error.kind() == ErrorKind::TooLarge => {
                        done.too_large += 1;
                        too_large(&record.event.id, &error);
                    }
                    Err(error) => return Err(error),
                }
            }
            progress(done.announced);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(done),
            }
        }
    }

    async fn announce_again(&self, record: &EventRecord) -> Result<()> {
        let message = self.announce_change(record, &RequestContext::default())?;
        let message = message.with_header(header::REPUBLISHED, "true".to_owned());
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
