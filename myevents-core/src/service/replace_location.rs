//! Use cases: put a location under its id, and delete one. Events keep the copy they have.

use std::borrow::Cow;

use crate::contract::{LocationAnnouncement, LocationCreated, LocationDeleted, LocationUpdated};
use crate::domain::{AuditAction, AuditEntry, LocationId, LocationRecord, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{Attached, Inserted};
use crate::service::changes::location_fields;
use crate::service::events::{MAX_TRIES, contended, version_mismatch};
use crate::service::{EventService, LocationDraft, PutCondition, Replaced, RequestContext};

impl EventService {
    /// Puts a location under `id`; one that was deleted comes back with a higher version.
    ///
    /// # Errors
    /// `Forbidden` over a location of another; `Precondition` when the condition does not hold; `TooLarge`; `Unavailable`, `OutcomeUnknown`.
    pub async fn put_location(
        &self,
        context: &RequestContext,
        id: &LocationId,
        draft: LocationDraft,
        condition: PutCondition,
    ) -> Result<Replaced<LocationRecord>> {
        let fingerprint = draft.fingerprint();
        let location = draft.with_id(id.clone());
        for _ in 0..MAX_TRIES {
            let stored = self.store.find_location(id).await?;
            if let Some(stored) = &stored {
                context
                    .caller
                    .check_owner(stored.owner.as_ref(), "put location")?;
            }
            let live = stored.as_ref().filter(|stored| !stored.deleted);
            match condition {
                PutCondition::Version(version) if live.map(|live| live.version) != Some(version) => {
                    return Err(version_mismatch("put location"));
                }
                PutCondition::CreateOnly if live.is_some() => return Err(version_mismatch("put location")),
                _ => {}
            }
            if let Some(live) = live.filter(|live| live.location == location) {
                return Ok(Replaced {
                    record: live.clone(),
                    created: false,
                });
            }
            let created = live.is_none();
            let fields = live.map(|live| location_fields(&live.location, &location));
            let expected = stored.as_ref().map(|stored| stored.version);
            let record = LocationRecord {
                location: location.clone(),
                version: expected.map_or(Version::FIRST, Version::next),
                fingerprint: if created {
                    fingerprint
                } else {
                    stored.as_ref().map_or(fingerprint, |s| s.fingerprint)
                },
                owner: stored.map_or_else(|| context.caller.identity(), |stored| stored.owner),
                deleted: false,
            };
            if self.store_location(context, &record, expected, fields).await? {
                return Ok(Replaced { record, created });
            }
        }
        Err(contended("put location"))
    }

    /// Deletes a location, once: asking again answers `NotFound`.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for a location of another; `Unavailable`, `OutcomeUnknown`.
    pub async fn delete_location(&self, context: &RequestContext, id: &LocationId) -> Result<()> {
        for _ in 0..MAX_TRIES {
            let Some(stored) = self.find_location(id).await? else {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "delete location",
                    "no location has this id",
                ));
            };
            context
                .caller
                .check_owner(stored.owner.as_ref(), "delete location")?;
            let expected = stored.version;
            let record = LocationRecord {
                version: expected.next(),
                deleted: true,
                ..stored
            };
            if self
                .store_location(context, &record, Some(expected), Some(Vec::new()))
                .await?
            {
                return Ok(());
            }
        }
        Err(contended("delete location"))
    }

    /// Stores and announces a location over `expected`; `false` when somebody was faster. `fields` are those that change of
    /// one that is there.
    async fn store_location(
        &self,
        context: &RequestContext,
        record: &LocationRecord,
        expected: Option<Version>,
        fields: Option<Vec<Cow<'static, str>>>,
    ) -> Result<bool> {
        let body = LocationAnnouncement::from(record);
        let key = record.location.id.to_string();
        let announcer = &self.announcer;
        let (message, action) = if record.deleted {
            let message = announcer.announce(&LocationDeleted(body), key, context)?;
            (message, AuditAction::LOCATION_DELETED)
        } else if fields.is_none() {
            let message = announcer.announce(&LocationCreated(body), key, context)?;
            (message, AuditAction::LOCATION_CREATED)
        } else {
            let message = announcer.announce(&LocationUpdated(body), key, context)?;
            (message, AuditAction::LOCATION_UPDATED)
        };
        let audit = AuditEntry {
            fields: fields.unwrap_or_default(),
            ..self.audit_location(context, action, record)
        };
        let attached = Attached::change(message, audit);
        let stored = match expected {
            Some(expected) => self
                .store
                .replace_location(record, expected, attached)
                .await
                .map(|committed| committed.map(|()| true)),
            None => self
                .store
                .add_location(record, attached)
                .await
                .map(|committed| committed.map(|inserted| matches!(inserted, Inserted::New))),
        };
        match stored {
            Ok(committed) => Ok(self.hand_over(committed)),
            Err(error) if matches!(error.kind(), ErrorKind::Precondition | ErrorKind::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
