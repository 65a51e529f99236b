//! The toy store's records: maps behind one lock, cloned out, nothing clever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use myevents_core::counter;
use myevents_core::domain::{
    AuditEntry, Booking, BookingId, BookingState, EventId, EventRecord, IdSecret, LocationId, LocationRecord,
    Text, UserId, UserRecord, Version,
};
use myevents_core::ports::{
    Applied, ApplyMode, Attached, AuditCursor, AuditFilter, Availability, BookOptions, BookingCursor,
    BookingFilter, BookingOwner, BookingRequest, CancelOutcome, CancelRequest, Clock, Committed,
    DatabaseHandler, EventCursor, EventFilter, EventProjection, Inserted, Outcome, PageOf, Reconciliation,
    StoreCapabilities,
};
use myevents_core::{Error, ErrorKind, Result};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::data::{Data, mismatch, missing, taken, too_late};

/// A store for one process that keeps everything in maps.
#[derive(Debug)]
pub(crate) struct ToyStore {
    data: Arc<Mutex<Data>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Tells the leases of this handle from those of others.
    pub(crate) instance: u64,
    closed: AtomicBool,
}

impl ToyStore {
    /// An empty store.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            data: Arc::default(),
            clock,
            instance: 0,
            closed: AtomicBool::new(false),
        }
    }

    /// Another handle on the same data, as another process would have one.
    pub(crate) fn another_instance(&self) -> Self {
        let (data, clock) = (Arc::clone(&self.data), Arc::clone(&self.clock));
        Self {
            data,
            clock,
            instance: self.instance + 1,
            closed: AtomicBool::new(false),
        }
    }

    /// The data, unless this handle was closed.
    pub(crate) fn open(&self) -> Result<MutexGuard<'_, Data>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::Closed,
                "use the toy store",
                "it was closed before",
            ));
        }
        Ok(self.data.lock())
    }
}

#[async_trait]
impl DatabaseHandler for ToyStore {
    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities {
            name: "toy",
            durable: false,
            shared: false,
            max_batch: 64,
            atomic_inbox: true,
            lists_lag: false,
            backup: false,
        }
    }

    fn id_secret(&self) -> IdSecret {
        IdSecret::new([7; 32])
    }

    async fn ping(&self) -> Result<()> {
        self.open().map(drop)
    }

    async fn close(&self) -> Result<()> {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.data.lock().messages.give_back_leases(self.instance);
        }
        Ok(())
    }

    async fn add_event(
        &self,
        record: &EventRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<EventRecord>>> {
        let mut data = self.open()?;
        if let Some(stored) = data.events.get(&record.event.id) {
            let same = stored.fingerprint == record.fingerprint;
            let stored = stored.clone();
            if !same {
                return Err(taken("add event"));
            }
            // The repeat changes nothing, but it does complete the message it handles.
            let mark_only = attached.mark_only();
            data.messages.attach(mark_only, self.instance, self.clock.now())?;
            return Ok(Committed::quiet(Inserted::Existing(stored)));
        }
        let leased = data.messages.attach(attached, self.instance, self.clock.now())?;
        data.events.insert(record.event.id.clone(), record.clone());
        Ok(Committed {
            value: Inserted::New,
            leased,
        })
    }

    async fn replace_event(
        &self,
        record: &EventRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        let mut data = self.open()?;
        let stored = data
            .events
            .get(&record.event.id)
            .ok_or_else(|| missing("replace event"))?;
        if stored.version != expected {
            return Err(mismatch("replace event"));
        }
        let leased = data.messages.attach(attached, self.instance, self.clock.now())?;
        data.events.insert(record.event.id.clone(), record.clone());
        Ok(Committed { value: (), leased })
    }

    async fn announce_event(
        &self,
        id: &EventId,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        let mut data = self.open()?;
        let stored = data.events.get(id).ok_or_else(|| missing("announce event"))?;
        if stored.version != expected {
            return Err(mismatch("announce event"));
        }
        let leased = data.messages.attach(attached, self.instance, self.clock.now())?;
        Ok(Committed { value: (), leased })
    }

    async fn find_event(&self, id: &EventId) -> Result<Option<EventRecord>> {
        Ok(self.open()?.events.get(id).cloned())
    }

    async fn find_event_by_name(&self, name: &str) -> Result<Option<EventRecord>> {
        let data = self.open()?;
        let named = data
            .events
            .values()
            .filter(|r| r.event.name.as_str() == name && !r.event.cancelled);
        Ok(named
            .min_by_key(|record| (record.event.start, record.event.id.clone()))
            .cloned())
    }

    async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> Result<PageOf<EventRecord, EventCursor>> {
        let position = |r: &EventRecord| EventCursor {
            start: r.event.start,
            id: r.event.id.clone(),
        };
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        let matches = |record: &EventRecord| {
            let event = &record.event;
            let place = event.location.as_ref();
            let texts = [
                Some(event.name.as_str()),
                place.map(|l| l.name.as_str()),
                place.map(|l| l.address.as_str()),
            ];
            let found = text.as_ref().is_none_or(|text| {
                texts
                    .iter()
                    .flatten()
                    .any(|candidate| candidate.to_lowercase().contains(text))
            });
            found
                && filter.from.is_none_or(|from| event.start >= from)
                && filter.to.is_none_or(|to| event.start <= to)
                && (filter.with_cancelled || !event.cancelled)
                && after.is_none_or(|after| position(record) > *after)
        };
        let mut items: Vec<_> = self
            .data
            .lock()
            .events
            .values()
            .filter(|r| matches(r))
            .cloned()
            .collect();
        items.sort_by_key(position);
        items.truncate(limit.saturating_add(1));
        Ok(PageOf::from_surplus(items, limit, position))
    }

    /// Counting writes of events would do; without it every list is read anew.
    async fn events_revision(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    async fn add_location(
        &self,
        record: &LocationRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<LocationRecord>>> {
        let mut data = self.open()?;
        if let Some(stored) = data.locations.get(&record.location.id) {
            let same = stored.fingerprint == record.fingerprint;
            let stored = stored.clone();
            if !same {
                return Err(taken("add location"));
            }
            // The repeat changes nothing, but it does complete the message it handles.
            let mark_only = attached.mark_only();
            data.messages.attach(mark_only, self.instance, self.clock.now())?;
            return Ok(Committed::quiet(Inserted::Existing(stored)));
        }
        let leased = data.messages.attach(attached, self.instance, self.clock.now())?;
        data.locations.insert(record.location.id.clone(), record.clone());
        Ok(Committed {
            value: Inserted::New,
            leased,
        })
    }

    async fn replace_location(
        &self,
        record: &LocationRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>> {
        let mut data = self.open()?;
        let stored = data
            .locations
            .get(&record.location.id)
            .ok_or_else(|| missing("replace location"))?;
        if stored.version != expected {
            return Err(mismatch("replace location"));
        }
        let leased = data.messages.attach(attached, self.instance, self.clock.now())?;
        data.locations.insert(record.location.id.clone(), record.clone());
        Ok(Committed { value: (), leased })
    }

    async fn find_location(&self, id: &LocationId) -> Result<Option<LocationRecord>> {
        Ok(self.open()?.locations.get(id).cloned())
    }

    async fn list_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        let data = self.open()?;
        let live = data.locations.values().filter(|record| !record.deleted);
        let rest = live.filter(|record| after.is_none_or(|after| record.location.id > *after));
        let items = rest.take(limit.saturating_add(1)).cloned().collect();
        Ok(PageOf::from_surplus(items, limit, |record: &LocationRecord| {
            record.location.id.clone()
        }))
    }

    async fn add_user(&self, record: &UserRecord) -> Result<Inserted<UserRecord>> {
        let mut data = self.open()?;
        match data.users.get(&record.user.id) {
            Some(stored) if stored.fingerprint == record.fingerprint => {
                Ok(Inserted::Existing(stored.clone()))
            }
            Some(_) => Err(taken("add user")),
            None => {
                data.removed_users.remove(&record.user.id);
                data.users.insert(record.user.id.clone(), record.clone());
                Ok(Inserted::New)
            }
        }
    }

    async fn find_user(&self, id: &UserId) -> Result<Option<UserRecord>> {
        Ok(self.open()?.users.get(id).cloned())
    }

    async fn remove_user(&self, id: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        let mut data = self.open()?;
        let was_there = data.forget(id);
        data.messages.log(audit.filter(|_| was_there).cloned());
        Ok(was_there)
    }

    async fn book(
        &self,
        event: &EventId,
        requests: &[BookingRequest],
        options: BookOptions,
    ) -> Vec<Result<Committed<Outcome>>> {
        let mut data = match self.open() {
            Ok(data) => data,
            Err(error) => return requests.iter().map(|_| Err(error.duplicate())).collect(),
        };
        let mut results = Vec::with_capacity(requests.len());
        for request in requests {
            let outcome = match data.decide(event, request, options) {
                Ok(Outcome::Booked(mut booking)) => {
                    let user = booking.user.as_ref();
                    if user.is_some_and(|user| data.removed_users.contains(user)) {
                        booking.forget_person();
                    }
                    let attached = Attached::announcement(request.message.clone());
                    data.bookings.insert(booking.id.clone(), booking.clone());
                    let leased = data.messages.attach(attached, self.instance, self.clock.now());
                    leased.map(|leased| Committed {
                        value: Outcome::Booked(booking),
                        leased,
                    })
                }
                other => other.map(Committed::quiet),
            };
            results.push(outcome);
        }
        results
    }

    async fn fence(&self, _event: &EventId) -> Result<()> {
        self.open().map(drop) // deciding and storing happen under one lock: no decision is ever on its way
    }

    async fn cancel_booking(&self, request: &CancelRequest) -> Result<Committed<CancelOutcome>> {
        if request.deadline < Instant::now() {
            return Err(too_late("cancel booking"));
        }
        let mut data = self.open()?;
        let stored = data
            .bookings
            .get(&request.booking)
            .filter(|booking| booking.event == request.event);
        let Some(mut booking) = stored.cloned() else {
            return Ok(Committed::quiet(CancelOutcome::Unknown));
        };
        if booking.state != BookingState::Confirmed {
            return Ok(Committed::quiet(CancelOutcome::Already(booking)));
        }
        let mut attached = Attached::announcement(request.message.clone());
        attached.audit.clone_from(&request.audit);
        let leased = data.messages.attach(attached, self.instance, self.clock.now())?;
        booking.state = BookingState::Cancelled;
        booking.version = booking.version.next();
        if let Some(counter) = data.counters.get_mut(&booking.event) {
            counter.give_back(booking.seats.get());
        }
        data.bookings.insert(booking.id.clone(), booking.clone());
        Ok(Committed {
            value: CancelOutcome::Cancelled(booking),
            leased,
        })
    }

    async fn find_booking(&self, id: &BookingId) -> Result<Option<Booking>> {
        Ok(self.open()?.bookings.get(id).cloned())
    }

    async fn list_bookings(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> Result<PageOf<Booking, BookingCursor>> {
        let position = |booking: &Booking| BookingCursor {
            date: booking.date,
            id: booking.id.clone(),
        };
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        let matches = |booking: &Booking| {
            let owned = match &filter.owner {
                BookingOwner::Event(event) => booking.event == *event,
                BookingOwner::User(user) => booking.user.as_ref() == Some(user),
            };
            let texts = [booking.name.as_ref(), booking.email.as_ref()];
            let found = text.as_ref().is_none_or(|text| {
                texts
                    .iter()
                    .flatten()
                    .any(|candidate| candidate.as_str().to_lowercase().contains(text))
            });
            owned
                && found
                && filter.state.as_ref().is_none_or(|state| booking.state == *state)
                && filter.from.is_none_or(|from| booking.date >= from)
                && filter.to.is_none_or(|to| booking.date <= to)
                && after.is_none_or(|after| position(booking) < *after)
        };
        let mut items: Vec<_> = self
            .data
            .lock()
            .bookings
            .values()
            .filter(|b| matches(b))
            .cloned()
            .collect();
        items.sort_by_key(|booking| std::cmp::Reverse(position(booking)));
        items.truncate(limit.saturating_add(1));
        Ok(PageOf::from_surplus(items, limit, position))
    }

    async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
        let data = self.open()?;
        let of = |event: &EventId| {
            data.counters
                .get(event)
                .map(|counter| counter.availability(event))
        };
        Ok(events.iter().map(of).collect())
    }

    async fn reconcile(&self, event: &EventId, repair: bool) -> Result<Option<Reconciliation>> {
        let mut data = self.open()?;
        let confirmed: i64 = data
            .confirmed(event)
            .map(|booking| i64::from(booking.seats.get()))
            .sum();
        let Some(counter) = data.counters.get_mut(event) else {
            return Ok(None);
        };
        let found = counter.reconcile(event, confirmed);
        if repair {
            counter.repair(confirmed);
        }
        Ok(Some(found))
    }

    async fn project_event(&self, projection: &EventProjection) -> Result<Applied> {
        let mut data = self.open()?;
        let id = &projection.record.event.id;
        // Copy and counter are each guarded by their own version, by rules that all stores share.
        let copy = counter::merge_event(data.events.get(id), projection);
        let counter = counter::merge_counter(data.counters.get(id), projection);
        let applied = Applied {
            copy: copy.is_some(),
            counter: counter.is_some(),
        };
        data.events.extend(copy.map(|copy| (id.clone(), copy)));
        data.counters.extend(counter.map(|counter| (id.clone(), counter)));
        Ok(applied)
    }

    async fn project_location(&self, record: &LocationRecord, mode: ApplyMode) -> Result<bool> {
        let mut data = self.open()?;
        let stored = data.locations.get(&record.location.id);
        let apply = counter::merge_location(stored, record, mode);
        if apply {
            data.locations.insert(record.location.id.clone(), record.clone());
        }
        Ok(apply)
    }

    async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>> {
        Ok(self.open()?.messages.logged(filter, after, limit))
    }

    async fn events_awaiting(
        &self,
        location: &Text,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        let data = self.open()?;
        let awaiting = data
            .events
            .values()
            .filter(|record| record.awaiting_location.as_ref() == Some(location));
        let rest = awaiting.filter(|record| after.is_none_or(|after| record.event.id > *after));
        Ok(rest.take(limit).cloned().collect())
    }
}
