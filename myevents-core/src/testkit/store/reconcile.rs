//! S18: reconcile finds what is off, nothing else, and sets it right.

use super::StoreBed;
use super::tools::{at_rest, available, book, open_event, settle};
use crate::domain::EventId;
use crate::ports::{Outcome, Reconciliation, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

/// No drift after bookings and cancels; a planted drift is found, told, and repaired.
///
/// # Errors
/// What does not hold.
pub async fn s18_reconcile(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let store = store.as_ref();
    let unknown = fixture::event_id();
    ensure!(
        store.reconcile(&unknown, true).await?.is_none(),
        "an event without counter was reconciled"
    );
    let event = open_event(store, Some(50)).await?;
    for seats in 1..=6 {
        let request = fixture::booking_request(&event, seats);
        book(store, &request).await?;
        if seats % 2 == 0 {
            let cancel = fixture::cancel_request(&event, &request.booking.id);
            settle(store, store.cancel_booking(&cancel).await?).await?;
        }
    }
    let found = at_rest(store, &event).await?;
    ensure!(found.sold == 9 && found.available == Some(41), "{found:?}");
    let repaired = store.reconcile(&event, true).await?;
    ensure!(
        repaired.as_ref() == Some(&found),
        "a repair of what is right answered {repaired:?}"
    );
    if !bed.plant_drift(&event, 5).await? {
        return Ok(Finding::counted("0 drift; no way to plant one"));
    }
    let event = &found.event;
    let planted = look_at(store, event, false).await?;
    ensure!(
        planted.drift != 0,
        "a planted drift of 5 seats was not found: {planted:?}"
    );
    ensure!(planted.confirmed == 9, "{planted:?}");
    let told = look_at(store, event, true).await?;
    ensure!(
        told == planted,
        "the repair tells {told:?}, the look before {planted:?}"
    );
    at_rest(store, event).await?;
    ensure!(
        available(store, event).await? == Some(41),
        "after the repair the rest is wrong"
    );
    let outcome = book(store, &fixture::booking_request(event, 41)).await?;
    ensure!(
        matches!(outcome, Outcome::Booked(_)),
        "after the repair a wish was answered {outcome:?}"
    );
    Ok(Finding::passed())
}

async fn look_at(store: &dyn Store, event: &EventId, repair: bool) -> Result<Reconciliation, Failure> {
    store
        .reconcile(event, repair)
        .await?
        .ok_or_else(|| Failure::new("the counter is gone"))
}
