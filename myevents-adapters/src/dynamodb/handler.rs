//! `DatabaseHandler` for `DynamoStore`: writes run in tasks of their own, reads where they are asked for.

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

use super::book::MAX_BATCH;
use super::schema::identity_key;
use super::store::DynamoStore;

impl DynamoStore {
    /// What this store can do, open or not.
    pub const CAPABILITIES: StoreCapabilities = StoreCapabilities {
        name: "dynamodb",
        durable: true,
        shared: true,
        max_batch: MAX_BATCH,
        atomic_inbox: true,
        lists_lag: true,
        backup: false,
    };
}

#[async_trait]
impl DatabaseHandler for DynamoStore {
    fn capabilities(&self) -> StoreCapabilities {
        Self::CAPABILITIES
    }

    fn id_secret(&self) -> IdSecret {
        self.0.secret()
    }

    async fn ping(&self) -> Result<()> {
        let store = self.open_for("ping")?;
        store
            .clients
            .get("ping", &store.tables.state, identity_key())
            .await
            .map(|_| ())
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
        self.write("add event", move |store| async move {
            store
                .add("add event", &store.tables.events, &record, &attached)
                .await
        })
        .await
    }

    async fn replace_event(
        &self,
        record: &EventRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        let record = record.clone();
        self.write("replace event", move |store| async move {
            let id = record.event.id.as_bytes();
            store
                .replace(
                    "replace event",
                    &store.tables.events,
                    id,
                    Some(&record),
                    expected,
                    &attached,
                )
                .await
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
        self.write("announce event", move |store| async move {
            store
                .replace::<EventRecord>(
                    "announce event",
                    &store.tables.events,
                    id.as_bytes(),
                    None,
                    expected,
                    &attached,
                )
                .await
        })
        .await
    }

    async fn find_event(&self, id: &EventId) -> Result<Option<EventRecord>> {
        self.open_for("find event")?.find_event(id).await
    }

    async fn find_event_by_name(&self, name: &str) -> Result<Option<EventRecord>> {
        self.open_for("find event by name")?
            .find_event_by_name(name)
            .await
    }

    async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> Result<PageOf<EventRecord, EventCursor>> {
        self.open_for("list events")?
            .list_events(filter, after, limit)
            .await
    }

    async fn events_revision(&self) -> Result<Option<u64>> {
        self.open_for("read revision of events")?;
        // A number that every change moves would be one item that every change waits for.
        Ok(None)
    }

    async fn add_location(
        &self,
        record: &LocationRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<LocationRecord>>> {
        let record = record.clone();
        self.write("add location", move |store| async move {
            store
                .add("add location", &store.tables.locations, &record, &attached)
                .await
        })
        .await
    }

    async fn replace_location(
        &self,
        record: &LocationRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        let record = record.clone();
        self.write("replace location", move |store| async move {
            let id = record.location.id.as_bytes();
            store
                .replace(
                    "replace location",
                    &store.tables.locations,
                    id,
                    Some(&record),
                    expected,
                    &attached,
                )
                .await
        })
        .await
    }

    async fn find_location(&self, id: &LocationId) -> Result<Option<LocationRecord>> {
        self.open_for("find location")?.find_location(id).await
    }

    async fn list_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        self.open_for("list locations")?
            .list_locations(after, limit)
            .await
    }

    async fn add_user(&self, record: &UserRecord) -> Result<Inserted<UserRecord>> {
        let record = record.clone();
        self.write(
            "add user",
            move |store| async move { store.add_user(record).await },
        )
        .await
    }

    async fn find_user(&self, id: &UserId) -> Result<Option<UserRecord>> {
        self.open_for("find user")?.find_user(id).await
    }

    async fn remove_user(&self, id: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        let (id, audit) = (id.clone(), audit.cloned());
        self.write("remove user", move |store| async move {
            store.remove_user(&id, audit.as_ref()).await
        })
        .await
    }

    async fn book(
        &self,
        event: &EventId,
        requests: &[BookingRequest],
        options: BookOptions,
    ) -> Vec<Result<Committed<Outcome>>> {
        let wanted = requests.len();
        let all = |error: Error| (0..wanted).map(|_| Err(error.duplicate())).collect();
        if wanted > MAX_BATCH {
            return all(Error::invalid("the batch is larger than the store's largest"));
        }
        let (event, requests) = (event.clone(), requests.to_vec());
        let decided = self.write("book", move |store| async move {
            Ok(store.book(event, requests, options).await)
        });
        decided.await.unwrap_or_else(all)
    }

    async fn fence(&self, event: &EventId) -> Result<()> {
        let event = event.clone();
        self.write("fence", move |store| async move { store.fence(&event).await })
            .await
    }

    async fn cancel_booking(&self, request: &CancelRequest) -> Result<Committed<CancelOutcome>> {
        let request = request.clone();
        self.write("cancel booking", move |store| async move {
            store.cancel(request).await
        })
        .await
    }

    async fn find_booking(&self, id: &BookingId) -> Result<Option<Booking>> {
        self.open_for("find booking")?.find_booking(id).await
    }

    async fn list_bookings(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> Result<PageOf<Booking, BookingCursor>> {
        self.open_for("list bookings")?
            .list_bookings(filter, after, limit)
            .await
    }

    async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
        self.open_for("read counters")?.availability(events).await
    }

    async fn reconcile(&self, event: &EventId, repair: bool) -> Result<Option<Reconciliation>> {
        let event = event.clone();
        self.write("reconcile", move |store| async move {
            store.reconcile(&event, repair).await
        })
        .await
    }

    async fn project_event(&self, projection: &EventProjection) -> Result<Applied> {
        let projection = projection.clone();
        self.write("store event", move |store| async move {
            store.project_event(&projection).await
        })
        .await
    }

    async fn project_location(&self, record: &LocationRecord, mode: ApplyMode) -> Result<bool> {
        let record = record.clone();
        self.write("store location", move |store| async move {
            store.project_location(&record, mode).await
        })
        .await
    }

    async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>> {
        self.open_for("list audit log")?
            .list_audit(filter, after, limit)
            .await
    }

    async fn events_awaiting(
        &self,
        location: &Text,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.open_for("list waiting events")?
            .events_awaiting(location, after, limit)
            .await
    }
}
