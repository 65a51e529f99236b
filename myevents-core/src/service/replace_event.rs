//! Use case: put an event under its id, new or over what is there.

use crate::contract::{EventAnnouncement, EventCreated};
use crate::domain::{AuditAction, AuditEntry, EventId, EventRecord, Location, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{Attached, Inserted};
use crate::service::changes::event_fields;
use crate::service::events::{MAX_TRIES, contended, version_mismatch};
use crate::service::{EventDraft, EventService, PutCondition, Replaced, RequestContext};

impl EventService {
    /// Puts an event under `id`. Without condition the last write wins; the version is guarded all the same, so no
    /// message carries a state that was never stored. Putting what is already there changes nothing.
    ///
    /// # Errors
    /// `Forbidden` over an event of another; `Precondition` when the condition does not hold; `Conflict` when the event was
    /// cancelled; `Unprocessable`, `TooLarge`, `Unavailable`, `OutcomeUnknown` as for creating.
    pub async fn put_event(
        &self,
        context: &RequestContext,
        id: &EventId,
        draft: EventDraft,
        condition: PutCondition,
    ) -> Result<Replaced<EventRecord>> {
        for _ in 0..MAX_TRIES {
            let put = match self.store.find_event(id).await? {
                None => self.put_new(context, id, draft.clone(), condition).await?,
                Some(stored) => self.put_over(context, stored, draft.clone(), condition).await?,
            };
            if let Some(replaced) = put {
                return Ok(replaced);
            }
        }
        Err(contended("put event"))
    }

    /// Puts where nothing was; `None` when somebody was faster.
    async fn put_new(
        &self,
        context: &RequestContext,
        id: &EventId,
        draft: EventDraft,
        condition: PutCondition,
    ) -> Result<Option<Replaced<EventRecord>>> {
        if let PutCondition::Version(_) = condition {
            return Err(version_mismatch("put event"));
        }
        let fingerprint = draft.fingerprint();
        let event = self
            .resolve_event(id.clone(), draft, || self.ids.object_id().into())
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
        let message = self.announcer.announce(&body, id.to_string(), context)?;
        let audit = self.audit_event(context, AuditAction::EVENT_CREATED, &record);
        match self
            .store
            .add_event(&record, Attached::change(message, audit))
            .await
        {
            Ok(committed) => match self.hand_over(committed) {
                Inserted::New => Ok(Some(Replaced {
                    record,
                    created: true,
                })),
                // Made by another meanwhile, and perhaps changed or cancelled since: decided by what is there now.
                Inserted::Existing(_) => Ok(None),
            },
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts over what was read; `None` when somebody was faster.
    async fn put_over(
        &self,
        context: &RequestContext,
        stored: EventRecord,
        draft: EventDraft,
        condition: PutCondition,
    ) -> Result<Option<Replaced<EventRecord>>> {
        context.caller.check_owner(stored.owner.as_ref(), "put event")?;
        match condition {
            PutCondition::CreateOnly => return Err(version_mismatch("put event")),
            PutCondition::Version(version) if version != stored.version => {
                return Err(version_mismatch("put event"));
            }
            PutCondition::Version(_) | PutCondition::Always => {}
        }
        if stored.event.cancelled {
            return Err(Error::new(
                ErrorKind::Conflict,
                "put event",
                "the event was cancelled",
            ));
        }
        // A location given without id stays the one the event has.
        let known_location = stored
            .event
            .location
            .as_ref()
            .map(|location: &Location| location.id.clone());
        let event = self
            .resolve_event(stored.event.id.clone(), draft, || {
                known_location.unwrap_or_else(|| self.ids.object_id().into())
            })
            .await?;
        if event == stored.event {
            return Ok(Some(Replaced {
                record: stored,
                created: false,
            }));
        }
        let expected = stored.version;
        let fields = event_fields(&stored.event, &event);
        let record = EventRecord {
            event,
            version: expected.next(),
            ..stored
        };
        let message = self.announce_change(&record, context)?;
        let audit = AuditEntry {
            fields,
            ..self.audit_event(context, AuditAction::EVENT_UPDATED, &record)
        };
        match self
            .store
            .replace_event(&record, expected, Attached::change(message, audit))
            .await
        {
            Ok(committed) => {
                self.hand_over(committed);
                Ok(Some(Replaced {
                    record,
                    created: false,
                }))
            }
            Err(error) if error.kind() == ErrorKind::Precondition => Ok(None),
            Err(error) => Err(error),
        }
    }
}
