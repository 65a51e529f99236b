//! S13: a call that never resolves at a named place, its instance leaked, and a fresh one that goes on.

use std::sync::Arc;
use std::time::Duration;

use super::StoreBed;
use super::tools::{PAST_ALL_LEASES, at_rest, audit_of, available, book, drain, open_event};
use crate::crash;
use crate::domain::AuditAction;
use crate::ports::{BookOptions, CancelOutcome, CancelRequest, Outcome, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

/// How long a call may take until it is at its point.
const REACHED_WITHIN: Duration = Duration::from_secs(10);

/// At each point: a booking and a cancel are stuck there, a fresh instance repeats them by their ids. Nothing is done
/// twice, nothing is stuck, each accepted booking and cancel is announced at least once.
///
/// # Errors
/// What does not hold.
pub async fn s13_crash_points(bed: &dyn StoreBed) -> CaseResult {
    let points = bed.crash_points();
    if points.is_empty() {
        return Ok(Finding::not_applicable(
            "no second instance beside a leaked one: shown by killing child processes",
        ));
    }
    let mut reached = 0;
    for point in points {
        reached += usize::from(crashed_booking(bed, point).await?);
        reached += usize::from(crashed_cancel(bed, point).await?);
    }
    ensure!(reached >= points.len(), "some points were never reached");
    Ok(Finding::counted(format!(
        "{} points, reached {reached} times",
        points.len()
    )))
}

async fn instance(bed: &dyn StoreBed) -> Result<Arc<dyn Store>, Failure> {
    let fresh = bed.second().await?;
    fresh.ok_or_else(|| Failure::new("crash points without a second instance"))
}

/// Runs `call` until it is stuck at `point`; answers whether it got there. The instance is leaked, nothing is dropped.
async fn run_into<F>(point: &str, store: &Arc<dyn Store>, call: F) -> Result<bool, Failure>
where
    F: Future<Output = ()> + Send + 'static,
{
    let armed = crash::arm(point, 1);
    let mut task = tokio::spawn(call);
    let stuck = tokio::time::timeout(REACHED_WITHIN, async {
        tokio::select! {
            () = armed.reached() => true,
            _ = &mut task => false,
        }
    });
    let stuck = stuck
        .await
        .map_err(|_| Failure::new(format!("neither over nor stuck at {point}")))?;
    std::mem::forget(Arc::clone(store));
    std::mem::forget(task);
    Ok(stuck)
}

async fn crashed_booking(bed: &dyn StoreBed, point: &str) -> Result<bool, Failure> {
    let dying = instance(bed).await?;
    let event = open_event(dying.as_ref(), Some(5)).await?;
    let request = fixture::booking_request(&event, 5);
    let stuck = {
        let (store, event, request) = (Arc::clone(&dying), event.clone(), request.clone());
        run_into(point, &dying, async move {
            store.book(&event, &[request], BookOptions::default()).await;
        })
        .await?
    };
    let store = instance(bed).await?;
    let store = store.as_ref();
    let outcome = book(store, &request).await?;
    ensure!(
        matches!(&outcome, Outcome::Booked(booking) | Outcome::Existing(booking) if *booking == request.booking),
        "after a crash at {point} the repeat was answered {outcome:?}"
    );
    let left = available(store, &event).await?;
    ensure!(
        left == Some(0),
        "after a crash at {point} {left:?} seats are left of 0"
    );
    at_rest(store, &event).await?;
    announced(bed, store, point, &request.message).await?;
    Ok(stuck)
}

async fn crashed_cancel(bed: &dyn StoreBed, point: &str) -> Result<bool, Failure> {
    let dying = instance(bed).await?;
    let event = open_event(dying.as_ref(), Some(5)).await?;
    let request = fixture::booking_request(&event, 4);
    book(dying.as_ref(), &request).await?;
    let cancel = CancelRequest {
        audit: Some(fixture::audit(
            AuditAction::BOOKING_CANCELLED,
            &request.booking.id,
        )),
        ..fixture::cancel_request(&event, &request.booking.id)
    };
    let stuck = {
        let (store, cancel) = (Arc::clone(&dying), cancel.clone());
        run_into(point, &dying, async move {
            drop(store.cancel_booking(&cancel).await);
        })
        .await?
    };
    let store = instance(bed).await?;
    let store = store.as_ref();
    let outcome = store.cancel_booking(&cancel).await?.value;
    ensure!(
        matches!(outcome, CancelOutcome::Cancelled(_) | CancelOutcome::Already(_)),
        "after a crash at {point} the repeated cancel was answered {outcome:?}"
    );
    let left = available(store, &event).await?;
    ensure!(
        left == Some(5),
        "after a crash at {point} {left:?} seats are left of 5"
    );
    at_rest(store, &event).await?;
    announced(bed, store, point, &cancel.message).await?;
    let lines = audit_of(store, (&cancel.booking).into()).await?;
    ensure!(
        lines.iter().eq(&cancel.audit),
        "after a crash at {point} the audit log says of one cancel {lines:?}"
    );
    Ok(stuck)
}

async fn announced(
    bed: &dyn StoreBed,
    store: &dyn Store,
    point: &str,
    message: &crate::contract::Envelope,
) -> Result<(), Failure> {
    bed.pass(PAST_ALL_LEASES).await;
    let found = drain(store).await?;
    let times = found.iter().filter(|found| *found == message).count();
    ensure!(
        times == 1,
        "after a crash at {point} the message is in the outbox {times} times"
    );
    Ok(())
}
