//! `DatabaseHandler` for [`MongoStore`]: writes run in tasks of their own, reads where they are asked for.

use async_trait::async_trait;
use mongodb::bson::doc;
use myevents_core::domain::{
    AuditEntry, Booking, BookingId, EventId, EventRecord, IdSecret, LocationId, LocationRecord, Text, UserId,
    UserRecord, Version,
};
use myevents_core::ports::{
    Applied, ApplyMode, Attached, AuditCursor, AuditFilter, Availability, BookOptions, BookingCursor,
    BookingFilter, BookingRequest, CancelOutcome, CancelRequest, Committed, DatabaseHandler, EventCursor,
    EventFilter, EventProjection, Inserted, Outcome, PageOf, Reconciliation, StoreCapabilities,
};
use myevents_core::{Error, ErrorKind, Result};

use super::book;
use super::error::Sends;
use super::messages::Kind;
use super::records::{event_fields, event_of, location_record_fields, location_record_of};
use super::store::MongoStore;
use super::writes::decoded;
use super::{bookings, events, locations, people};

/// The most wishes of one batch: its entry, whole bookings and messages, is one of sixteen in the counter's record.
const MAX_BATCH: usize = 100;

impl MongoStore {
    /// What this store can do, open or not.
    pub const CAPABILITIES: StoreCapabilities = StoreCapabilities {
        name: "mongodb",
        durable: true,
        shared: true,
        max_batch: MAX_BATCH,
        atomic_inbox: false,
        lists_lag: false,
        backup: false,
    };
}

#[async_trait]
impl DatabaseHandler for MongoStore {
    fn capabilities(&self) -> StoreCapabilities {
        Self::CAPABILITIES
    }

    fn id_secret(&self) -> IdSecret {
        self.secret()
    }

    async fn ping(&self) -> Result<()> {
        let link = &self.inner("ping")?.link;
        let database = link.database.clone();
        let work = async move { database.run_command(doc! { "ping": 1 }).await };
        link.call("ping", Sends::Read, work).await.map(|_| ())
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
        self.run("add event", move |inner| async move {
            let (id, fields) = (record.event.id.as_bytes(), event_fields(&record));
            let added = inner.add_record(
                "add event",
                Kind::Events,
                id,
                fields,
                record.fingerprint,
                &attached,
            );
            decoded(added.await?, event_of)
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
        self.run("replace event", move |inner| async move {
            let (id, fields) = (record.event.id.as_bytes(), Some(event_fields(&record)));
            inner
                .change_record("replace event", Kind::Events, id, expected, fields, &attached)
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
        self.run("announce event", move |inner| async move {
            inner
                .change_record(
                    "announce event",
                    Kind::Events,
                    id.as_bytes(),
                    expected,
                    None,
                    &attached,
                )
                .await
        })
        .await
    }

    async fn find_event(&self, id: &EventId) -> Result<Option<EventRecord>> {
        events::find(&self.inner("find event")?.link, id).await
    }

    async fn find_event_by_name(&self, name: &str) -> Result<Option<EventRecord>> {
        events::named(&self.inner("find event by name")?.link, name).await
    }

    async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> Result<PageOf<EventRecord, EventCursor>> {
        events::list(&self.inner("list events")?.link, filter, after, limit).await
    }

    async fn events_revision(&self) -> Result<Option<u64>> {
        // Other processes write too, and a number that all of them move on would be as hot as all events together.
        self.inner("read revision of events").map(|_| None)
    }

    async fn add_location(
        &self,
        record: &LocationRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<LocationRecord>>> {
        let record = record.clone();
        self.run("add location", move |inner| async move {
            let (id, fields) = (record.location.id.as_bytes(), location_record_fields(&record));
            let added = inner.add_record(
                "add location",
                Kind::Locations,
                id,
                fields,
                record.fingerprint,
                &attached,
            );
            decoded(added.await?, location_record_of)
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
        self.run("replace location", move |inner| async move {
            let (id, fields) = (
                record.location.id.as_bytes(),
                Some(location_record_fields(&record)),
            );
            inner
                .change_record(
                    "replace location",
                    Kind::Locations,
                    id,
                    expected,
                    fields,
                    &attached,
                )
                .await
        })
        .await
    }

    async fn find_location(&self, id: &LocationId) -> Result<Option<LocationRecord>> {
        locations::find(&self.inner("find location")?.link, id).await
    }

    async fn list_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        locations::list(&self.inner("list locations")?.link, after, limit).await
    }

    async fn add_user(&self, record: &UserRecord) -> Result<Inserted<UserRecord>> {
        let record = record.clone();
        self.run(
            "add user",
            move |inner| async move { inner.add_user(&record).await },
        )
        .await
    }

    async fn find_user(&self, id: &UserId) -> Result<Option<UserRecord>> {
        people::find(&self.inner("find user")?.link, id).await
    }

    async fn remove_user(&self, id: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        let (id, audit) = (id.clone(), audit.cloned());
        self.run("remove user", move |inner| async move {
            inner.remove_user(&id, audit.as_ref()).await
        })
        .await
    }

    async fn book(
        &self,
        event: &EventId,
        requests: &[BookingRequest],
        options: BookOptions,
    ) -> Vec<Result<Committed<Outcome>>> {
        let refuse = |error: Error| requests.iter().map(|_| Err(error.duplicate())).collect();
        if requests.len() > MAX_BATCH {
            return refuse(Error::new(
                ErrorKind::Invalid,
                "book",
                "the batch is larger than this store takes",
            ));
        }
        let (event, wishes) = (event.clone(), requests.to_vec());
        let decided = self.run("book", move |inner| async move {
            Ok(book::book(inner, event, wishes, options).await)
        });
        decided.await.unwrap_or_else(refuse)
    }

    async fn fence(&self, event: &EventId) -> Result<()> {
        let event = event.clone();
        self.run("fence off late commits", move |inner| async move {
            inner.fence(&event).await
        })
        .await
    }

    async fn cancel_booking(&self, request: &CancelRequest) -> Result<Committed<CancelOutcome>> {
        let request = request.clone();
        self.run("cancel booking", move |inner| async move {
            inner.cancel(request).await
        })
        .await
    }

    async fn find_booking(&self, id: &BookingId) -> Result<Option<Booking>> {
        bookings::find(&self.inner("find booking")?.link, id).await
    }

    async fn list_bookings(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> Result<PageOf<Booking, BookingCursor>> {
        bookings::list(&self.inner("list bookings")?.link, filter, after, limit).await
    }

    async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
        self.inner("read availability")?.availability(events).await
    }

    async fn reconcile(&self, event: &EventId, repair: bool) -> Result<Option<Reconciliation>> {
        let event = event.clone();
        self.run("reconcile", move |inner| async move {
            inner.reconcile(&event, repair).await
        })
        .await
    }

    async fn project_event(&self, projection: &EventProjection) -> Result<Applied> {
        let projection = projection.clone();
        self.run("project event", move |inner| async move {
            inner.project_event(&projection).await
        })
        .await
    }

    async fn project_location(&self, record: &LocationRecord, mode: ApplyMode) -> Result<bool> {
        let record = record.clone();
        self.run("project location", move |inner| async move {
            inner.project_location(&record, mode).await
        })
        .await
    }

    async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.run("list audit log", move |inner| async move {
            inner.list_audit(&filter, after.as_ref(), limit).await
        })
        .await
    }

    async fn events_awaiting(
        &self,
        location: &Text,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        events::awaiting(
            &self.inner("list events awaiting a location")?.link,
            location,
            after,
            limit,
        )
        .await
    }
}
