//! `DatabaseHandler` for the memory store: each method is one turn under the lock.

use std::ops::Bound;
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::state::{check_version, id_taken};
use super::{MAX_BATCH, MemoryStore};
use crate::domain::{
    AuditEntry, Booking, BookingId, EventId, EventRecord, IdSecret, LocationId, LocationRecord, Text, UserId,
    UserRecord, Version,
};
use crate::error::{Error, Result};
use crate::ports::{
    Applied, ApplyMode, Attached, AuditCursor, AuditFilter, Availability, BookOptions, BookingCursor,
    BookingFilter, BookingRequest, CancelOutcome, CancelRequest, Committed, DatabaseHandler, EventCursor,
    EventFilter, EventProjection, Inserted, Outcome, PageOf, Reconciliation, StoreCapabilities,
};

#[async_trait]
impl DatabaseHandler for MemoryStore {
    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities {
            name: "memory",
            durable: false,
            shared: false,
            max_batch: MAX_BATCH,
            atomic_inbox: true,
            lists_lag: false,
            backup: false,
        }
    }

    fn id_secret(&self) -> IdSecret {
        self.shared.secret.clone()
    }

    async fn ping(&self) -> Result<()> {
        self.check_open("ping")
    }

    async fn close(&self) -> Result<()> {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.shared.state.lock().rows.release_instance(self.instance);
        }
        Ok(())
    }

    async fn add_event(
        &self,
        record: &EventRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<EventRecord>>> {
        self.write("add event", |state, scope| {
            state.check_mark(&attached)?;
            match state.events.get(&record.event.id) {
                Some(stored) if stored.fingerprint != record.fingerprint => Err(id_taken("add event")),
                Some(stored) => {
                    let existing = Inserted::Existing(stored.clone());
                    Ok(state.attach_mark_only(existing, &attached, scope))
                }
                None => {
                    state.events.put(record.clone());
                    Ok(state.attach(Inserted::New, &attached, scope))
                }
            }
        })
        .await
    }

    async fn replace_event(
        &self,
        record: &EventRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        self.write("replace event", |state, scope| {
            state.check_mark(&attached)?;
            let stored = state.events.get(&record.event.id).map(|stored| stored.version);
            check_version("replace event", stored, expected)?;
            state.events.put(record.clone());
            Ok(state.attach((), &attached, scope))
        })
        .await
    }

    async fn announce_event(
        &self,
        id: &EventId,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        self.write("announce event", |state, scope| {
            state.check_mark(&attached)?;
            let stored = state.events.get(id).map(|stored| stored.version);
            check_version("announce event", stored, expected)?;
            Ok(state.attach((), &attached, scope))
        })
        .await
    }

    async fn find_event(&self, id: &EventId) -> Result<Option<EventRecord>> {
        self.read("find event", |state| state.events.get(id).cloned())
    }

    async fn find_event_by_name(&self, name: &str) -> Result<Option<EventRecord>> {
        self.read("find event by name", |state| state.events.named(name).cloned())
    }

    async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> Result<PageOf<EventRecord, EventCursor>> {
        self.read("list events", |state| state.events.list(filter, after, limit))
    }

    async fn events_revision(&self) -> Result<Option<u64>> {
        self.read("read revision of events", |state| Some(state.events.revision()))
    }

    async fn add_location(
        &self,
        record: &LocationRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<LocationRecord>>> {
        self.write("add location", |state, scope| {
            state.check_mark(&attached)?;
            match state.locations.get(&record.location.id) {
                Some(stored) if stored.fingerprint != record.fingerprint => Err(id_taken("add location")),
                Some(stored) => {
                    let existing = Inserted::Existing(stored.clone());
                    Ok(state.attach_mark_only(existing, &attached, scope))
                }
                None => {
                    state.locations.insert(record.location.id.clone(), record.clone());
                    Ok(state.attach(Inserted::New, &attached, scope))
                }
            }
        })
        .await
    }

    async fn replace_location(
        &self,
        record: &LocationRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        self.write("replace location", |state, scope| {
            state.check_mark(&attached)?;
            let stored = state
                .locations
                .get(&record.location.id)
                .map(|stored| stored.version);
            check_version("replace location", stored, expected)?;
            state.locations.insert(record.location.id.clone(), record.clone());
            Ok(state.attach((), &attached, scope))
        })
        .await
    }

    async fn find_location(&self, id: &LocationId) -> Result<Option<LocationRecord>> {
        self.read("find location", |state| state.locations.get(id).cloned())
    }

    async fn list_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let items = self.read("list locations", |state| {
            let from_here = state.locations.range((lower, Bound::Unbounded));
            from_here
                .map(|(_, record)| record)
                .filter(|record| !record.deleted)
                .take(limit.saturating_add(1))
                .cloned()
                .collect()
        })?;
        Ok(PageOf::from_surplus(items, limit, |record: &LocationRecord| {
            record.location.id.clone()
        }))
    }

    async fn add_user(&self, record: &UserRecord) -> Result<Inserted<UserRecord>> {
        self.write("add user", |state, _| match state.users.get(&record.user.id) {
            Some(stored) if stored.fingerprint != record.fingerprint => Err(id_taken("add user")),
            Some(stored) => Ok(Inserted::Existing(stored.clone())),
            None => {
                state.removed_users.remove(&record.user.id);
                state.users.insert(record.user.id.clone(), record.clone());
                Ok(Inserted::New)
            }
        })
        .await
    }

    async fn find_user(&self, id: &UserId) -> Result<Option<UserRecord>> {
        self.read("find user", |state| state.users.get(id).cloned())
    }

    async fn remove_user(&self, id: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        self.write("remove user", |state, _| {
            state.bookings.forget_user(id);
            state.removed_users.insert(id.clone());
            let was_there = state.users.remove(id).is_some();
            if was_there {
                state.audit.append(audit);
            }
            Ok(was_there)
        })
        .await
    }

    async fn book(
        &self,
        event: &EventId,
        requests: &[BookingRequest],
        options: BookOptions,
    ) -> Vec<Result<Committed<Outcome>>> {
        if requests.len() > MAX_BATCH {
            let refusal = Error::invalid("the batch is larger than the store's largest");
            return requests.iter().map(|_| Err(refusal.duplicate())).collect();
        }
        let decided = self
            .write("book", |state, scope| {
                Ok(state.book(event, requests, options, scope))
            })
            .await;
        decided.unwrap_or_else(|error| requests.iter().map(|_| Err(error.duplicate())).collect())
    }

    async fn fence(&self, _event: &EventId) -> Result<()> {
        // Deciding and storing are one turn under the lock: nothing is ever decided and not yet stored.
        self.check_open("fence off late commits")
    }

    async fn cancel_booking(&self, request: &CancelRequest) -> Result<Committed<CancelOutcome>> {
        self.write("cancel booking", |state, scope| {
            state.cancel_booking(request, scope)
        })
        .await
    }

    async fn find_booking(&self, id: &BookingId) -> Result<Option<Booking>> {
        self.read("find booking", |state| state.bookings.get(id).cloned())
    }

    async fn list_bookings(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> Result<PageOf<Booking, BookingCursor>> {
        self.read("list bookings", |state| state.bookings.list(filter, after, limit))
    }

    async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
        self.read("read availability", |state| {
            let counters = events.iter().map(|id| (id, state.counters.get(id)));
            counters
                .map(|(id, counter)| counter.map(|counter| counter.availability(id)))
                .collect()
        })
    }

    async fn reconcile(&self, event: &EventId, repair: bool) -> Result<Option<Reconciliation>> {
        self.write("reconcile", |state, _| {
            let confirmed = state.bookings.confirmed(event);
            Ok(state.counters.get_mut(event).map(|counter| {
                let found = counter.reconcile(event, confirmed);
                if repair {
                    counter.repair(confirmed);
                }
                found
            }))
        })
        .await
    }

    async fn project_event(&self, projection: &EventProjection) -> Result<Applied> {
        self.write("project event", |state, _| Ok(state.project_event(projection)))
            .await
    }

    async fn project_location(&self, record: &LocationRecord, mode: ApplyMode) -> Result<bool> {
        self.write("project location", |state, _| {
            Ok(state.project_location(record, mode))
        })
        .await
    }

    async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>> {
        self.read("list audit log", |state| state.audit.list(filter, after, limit))
    }

    async fn events_awaiting(
        &self,
        location: &Text,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.read("list events awaiting a location", |state| {
            state.events.awaiting(location, after, limit)
        })
    }
}
