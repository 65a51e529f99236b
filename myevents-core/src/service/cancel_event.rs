//! Use case: cancel an event. The record stays; its bookings stay confirmed; new ones are refused.

use crate::domain::{AuditAction, EventId, EventRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::Attached;
use crate::service::events::{MAX_TRIES, contended};
use crate::service::{EventService, RequestContext};

impl EventService {
    /// Cancels an event, once: asking again changes nothing and answers the same.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for an event of another; `Unavailable`, `OutcomeUnknown`.
    pub async fn cancel_event(&self, context: &RequestContext, id: &EventId) -> Result<EventRecord> {
        for _ in 0..MAX_TRIES {
            let Some(stored) = self.store.find_event(id).await? else {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "cancel event",
                    "no event has this id",
                ));
            };
            context
                .caller
                .check_owner(stored.owner.as_ref(), "cancel event")?;
            if stored.event.cancelled {
                return Ok(stored);
            }
            let expected = stored.version;
            let mut record = EventRecord {
                version: expected.next(),
                ..stored
            };
            record.event.cancelled = true;
            let message = self.announce_change(&record, context)?;
            let audit = self.audit_event(context, AuditAction::EVENT_CANCELLED, &record);
            match self
                .store
                .replace_event(&record, expected, Attached::change(message, audit))
                .await
            {
                Ok(committed) => {
                    self.hand_over(committed);
                    return Ok(record);
                }
                Err(error) if error.kind() == ErrorKind::Precondition => {}
                Err(error) => return Err(error),
            }
        }
        Err(contended("cancel event"))
    }
}
