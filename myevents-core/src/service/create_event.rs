//! Use case: create an event.

use crate::contract::{EventAnnouncement, EventCreated};
use crate::domain::{AuditAction, Event, EventId, EventRecord, LocationId, Version};
use crate::error::{ErrorKind, Result};
use crate::ports::{Attached, Inserted};
use crate::service::events::key_reused;
use crate::service::resolve_location::resolve_location;
use crate::service::{Created, EventDraft, EventService, IdempotencyKey, RequestContext};

impl EventService {
    /// Creates an event: under the id it brings, else under one derived from `key`, else under a new one. Asking again
    /// with the same id or key and the same content answers the event as it is now.
    ///
    /// # Errors
    /// `Unprocessable` for an impossible event or an unknown location; `KeyReused` for a key used for another request;
    /// `Conflict` when the id it brings is taken; `TooLarge` when its message would be; `Unavailable`,
    /// `OutcomeUnknown`.
    pub async fn create_event(
        &self,
        context: &RequestContext,
        key: Option<&IdempotencyKey>,
        draft: EventDraft,
    ) -> Result<Created<EventRecord>> {
        let fingerprint = draft.fingerprint();
        let key = key.filter(|_| draft.id.is_none());
        let id = draft
            .id
            .clone()
            .unwrap_or_else(|| EventId::from(self.new_id("event", key, context)));
        if (key.is_some() || draft.id.is_some())
            && let Some(record) = self.store.find_event(&id).await?
        {
            // A retry finds its event even if its location is gone by now.
            if record.fingerprint == fingerprint {
                return Ok(Created {
                    record,
                    replayed: true,
                });
            }
            if key.is_some() {
                return Err(key_reused());
            }
        }

        let event = self
            .resolve_event(id, draft, || self.ids.object_id().into())
            .await?;
        let owner = context.caller.identity();
        let record = EventRecord {
            event,
            version: Version::FIRST,
            fingerprint,
            owner,
            awaiting_location: None,
        };
        let body = EventCreated(EventAnnouncement::from(&record));
        let message = self
            .announcer
            .announce(&body, record.event.id.to_string(), context)?;
        let audit = self.audit_event(context, AuditAction::EVENT_CREATED, &record);

        match self
            .store
            .add_event(&record, Attached::change(message, audit))
            .await
        {
            Ok(committed) => match self.hand_over(committed) {
                Inserted::New => Ok(Created {
                    record,
                    replayed: false,
                }),
                Inserted::Existing(record) => Ok(Created {
                    record,
                    replayed: true,
                }),
            },
            Err(error) if error.kind() == ErrorKind::Conflict && key.is_some() => Err(key_reused()),
            Err(error) => Err(error),
        }
    }

    /// The event a draft asks for, checked, with its location resolved.
    pub(super) async fn resolve_event(
        &self,
        id: EventId,
        draft: EventDraft,
        new_location_id: impl FnOnce() -> LocationId + Send,
    ) -> Result<Event> {
        let location = resolve_location(&*self.store, draft.location, new_location_id).await?;
        let event = Event {
            id,
            name: draft.name,
            duration: draft.duration,
            start: draft.start,
            end: draft.end,
            location,
            hall_names: draft.hall_names,
            sales_start: draft.sales_start,
            sales_end: draft.sales_end,
            max_seats_per_booking: draft.max_seats_per_booking,
            person_limits: draft.person_limits,
            cancelled: false,
        };
        event.validate()?;
        Ok(event)
    }
}
