//! The event service: what its use cases share, and its look-ups.

use std::sync::Arc;

use crate::contract::{Envelope, EventAnnouncement, EventCancelled, EventUpdated};
use crate::domain::{AuditAction, AuditEntry, EventId, EventRecord, LocationId, LocationRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{
    AuditCursor, AuditFilter, Clock, Committed, DatabaseHandler, EventCursor, EventFilter, IdSource, PageOf,
    RandomIds, SystemClock,
};
use crate::relay::Handover;
use crate::service::{Announcer, DEFAULT_MAX_MESSAGE_BYTES, IdempotencyKey, RequestContext};

/// How often a guarded write is decided anew before the caller is told to come back.
pub(super) const MAX_TRIES: usize = 16;

/// Creates, changes, cancels and finds events and locations.
///
/// A method answers after its write is durable; its message is stored with it and announced by the relay. Dropping a
/// method's future leaves the outcome unknown, never half done.
#[derive(Debug)]
pub struct EventService {
    pub(super) store: Arc<dyn DatabaseHandler>,
    pub(super) handover: Handover,
    pub(super) ids: Arc<dyn IdSource>,
    pub(super) announcer: Announcer,
}

impl EventService {
    /// A service over `store` whose messages go to the relay behind `handover`, with the system's clock and ids.
    #[must_use]
    pub fn new(store: Arc<dyn DatabaseHandler>, handover: Handover) -> Self {
        Self::with_parts(
            store,
            handover,
            Arc::new(SystemClock),
            Arc::new(RandomIds),
            DEFAULT_MAX_MESSAGE_BYTES,
        )
    }

    /// The same with everything handed over.
    #[must_use]
    pub fn with_parts(
        store: Arc<dyn DatabaseHandler>,
        handover: Handover,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        max_message_bytes: usize,
    ) -> Self {
        let announcer = Announcer::new(clock, Arc::clone(&ids), "/eventservice", max_message_bytes);
        Self {
            store,
            handover,
            ids,
            announcer,
        }
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn DatabaseHandler> {
        &self.store
    }

    /// Finds an event by id, cancelled or not.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_event(&self, id: &EventId) -> Result<Option<EventRecord>> {
        self.store.find_event(id).await
    }

    /// Finds the earliest event of this exact name that is not cancelled.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_event_by_name(&self, name: &str) -> Result<Option<EventRecord>> {
        self.store.find_event_by_name(name).await
    }

    /// Lists events by (start, id).
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> Result<PageOf<EventRecord, EventCursor>> {
        self.store.list_events(filter, after, limit).await
    }

    /// A number that every change of an event moves on; see [`DatabaseHandler::events_revision`].
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn events_revision(&self) -> Result<Option<u64>> {
        self.store.events_revision().await
    }

    /// Finds a location that is not deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_location(&self, id: &LocationId) -> Result<Option<LocationRecord>> {
        Ok(self
            .store
            .find_location(id)
            .await?
            .filter(|record| !record.deleted))
    }

    /// Lists locations by id.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        self.store.list_locations(after, limit).await
    }

    /// Lists the audit log, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>> {
        self.store.list_audit(filter, after, limit).await
    }

    /// The line of the audit log about an event that becomes `record`.
    pub(super) fn audit_event(
        &self,
        context: &RequestContext,
        action: AuditAction,
        record: &EventRecord,
    ) -> AuditEntry {
        let id = (&record.event.id).into();
        self.announcer.audit(context, action, id, Some(record.version))
    }

    /// The same of a location.
    pub(super) fn audit_location(
        &self,
        context: &RequestContext,
        action: AuditAction,
        record: &LocationRecord,
    ) -> AuditEntry {
        let id = (&record.location.id).into();
        self.announcer.audit(context, action, id, Some(record.version))
    }

    /// The 12 bytes for a new record of `kind`: derived where a key was given, so that a retry meets the first try.
    pub(super) fn new_id(
        &self,
        kind: &str,
        key: Option<&IdempotencyKey>,
        context: &RequestContext,
    ) -> [u8; 12] {
        match key {
            Some(key) => key.derive_id(&self.store.id_secret(), kind, &context.caller),
            None => self.ids.object_id(),
        }
    }

    /// Hands a write's messages to the relay and gives on its answer.
    pub(super) fn hand_over<T>(&self, committed: Committed<T>) -> T {
        self.handover.offer(committed.leased);
        committed.value
    }

    /// The message that a changed event is announced with.
    pub(super) fn announce_change(&self, record: &EventRecord, context: &RequestContext) -> Result<Envelope> {
        let body = EventAnnouncement::from(record);
        let key = record.event.id.to_string();
        if record.event.cancelled {
            self.announcer.announce(&EventCancelled(body), key, context)
        } else {
            self.announcer.announce(&EventUpdated(body), key, context)
        }
    }
}

pub(super) fn key_reused() -> Error {
    Error::new(
        ErrorKind::KeyReused,
        "check idempotency key",
        "the Idempotency-Key was used before for another request",
    )
}

pub(super) fn contended(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        operation,
        "the record is being changed by others all the time",
    )
}

pub(super) fn version_mismatch(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Precondition,
        operation,
        "the record has another version than If-Match asks for",
    )
}
