//! The booking service: what its use cases share, and its look-ups.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{AuditEntry, Booking, BookingId, EventId};
use crate::error::Result;
use crate::observe::{NoObserver, Observer};
use crate::ports::{
    AuditCursor, AuditFilter, Availability, BookingCursor, BookingFilter, Clock, DatabaseHandler, IdSource,
    PageOf, RandomIds, SystemClock, UnknownCapacity,
};
use crate::relay::Handover;
use crate::service::desk::{DeskOptions, Desks};
use crate::service::{Announcer, DEFAULT_MAX_MESSAGE_BYTES, IdempotencyKey, RequestContext, SalesRules};

/// The settings of a booking service.
#[derive(Debug, Clone)]
pub struct BookingSettings {
    /// Rules of sale.
    pub sales: SalesRules,
    /// What to do while a capacity is unknown.
    pub unknown_capacity: UnknownCapacity,
    /// How long a request may wait for its turn at the desk.
    pub desk_wait: Duration,
    /// How long a request may take in all.
    pub request_timeout: Duration,
    /// The largest body of a message in bytes.
    pub max_message_bytes: usize,
}

impl Default for BookingSettings {
    fn default() -> Self {
        Self {
            sales: SalesRules::default(),
            unknown_capacity: UnknownCapacity::default(),
            desk_wait: Duration::from_secs(2),
            request_timeout: Duration::from_secs(10),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
        }
    }
}

/// Books, cancels and finds bookings; keeps users.
///
/// A booking is carried through by the event's [desk](super::desk) once it was accepted there, whether the caller still
/// waits or not.
#[derive(Debug)]
pub struct BookingService {
    pub(super) store: Arc<dyn DatabaseHandler>,
    pub(super) desks: Desks,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
    pub(super) announcer: Announcer,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) settings: BookingSettings,
}

impl BookingService {
    /// A service over `store` whose messages go to the relay behind `handover`, with the system's clock and ids.
    #[must_use]
    pub fn new(store: Arc<dyn DatabaseHandler>, handover: Handover, settings: BookingSettings) -> Self {
        let clock = Arc::new(SystemClock);
        Self::with_parts(
            store,
            handover,
            clock,
            Arc::new(RandomIds),
            Arc::new(NoObserver),
            settings,
        )
    }

    /// The same with everything handed over.
    #[must_use]
    pub fn with_parts(
        store: Arc<dyn DatabaseHandler>,
        handover: Handover,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        observer: Arc<dyn Observer>,
        settings: BookingSettings,
    ) -> Self {
        let announcer = Announcer::new(
            Arc::clone(&clock),
            Arc::clone(&ids),
            "/bookingservice",
            settings.max_message_bytes,
        );
        let options = DeskOptions {
            sales: settings.sales,
            unknown_capacity: settings.unknown_capacity,
            wait: settings.desk_wait,
            ..DeskOptions::default()
        };
        let desks = Desks::new(
            Arc::clone(&store),
            handover,
            Arc::clone(&clock),
            Arc::clone(&observer),
            options,
        );
        Self {
            store,
            desks,
            clock,
            ids,
            announcer,
            observer,
            settings,
        }
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn DatabaseHandler> {
        &self.store
    }

    /// Takes no more bookings, works off what queues for at most `within`, and refuses the rest as retryable.
    pub async fn drain(&self, within: Duration) {
        self.desks.drain(within).await;
    }

    /// Finds a booking. One that the caller may not see is not found.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_booking(&self, context: &RequestContext, id: &BookingId) -> Result<Option<Booking>> {
        let found = self.store.find_booking(id).await?;
        Ok(found.filter(|booking| self.may_see(context, booking.user.as_ref())))
    }

    /// Lists bookings, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_bookings(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> Result<PageOf<Booking, BookingCursor>> {
        self.store.list_bookings(filter, after, limit).await
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

    /// The counters of events, in the order asked; `None` for an event that is not known.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
        self.store.availability(events).await
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
            None => self.ids.secret_id(),
        }
    }
}
