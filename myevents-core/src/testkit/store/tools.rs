//! What several cases need: whole lists, a drained outbox, the invariants of a counter at rest.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::Envelope;
use crate::domain::{AuditEntry, Booking, Capacity, EventId, EventRecord, Id};
use crate::error::Result;
use crate::ports::{
    AuditFilter, BookOptions, BookingFilter, BookingOwner, BookingRequest, Committed, EventFilter, OutboxRow,
    Outcome, Reconciliation, Store,
};
use crate::testkit::{Failure, ensure, fixture};

/// Longer than any lease a store gives by itself.
pub(super) const PAST_ALL_LEASES: Duration = Duration::from_secs(3_600);

/// Where a loop over pages or claims of a broken store is given up: a store that answers at once would hold the
/// thread, and no time limit would end the case.
const MOST_ROUNDS: usize = 2_000;

/// The lease of claims in these suites.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// Makes an event bookable: offers it to copy and counter, as the projection does.
pub(super) async fn open_event(store: &dyn Store, capacity: Capacity) -> Result<EventId, Failure> {
    let record = fixture::event_record(fixture::event("on sale"));
    let id = record.event.id.clone();
    let applied = store
        .project_event(&fixture::projection(record, 1, capacity))
        .await?;
    ensure!(
        applied.copy && applied.counter,
        "a new event was not taken: {applied:?}"
    );
    Ok(id)
}

/// Books one wish; what is leased is given back.
pub(super) async fn book(store: &dyn Store, request: &BookingRequest) -> Result<Outcome, Failure> {
    book_with(store, request, BookOptions::default()).await
}

pub(super) async fn book_with(
    store: &dyn Store,
    request: &BookingRequest,
    options: BookOptions,
) -> Result<Outcome, Failure> {
    let mut answers = book_batch(store, std::slice::from_ref(request), options).await?;
    answers
        .pop()
        .ok_or_else(|| Failure::new("book answered nothing for one wish"))
}

/// Books a batch for the event of its first wish; what is leased is given back.
pub(super) async fn book_batch(
    store: &dyn Store,
    requests: &[BookingRequest],
    options: BookOptions,
) -> Result<Vec<Outcome>, Failure> {
    let Some(first) = requests.first() else {
        return Ok(Vec::new());
    };
    let answers = store.book(&first.booking.event, requests, options).await;
    ensure!(
        answers.len() == requests.len(),
        "{} answers for {} wishes",
        answers.len(),
        requests.len()
    );
    let mut outcomes = Vec::with_capacity(answers.len());
    for answer in answers {
        outcomes.push(settle(store, answer?).await?);
    }
    Ok(outcomes)
}

/// Gives back what a write left leased, and answers its value.
pub(super) async fn settle<T>(store: &dyn Store, committed: Committed<T>) -> Result<T> {
    if !committed.leased.is_empty() {
        store.release(&committed.leased).await?;
    }
    Ok(committed.value)
}

/// Claims all that may be claimed, without confirming it.
pub(super) async fn claim_all(store: &dyn Store) -> Result<Vec<OutboxRow>, Failure> {
    let mut rows = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let claim = store.claim(500, LEASE).await?;
        if claim.rows.is_empty() {
            return Ok(rows);
        }
        rows.extend(claim.rows);
    }
    Err(Failure::new("the same rows are handed out again and again"))
}

/// Takes all messages out of the outbox.
pub(super) async fn drain(store: &dyn Store) -> Result<Vec<Envelope>, Failure> {
    let mut messages = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let claim = store.claim(500, LEASE).await?;
        if claim.rows.is_empty() {
            return Ok(messages);
        }
        store.confirm(&claim.rows).await?;
        messages.extend(claim.rows.into_iter().map(|row| row.envelope));
    }
    Err(Failure::new("the outbox does not get empty"))
}

/// The audit log of a filter, page by page.
pub(super) async fn all_audit(
    store: &dyn Store,
    filter: &AuditFilter,
    page: usize,
) -> Result<Vec<AuditEntry>, Failure> {
    let mut entries = Vec::new();
    let mut after = None;
    for _ in 0..MOST_ROUNDS {
        let listed = store.list_audit(filter, after.as_ref(), page).await?;
        ensure!(
            listed.items.len() <= page,
            "a page of {page} has {} entries",
            listed.items.len()
        );
        entries.extend(listed.items);
        match listed.next {
            Some(next) => after = Some(next),
            None => return Ok(entries),
        }
    }
    Err(Failure::new("the audit log has no end"))
}

/// The audit log of one record.
pub(super) async fn audit_of(store: &dyn Store, object: Id) -> Result<Vec<AuditEntry>, Failure> {
    let filter = AuditFilter {
        object: Some(object),
        ..AuditFilter::default()
    };
    all_audit(store, &filter, 100).await
}

/// All bookings of a filter, page by page.
pub(super) async fn all_bookings(
    store: &dyn Store,
    filter: &BookingFilter,
    page: usize,
) -> Result<Vec<Booking>, Failure> {
    let mut bookings = Vec::new();
    let mut after = None;
    for _ in 0..MOST_ROUNDS {
        let found = store.list_bookings(filter, after.as_ref(), page).await?;
        ensure!(
            found.items.len() <= page,
            "a page of {} where {page} were asked for",
            found.items.len()
        );
        bookings.extend(found.items);
        match found.next {
            Some(next) => after = Some(next),
            None => return Ok(bookings),
        }
    }
    Err(Failure::new("the list does not end"))
}

/// All bookings of an event.
pub(super) async fn bookings_of(store: &dyn Store, event: &EventId) -> Result<Vec<Booking>, Failure> {
    let filter = BookingFilter::all_of(BookingOwner::Event(event.clone()));
    all_bookings(store, &filter, 700).await
}

/// All events of a filter, page by page.
pub(super) async fn all_events(
    store: &dyn Store,
    filter: &EventFilter,
    page: usize,
) -> Result<Vec<EventRecord>, Failure> {
    let mut events = Vec::new();
    let mut after = None;
    for _ in 0..MOST_ROUNDS {
        let found = store.list_events(filter, after.as_ref(), page).await?;
        ensure!(
            found.items.len() <= page,
            "a page of {} where {page} were asked for",
            found.items.len()
        );
        events.extend(found.items);
        match found.next {
            Some(next) => after = Some(next),
            None => return Ok(events),
        }
    }
    Err(Failure::new("the list does not end"))
}

/// At rest: no drift, and counter + confirmed seats = capacity.
pub(super) async fn at_rest(store: &dyn Store, event: &EventId) -> Result<Reconciliation, Failure> {
    let found = store
        .reconcile(event, false)
        .await?
        .ok_or_else(|| Failure::new("the event has no counter"))?;
    ensure!(found.drift == 0, "the counter is off: {found:?}");
    let listed: i64 = bookings_of(store, event)
        .await?
        .iter()
        .filter(|booking| crate::counter::is_confirmed(&booking.state))
        .map(|booking| i64::from(booking.seats.get()))
        .sum();
    ensure!(
        listed == found.sold,
        "{listed} seats in the list of bookings, {} sold",
        found.sold
    );
    if let (Some(capacity), Some(available)) = (found.capacity, found.available) {
        ensure!(
            i64::try_from(capacity).is_ok_and(|capacity| capacity == available + found.sold + found.held),
            "counter and bookings don't add up to the capacity: {found:?}"
        );
    }
    Ok(found)
}

/// The seats left, as people see them.
pub(super) async fn available(store: &dyn Store, event: &EventId) -> Result<Option<u64>, Failure> {
    let mut found = store.availability(std::slice::from_ref(event)).await?;
    let availability = found
        .pop()
        .flatten()
        .ok_or_else(|| Failure::new("the event has no counter"))?;
    Ok(availability.available)
}

/// Both instances, or the first one twice.
pub(super) fn pair(first: &Arc<dyn Store>, second: Option<&Arc<dyn Store>>) -> [Arc<dyn Store>; 2] {
    [Arc::clone(first), Arc::clone(second.unwrap_or(first))]
}

/// Waits for all tasks; a panic of one is a failure.
pub(super) async fn join<T: 'static>(
    tasks: Vec<tokio::task::JoinHandle<Result<T, Failure>>>,
) -> Result<Vec<T>, Failure> {
    let mut values = Vec::with_capacity(tasks.len());
    for task in tasks {
        values.push(task.await??);
    }
    Ok(values)
}
