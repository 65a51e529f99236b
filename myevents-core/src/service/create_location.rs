//! Use case: create a location.

use crate::contract::{LocationAnnouncement, LocationCreated};
use crate::domain::{AuditAction, LocationId, LocationRecord, Version};
use crate::error::{ErrorKind, Result};
use crate::ports::{Attached, Inserted};
use crate::service::events::key_reused;
use crate::service::{Created, EventService, IdempotencyKey, LocationDraft, PutCondition, RequestContext};

impl EventService {
    /// Creates a location: under the id it brings, else under one derived from `key`, else under a new one. Asking
    /// again with the same id or key and the same content answers the location as it is now. One that was deleted comes
    /// back when it is created again under its id.
    ///
    /// # Errors
    /// `Forbidden` when it was deleted and is another's; `KeyReused` for a key used for another request; `Conflict` when the id it brings is taken; `TooLarge`;
    /// `Unavailable`, `OutcomeUnknown`.
    pub async fn create_location(
        &self,
        context: &RequestContext,
        key: Option<&IdempotencyKey>,
        draft: LocationDraft,
    ) -> Result<Created<LocationRecord>> {
        let fingerprint = draft.fingerprint();
        let key = key.filter(|_| draft.id.is_none());
        let id = draft
            .id
            .clone()
            .unwrap_or_else(|| LocationId::from(self.new_id("location", key, context)));
        if draft.id.is_some()
            && self
                .store
                .find_location(&id)
                .await?
                .is_some_and(|stored| stored.deleted)
        {
            let put = self
                .put_location(context, &id, draft, PutCondition::CreateOnly)
                .await?;
            return Ok(Created {
                record: put.record,
                replayed: false,
            });
        }
        let owner = context.caller.identity();
        let location = draft.with_id(id);
        let record = LocationRecord {
            location,
            version: Version::FIRST,
            fingerprint,
            owner,
            deleted: false,
        };
        let body = LocationCreated(LocationAnnouncement::from(&record));
        let message = self
            .announcer
            .announce(&body, record.location.id.to_string(), context)?;
        let audit = self.audit_location(context, AuditAction::LOCATION_CREATED, &record);
        let attached = Attached::change(message, audit);
        match self.store.add_location(&record, attached).await {
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
}
