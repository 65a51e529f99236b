//! `DatabaseHandler` through a wrapper.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{
    AuditEntry, Booking, BookingId, EventId, EventRecord, IdSecret, LocationId, LocationRecord, Text, UserId,
    UserRecord, Version,
};
use crate::error::Result;
use crate::layer::{Around, Call, Layered, through};
use crate::ports::{
    Applied, ApplyMode, Attached, AuditCursor, AuditFilter, Availability, BookOptions, BookingCursor,
    BookingFilter, BookingRequest, CancelOutcome, CancelRequest, Committed, DatabaseHandler, EventCursor,
    EventFilter, EventProjection, Inserted, Outcome, PageOf, Reconciliation, StoreCapabilities,
};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: DatabaseHandler + ?Sized, A: Around> DatabaseHandler for Layered<P, A> {
    fn capabilities(&self) -> StoreCapabilities {
        self.inner.capabilities()
    }

    fn id_secret(&self) -> IdSecret {
        self.inner.id_secret()
    }

    async fn ping(&self) -> Result<()> {
        through!(self, read "ping store", [], store => store.ping())
    }

    async fn close(&self) -> Result<()> {
        through!(self, close "close store", [], store => store.close())
    }

    async fn add_event(
        &self,
        record: &EventRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<EventRecord>>> {
        through!(self, write "add event", [record = record.clone(), attached = attached],
            store => store.add_event(&record, attached))
    }

    async fn replace_event(
        &self,
        record: &EventRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        through!(self, guarded "replace event", [record = record.clone(), attached = attached],
            store => store.replace_event(&record, expected, attached))
    }

    async fn announce_event(
        &self,
        id: &EventId,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        through!(self, write "announce event", [id = id.clone(), attached = attached],
            store => store.announce_event(&id, expected, attached))
    }

    async fn find_event(&self, id: &EventId) -> Result<Option<EventRecord>> {
        through!(self, read "find event", [id = id.clone()], store => store.find_event(&id))
    }

    async fn find_event_by_name(&self, name: &str) -> Result<Option<EventRecord>> {
        through!(self, read "find event by name", [name = name.to_owned()],
            store => store.find_event_by_name(&name))
    }

    async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> Result<PageOf<EventRecord, EventCursor>> {
        through!(self, read "list events", [filter = filter.clone(), after = after.cloned()],
            store => store.list_events(&filter, after.as_ref(), limit))
    }

    async fn events_revision(&self) -> Result<Option<u64>> {
        through!(self, read "read revision of events", [], store => store.events_revision())
    }

    async fn add_location(
        &self,
        record: &LocationRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<LocationRecord>>> {
        through!(self, write "add location", [record = record.clone(), attached = attached],
            store => store.add_location(&record, attached))
    }

    async fn replace_location(
        &self,
        record: &LocationRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        through!(self, guarded "replace location", [record = record.clone(), attached = attached],
            store => store.replace_location(&record, expected, attached))
    }

    async fn find_location(&self, id: &LocationId) -> Result<Option<LocationRecord>> {
        through!(self, read "find location", [id = id.clone()], store => store.find_location(&id))
    }

    async fn list_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        through!(self, read "list locations", [after = after.cloned()],
            store => store.list_locations(after.as_ref(), limit))
    }

    async fn add_user(&self, record: &UserRecord) -> Result<Inserted<UserRecord>> {
        through!(self, write "add user", [record = record.clone()], store => store.add_user(&record))
    }

    async fn find_user(&self, id: &UserId) -> Result<Option<UserRecord>> {
        through!(self, read "find user", [id = id.clone()], store => store.find_user(&id))
    }

    async fn remove_user(&self, id: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        through!(self, guarded "remove user", [id = id.clone(), audit = audit.cloned()],
            store => store.remove_user(&id, audit.as_ref()))
    }

    async fn book(
        &self,
        event: &EventId,
        requests: &[BookingRequest],
        options: BookOptions,
    ) -> Vec<Result<Committed<Outcome>>> {
        let (store, event) = (Arc::clone(&self.inner), event.clone());
        self.around
            .batch(Call::write("book"), requests.to_vec(), move |requests| {
                let (store, event) = (Arc::clone(&store), event.clone());
                Box::pin(async move { store.book(&event, &requests, options).await })
            })
            .await
    }

    async fn fence(&self, event: &EventId) -> Result<()> {
        through!(self, write "fence off late commits", [event = event.clone()], store => store.fence(&event))
    }

    async fn cancel_booking(&self, request: &CancelRequest) -> Result<Committed<CancelOutcome>> {
        through!(self, write "cancel booking", [request = request.clone()],
            store => store.cancel_booking(&request))
    }

    async fn find_booking(&self, id: &BookingId) -> Result<Option<Booking>> {
        through!(self, read "find booking", [id = id.clone()], store => store.find_booking(&id))
    }

    async fn list_bookings(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> Result<PageOf<Booking, BookingCursor>> {
        through!(self, read "list bookings", [filter = filter.clone(), after = after.cloned()],
            store => store.list_bookings(&filter, after.as_ref(), limit))
    }

    async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
        through!(self, read "read availability", [events = events.to_vec()],
            store => store.availability(&events))
    }

    async fn reconcile(&self, event: &EventId, repair: bool) -> Result<Option<Reconciliation>> {
        // A repair answers what was there before it, so a repeat after a lost answer would hide what was found.
        if repair {
            through!(self, guarded "repair counter", [event = event.clone()],
                store => store.reconcile(&event, true))
        } else {
            through!(self, read "reconcile", [event = event.clone()],
                store => store.reconcile(&event, false))
        }
    }

    async fn project_event(&self, projection: &EventProjection) -> Result<Applied> {
        through!(self, write "project event", [projection = projection.clone()],
            store => store.project_event(&projection))
    }

    async fn project_location(&self, record: &LocationRecord, mode: ApplyMode) -> Result<bool> {
        through!(self, write "project location", [record = record.clone()],
            store => store.project_location(&record, mode))
    }

    async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>> {
        through!(self, read "list audit log", [filter = filter.clone(), after = after.cloned()],
            store => store.list_audit(&filter, after.as_ref(), limit))
    }

    async fn events_awaiting(
        &self,
        location: &Text,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        through!(self, read "find events without location", [location = location.clone(), after = after.cloned()],
            store => store.events_awaiting(&location, after.as_ref(), limit))
    }
}
