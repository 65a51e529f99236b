//! S16: the store goes away and comes back; no answer is a false success.

use super::StoreBed;
use super::tools::{LEASE, at_rest, available, book, drain, open_event};
use crate::error::{Error, ErrorKind};
use crate::ports::{Attached, BookOptions, Outcome};
use crate::testkit::{CaseResult, Finding, ensure, fixture};

fn is_temporary(error: &Error) -> bool {
    error.is_retryable() && matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown)
}

/// Away: every call answers a typed error that a repeat cures. Back: the same instance works, and what was refused or
/// unknown is repeated by its id.
///
/// # Errors
/// What does not hold.
pub async fn s16_away_and_back(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let store = store.as_ref();
    let event = open_event(store, Some(10)).await?;
    if !bed.set_reachable(false).await? {
        return Ok(Finding::not_applicable(
            "nothing between the caller and this store can go away",
        ));
    }
    let request = fixture::booking_request(&event, 2);
    let record = fixture::event_record(fixture::event("while away"));
    let mut booked = store
        .book(&event, std::slice::from_ref(&request), BookOptions::default())
        .await;
    let errors = [
        booked.pop().and_then(Result::err),
        store.ping().await.err(),
        store
            .add_event(&record, fixture::announce(&record.event.id))
            .await
            .err(),
        store.find_event(&event).await.err(),
        store.claim(10, LEASE).await.err(),
        store.begin("c", &fixture::message_id(), LEASE).await.err(),
    ];
    for error in errors {
        ensure!(
            error.as_ref().is_some_and(is_temporary),
            "while it was away the store answered {error:?}"
        );
    }
    bed.set_reachable(true).await?;
    let outcome = book(store, &request).await?;
    ensure!(
        matches!(&outcome, Outcome::Booked(booking) | Outcome::Existing(booking) if *booking == request.booking),
        "the repeat was answered {outcome:?}"
    );
    ensure!(
        available(store, &event).await? == Some(8),
        "the seats were taken twice or not at all"
    );
    store.add_event(&record, Attached::nothing()).await?;
    bed.pass(super::tools::PAST_ALL_LEASES).await;
    drain(store).await?;
    at_rest(store, &event).await?;
    Ok(Finding::passed())
}
