//! `DatabaseHandler` for `SqliteStore`: each method hands its work to the writer or to a reader.

use async_trait::async_trait;
use myevents_core::domain::{
    AuditEntry, Booking, BookingId, EventId, EventRecord, IdSecret, LocationId, LocationRecord, Text, UserId,
    UserRecord, Version,
};
use myevents_core::ports::{
    Applied, ApplyMode, Attached, AuditCursor, AuditFilter, Availability, BookOptions, BookingCursor,
    BookingFilter, BookingRequest, CancelOutcome, CancelRequest, Committed, DatabaseHandler, EventCursor,
    EventFilter, EventProjection, Inserted, Outcome, PageOf, Reconciliation, StoreCapabilities,
};
use myevents_core::{Error, Result};

use super::job::Durability::{Relaxed, Synced};
use super::store::SqliteStore;
use super::{audit, bookings, events, locations, projection, users};

/// The most wishes of one batch: one event must not keep the others waiting.
const MAX_BATCH: usize = 256;

#[async_trait]
impl DatabaseHandler for SqliteStore {
    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities {
            name: "sqlite",
            durable: true,
            shared: false,
            max_batch: MAX_BATCH,
            atomic_inbox: true,
            lists_lag: false,
            backup: true,
        }
    }

    fn id_secret(&self) -> IdSecret {
        self.secret()
    }

    async fn ping(&self) -> Result<()> {
        self.reads().point(|connection| {
            super::reader::one(connection, "ping", "SELECT 1 FROM meta LIMIT 1", [], |_| Ok(())).map(|_| ())
        })
    }

    async fn close(&self) -> Result<()> {
        self.shut().await
    }

    async fn add_event(
        &self,
        record: &EventRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<EventRecord>>> {
        let record = record.clone();
        self.write(1, Synced, move |tx| events::add(tx, &record, &attached))
            .await
    }

    async fn replace_event(
        &self,
        record: &EventRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        let record = record.clone();
        self.write(1, Synced, move |tx| {
            events::replace(tx, &record, expected, &attached)
        })
        .await
    }

    async fn announce_event(
        &self,
        id: &EventId,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        let id = id.clone();
        self.write(1, Synced, move |tx| {
            events::announce(tx, &id, expected, &attached)
        })
        .await
    }

    async fn find_event(&self, id: &EventId) -> Result<Option<EventRecord>> {
        self.reads().point(|connection| events::find(connection, id))
    }

    async fn find_event_by_name(&self, name: &str) -> Result<Option<EventRecord>> {
        self.reads()
            .point(|connection| events::find_by_name(connection, name))
    }

    async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> Result<PageOf<EventRecord, EventCursor>> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.read_soon(move |connection| events::list(connection, &filter, after.as_ref(), limit))
            .await
    }

    async fn events_revision(&self) -> Result<Option<u64>> {
        self.reads().point(events::revision).map(Some)
    }

    async fn add_location(
        &self,
        record: &LocationRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<LocationRecord>>> {
        let record = record.clone();
        self.write(1, Synced, move |tx| locations::add(tx, &record, &attached))
            .await
    }

    async fn replace_location(
        &self,
        record: &LocationRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        let record = record.clone();
        self.write(1, Synced, move |tx| {
            locations::replace(tx, &record, expected, &attached)
        })
        .await
    }

    async fn find_location(&self, id: &LocationId) -> Result<Option<LocationRecord>> {
        self.reads().point(|connection| locations::find(connection, id))
    }

    async fn list_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        let after = after.cloned();
        self.read_soon(move |connection| locations::list(connection, after.as_ref(), limit))
            .await
    }

    async fn add_user(&self, record: &UserRecord) -> Result<Inserted<UserRecord>> {
        let record = record.clone();
        self.write(1, Synced, move |tx| users::add(tx, &record)).await
    }

    async fn find_user(&self, id: &UserId) -> Result<Option<UserRecord>> {
        self.reads().point(|connection| users::find(connection, id))
    }

    async fn remove_user(&self, id: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        let (id, audit) = (id.clone(), audit.cloned());
        self.write(64, Synced, move |tx| users::remove(tx, &id, audit.as_ref()))
            .await
    }

    async fn book(
        &self,
        event: &EventId,
        requests: &[BookingRequest],
        options: BookOptions,
    ) -> Vec<Result<Committed<Outcome>>> {
        let wanted = requests.len();
        if wanted > MAX_BATCH {
            let refusal = Error::invalid("the batch is larger than the store's largest");
            return (0..wanted).map(|_| Err(refusal.duplicate())).collect();
        }
        let (event, requests) = (event.clone(), requests.to_vec());
        let decided = self
            .write(wanted, Synced, move |tx| {
                bookings::book(tx, &event, &requests, options)
            })
            .await;
        match decided {
            Ok(decisions) => decisions,
            Err(error) => (0..wanted).map(|_| Err(error.duplicate())).collect(),
        }
    }

    async fn fence(&self, _event: &EventId) -> Result<()> {
        // Decisions are made and stored by one writer, in turn: when an empty turn is over, so are those before it.
        self.write(1, Relaxed, |_| Ok(())).await
    }

    async fn cancel_booking(&self, request: &CancelRequest) -> Result<Committed<CancelOutcome>> {
        let request = request.clone();
        self.write(1, Synced, move |tx| bookings::cancel(tx, &request))
            .await
    }

    async fn find_booking(&self, id: &BookingId) -> Result<Option<Booking>> {
        self.reads().point(|connection| bookings::find(connection, id))
    }

    async fn list_bookings(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> Result<PageOf<Booking, BookingCursor>> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.read_soon(move |connection| bookings::list(connection, &filter, after.as_ref(), limit))
            .await
    }

    async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
        self.reads()
            .point(|connection| bookings::availability(connection, events))
    }

    async fn reconcile(&self, event: &EventId, repair: bool) -> Result<Option<Reconciliation>> {
        let event = event.clone();
        if repair {
            self.write(256, Synced, move |tx| bookings::repair(tx, &event))
                .await
        } else {
            // Both reads must see one state, and a read on this connection begins anew with each statement.
            self.read(move |connection| {
                super::reader::snapshot(connection, |connection| bookings::reconcile(connection, &event))
            })
            .await
        }
    }

    async fn project_event(&self, projection: &EventProjection) -> Result<Applied> {
        let projection = projection.clone();
        self.write(2, Synced, move |tx| projection::project_event(tx, &projection))
            .await
    }

    async fn project_location(&self, record: &LocationRecord, mode: ApplyMode) -> Result<bool> {
        let record = record.clone();
        self.write(1, Synced, move |tx| locations::project(tx, &record, mode))
            .await
    }

    async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.read_soon(move |connection| audit::list(connection, &filter, after.as_ref(), limit))
            .await
    }

    async fn events_awaiting(
        &self,
        location: &Text,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        let (location, after) = (location.clone(), after.cloned());
        self.read(move |connection| events::awaiting(connection, &location, after.as_ref(), limit))
            .await
    }
}
