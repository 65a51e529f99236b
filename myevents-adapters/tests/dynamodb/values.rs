//! Short ways to what the tests ask of a store.

use myevents_adapters::dynamodb::DynamoStore;
use myevents_core::Result;
use myevents_core::domain::{Capacity, EventId};
use myevents_core::ports::{
    BookOptions, BookingRequest, CancelOutcome, Committed, DatabaseHandler, Outbox, OutboxRow, Outcome,
};
use myevents_core::testkit::fixture;

/// An event that can be booked, at version 1.
pub(crate) async fn bookable(store: &DynamoStore, capacity: Capacity) -> EventId {
    let record = fixture::event_record(fixture::event("on sale"));
    let id = record.event.id.clone();
    let applied = store
        .project_event(&fixture::projection(record, 1, capacity))
        .await
        .unwrap();
    assert!(applied.copy && applied.counter);
    id
}

/// Books one wish.
pub(crate) async fn book(store: &DynamoStore, request: &BookingRequest) -> Result<Committed<Outcome>> {
    let event = &request.booking.event;
    let options = BookOptions::default();
    store
        .book(event, std::slice::from_ref(request), options)
        .await
        .remove(0)
}

/// Books one wish that must be granted; answers its messages.
pub(crate) async fn booked(store: &DynamoStore, request: &BookingRequest) -> Vec<OutboxRow> {
    let committed = book(store, request).await.unwrap();
    assert_eq!(committed.value, Outcome::Booked(request.booking.clone()));
    committed.leased
}

/// Cancels a booking that must be confirmed.
pub(crate) async fn cancelled(store: &DynamoStore, request: &BookingRequest) {
    let cancel = fixture::cancel_request(&request.booking.event, &request.booking.id);
    let committed = store.cancel_booking(&cancel).await.unwrap();
    assert!(matches!(committed.value, CancelOutcome::Cancelled(_)));
    store.release(&committed.leased).await.unwrap();
}

/// At rest the counter agrees with the bookings; answers seats sold and left.
pub(crate) async fn at_rest(store: &DynamoStore, event: &EventId) -> (i64, Option<i64>) {
    let found = store.reconcile(event, false).await.unwrap().unwrap();
    assert_eq!(found.drift, 0, "{found:?}");
    (found.sold, found.available)
}
