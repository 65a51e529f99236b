//! S13b: the histories that the protocols are about, step by step.

use std::time::Duration;

use tokio::time::Instant;

use super::StoreBed;
use super::tools::{at_rest, available, book, book_batch, book_with, drain, open_event, settle};
use crate::domain::{Capacity, EventId, PersonLimits, Version};
use crate::error::ErrorKind;
use crate::ports::{BookOptions, CancelOutcome, Outcome, Store, UnknownCapacity};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

/// The same id twice in a batch, a retry after the last seat was sold to it, capacity below sold, unknown capacity, …
///
/// # Errors
/// What does not hold.
pub async fn s13b_histories(bed: &dyn StoreBed) -> CaseResult {
    let second = bed.second().await?;
    let store = bed.store();
    let store = store.as_ref();
    same_id_in_a_batch(store).await?;
    retry_after_the_last_seat(store).await?;
    greedy_batch(store).await?;
    lowered_below_sold(store).await?;
    unknown_capacity(store).await?;
    cancelled_event(store).await?;
    foreign_wishes(store).await?;
    past_the_deadline(store).await?;
    rules_of_an_older_copy(store).await?;
    limits_of_a_removed_user(store).await?;
    if let Some(second) = second {
        two_processes(store, second.as_ref()).await?;
    }
    Ok(Finding::passed())
}

async fn set_capacity(
    store: &dyn Store,
    event: &EventId,
    version: u64,
    capacity: Capacity,
) -> Result<(), Failure> {
    let mut record = fixture::event_record(fixture::event("changed"));
    record.event.id = event.clone();
    let applied = store
        .project_event(&fixture::projection(record, version, capacity))
        .await?;
    ensure!(applied.counter, "a newer capacity was not taken");
    Ok(())
}

async fn cancel(store: &dyn Store, event: &EventId, outcome: &Outcome) -> Result<CancelOutcome, Failure> {
    let (Outcome::Booked(booking) | Outcome::Existing(booking)) = outcome else {
        return Err(Failure::new(format!("nothing to cancel: {outcome:?}")));
    };
    let request = fixture::cancel_request(event, &booking.id);
    Ok(settle(store, store.cancel_booking(&request).await?).await?)
}

fn is_booked(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Booked(_))
}

/// The second waits for the first: granted → existing; refused → decided on its own.
async fn same_id_in_a_batch(store: &dyn Store) -> Result<(), Failure> {
    let event = open_event(store, Some(5)).await?;
    let first = fixture::booking_request(&event, 3);
    let mut reused = first.clone();
    reused.booking.seats = fixture::seats(1);
    reused.booking.fingerprint = fixture::fingerprint("one seat");
    let batch = [first.clone(), first.clone(), reused];
    let outcomes = book_batch(store, &batch, BookOptions::default()).await?;
    ensure!(
        outcomes
            == [
                Outcome::Booked(first.booking.clone()),
                Outcome::Existing(first.booking.clone()),
                Outcome::KeyReused
            ],
        "one id three times in a batch was answered {outcomes:?}"
    );
    let large = fixture::booking_request(&event, 4);
    let mut small = large.clone();
    small.booking.seats = fixture::seats(2);
    small.booking.fingerprint = fixture::fingerprint("two seats");
    let outcomes = book_batch(store, &[large, small], BookOptions::default()).await?;
    ensure!(
        outcomes[0] == Outcome::SoldOut { available: 2 } && is_booked(&outcomes[1]),
        "an id whose first wish was refused was answered {outcomes:?}"
    );
    let found = at_rest(store, &event).await?;
    ensure!(found.sold == 5, "{found:?}");
    let messages = drain(store).await?.len();
    ensure!(messages == 2, "{messages} messages for 2 bookings");
    Ok(())
}

/// Whoever got the last seat and lost the answer finds the booking, not "sold out"; also after the cancel of event or
/// booking.
async fn retry_after_the_last_seat(store: &dyn Store) -> Result<(), Failure> {
    let event = open_event(store, Some(2)).await?;
    let last = fixture::booking_request(&event, 2);
    ensure!(
        is_booked(&book(store, &last).await?),
        "the last seats were refused"
    );
    let sold_out = book(store, &fixture::booking_request(&event, 1)).await?;
    ensure!(sold_out == Outcome::SoldOut { available: 0 }, "{sold_out:?}");
    let again = book(store, &last).await?;
    ensure!(
        again == Outcome::Existing(last.booking.clone()),
        "the retry was answered {again:?}"
    );
    let CancelOutcome::Cancelled(cancelled) = cancel(store, &event, &again).await? else {
        return Err(Failure::new("the cancel made no change"));
    };
    // The id is spent: the retry shows the booking as it is now and takes no seats.
    let spent = book(store, &last).await?;
    ensure!(
        spent == Outcome::Existing(cancelled.clone()),
        "after the cancel the retry was answered {spent:?}"
    );
    ensure!(
        available(store, &event).await? == Some(2),
        "a spent id took seats"
    );
    let mut record = fixture::event_record(fixture::event("over"));
    record.event.id = event.clone();
    record.event.cancelled = true;
    store
        .project_event(&fixture::projection(record, 2, Some(2)))
        .await?;
    let after = book(store, &last).await?;
    ensure!(
        after == Outcome::Existing(cancelled),
        "after the event was cancelled the retry was answered {after:?}"
    );
    Ok(())
}

async fn greedy_batch(store: &dyn Store) -> Result<(), Failure> {
    let event = open_event(store, Some(10)).await?;
    let batch: Vec<_> = [4, 7, 3, 4, 2, 3, 1, 1]
        .into_iter()
        .map(|seats| fixture::booking_request(&event, seats))
        .collect();
    let outcomes = book_batch(store, &batch, BookOptions::default()).await?;
    let granted: Vec<_> = outcomes.iter().map(is_booked).collect();
    ensure!(
        granted == [true, false, true, false, true, false, true, false],
        "4 7 3 4 2 3 1 1 of 10 seats: {outcomes:?}"
    );
    for (request, outcome) in batch.iter().zip(&outcomes) {
        if let Outcome::SoldOut { available } = outcome {
            ensure!(
                *available < u64::from(request.booking.seats.get()),
                "refused with {available} seats left for {:?}",
                request.booking.seats
            );
        }
    }
    let none = book_batch(store, &[], BookOptions::default()).await?;
    ensure!(none.is_empty(), "an empty batch was answered {none:?}");
    at_rest(store, &event).await?;
    Ok(())
}

/// Lowered below what is sold: nobody loses a seat, nothing is granted until it fits.
async fn lowered_below_sold(store: &dyn Store) -> Result<(), Failure> {
    let event = open_event(store, Some(10)).await?;
    let six = book(store, &fixture::booking_request(&event, 6)).await?;
    book(store, &fixture::booking_request(&event, 3)).await?;
    set_capacity(store, &event, 2, Some(5)).await?;
    ensure!(
        available(store, &event).await? == Some(0),
        "below zero is not shown as zero"
    );
    let found = at_rest(store, &event).await?;
    ensure!(found.available == Some(-4) && found.sold == 9, "{found:?}");
    let refused = book(store, &fixture::booking_request(&event, 1)).await?;
    ensure!(
        refused == Outcome::SoldOut { available: 0 },
        "below zero a wish was answered {refused:?}"
    );
    cancel(store, &event, &six).await?;
    ensure!(
        available(store, &event).await? == Some(2),
        "after the cancel the rest is wrong"
    );
    let refused = book(store, &fixture::booking_request(&event, 3)).await?;
    ensure!(refused == Outcome::SoldOut { available: 2 }, "{refused:?}");
    let granted = book(store, &fixture::booking_request(&event, 2)).await?;
    ensure!(is_booked(&granted), "what fits was answered {granted:?}");
    set_capacity(store, &event, 3, Some(8)).await?;
    ensure!(
        available(store, &event).await? == Some(3),
        "raised, the rest is wrong"
    );
    at_rest(store, &event).await?;
    Ok(())
}

/// Unknown is not zero: refused, or counted; a cancel meanwhile; known again.
async fn unknown_capacity(store: &dyn Store) -> Result<(), Failure> {
    let allow = BookOptions {
        unknown_capacity: UnknownCapacity::Allow,
        seen: None,
    };
    let event = open_event(store, None).await?;
    let refused = book(store, &fixture::booking_request(&event, 1)).await?;
    ensure!(
        refused == Outcome::CapacityUnknown,
        "with unknown capacity a wish was answered {refused:?}"
    );
    let many = book_with(store, &fixture::booking_request(&event, 2_000), allow).await?;
    let few = book_with(store, &fixture::booking_request(&event, 3), allow).await?;
    ensure!(
        is_booked(&many) && is_booked(&few),
        "without bound: {many:?}, {few:?}"
    );
    ensure!(
        available(store, &event).await?.is_none(),
        "an unknown capacity shows seats"
    );
    cancel(store, &event, &many).await?;
    let found = at_rest(store, &event).await?;
    ensure!(
        found.sold == 3 && found.available.is_none() && found.capacity.is_none(),
        "after a cancel with unknown capacity: {found:?}"
    );
    let refused = book(store, &fixture::booking_request(&event, 1)).await?;
    ensure!(
        refused == Outcome::CapacityUnknown,
        "a cancel made an unknown capacity bookable: {refused:?}"
    );
    set_capacity(store, &event, 2, Some(5)).await?;
    ensure!(
        available(store, &event).await? == Some(2),
        "known, the counter forgot what was sold before"
    );
    set_capacity(store, &event, 3, None).await?;
    let found = at_rest(store, &event).await?;
    ensure!(
        found.sold == 3 && found.available.is_none(),
        "unknown again: {found:?}"
    );
    Ok(())
}

async fn cancelled_event(store: &dyn Store) -> Result<(), Failure> {
    let event = open_event(store, Some(4)).await?;
    let booked = book(store, &fixture::booking_request(&event, 2)).await?;
    let mut record = fixture::event_record(fixture::event("over"));
    record.event.id = event.clone();
    record.event.cancelled = true;
    store
        .project_event(&fixture::projection(record.clone(), 2, Some(4)))
        .await?;
    for seats in [1, 100] {
        let refused = book(store, &fixture::booking_request(&event, seats)).await?;
        ensure!(
            refused == Outcome::EventCancelled,
            "a cancelled event was answered {refused:?}"
        );
    }
    let outcome = cancel(store, &event, &booked).await?;
    ensure!(
        matches!(outcome, CancelOutcome::Cancelled(_)),
        "a booking of a cancelled event could not be cancelled: {outcome:?}"
    );
    ensure!(
        available(store, &event).await? == Some(0),
        "a cancel reopened a cancelled event"
    );
    record.event.cancelled = false;
    store
        .project_event(&fixture::projection(record, 3, Some(9)))
        .await?;
    let refused = book(store, &fixture::booking_request(&event, 1)).await?;
    ensure!(
        refused == Outcome::EventCancelled,
        "a later message reopened a cancelled event: {refused:?}"
    );
    at_rest(store, &event).await?;
    Ok(())
}

/// A wish for another event than its batch, an id of another event, a cancel under the wrong event.
async fn foreign_wishes(store: &dyn Store) -> Result<(), Failure> {
    let (one, other) = (
        open_event(store, Some(3)).await?,
        open_event(store, Some(3)).await?,
    );
    let mine = fixture::booking_request(&one, 1);
    let foreign = fixture::booking_request(&other, 1);
    let mut answers = store
        .book(&one, &[foreign.clone(), mine.clone()], BookOptions::default())
        .await
        .into_iter();
    let refused = answers.next();
    ensure!(
        matches!(&refused, Some(Err(error)) if error.kind() == ErrorKind::Invalid),
        "a wish for another event was answered {refused:?}"
    );
    let booked = answers.next().transpose()?.map(|committed| committed.value);
    ensure!(
        booked.as_ref().is_some_and(is_booked),
        "the wish beside it was answered {booked:?}"
    );
    ensure!(
        store.find_booking(&foreign.booking.id).await?.is_none(),
        "a wish for another event was stored"
    );
    let mut reused = fixture::booking_request(&other, 1);
    reused.booking.id = mine.booking.id.clone();
    let outcome = book(store, &reused).await?;
    ensure!(
        outcome == Outcome::KeyReused,
        "an id of another event was answered {outcome:?}"
    );
    let wrong = fixture::cancel_request(&other, &mine.booking.id);
    let outcome = store.cancel_booking(&wrong).await?.value;
    ensure!(
        outcome == CancelOutcome::Unknown,
        "a cancel under another event was answered {outcome:?}"
    );
    at_rest(store, &one).await?;
    at_rest(store, &other).await?;
    Ok(())
}

/// After its deadline nothing is committed any more.
async fn past_the_deadline(store: &dyn Store) -> Result<(), Failure> {
    let event = open_event(store, Some(3)).await?;
    let Some(past) = Instant::now().checked_sub(Duration::from_millis(1)) else {
        return Ok(());
    };
    let mut late = fixture::booking_request(&event, 1);
    late.deadline = past;
    let in_time = fixture::booking_request(&event, 1);
    let mut answers = store
        .book(&event, &[late.clone(), in_time], BookOptions::default())
        .await
        .into_iter();
    let refused = answers.next();
    ensure!(
        matches!(&refused, Some(Err(error)) if error.kind() == ErrorKind::Overloaded),
        "a wish past its deadline was answered {refused:?}"
    );
    let booked = answers.next().transpose()?.map(|committed| committed.value);
    ensure!(
        booked.as_ref().is_some_and(is_booked),
        "the wish beside it was answered {booked:?}"
    );
    ensure!(
        store.find_booking(&late.booking.id).await?.is_none(),
        "a wish past its deadline was stored"
    );
    let Some(Outcome::Booked(booking)) = booked else {
        return Ok(());
    };
    let mut cancel = fixture::cancel_request(&event, &booking.id);
    cancel.deadline = past;
    let refused = store.cancel_booking(&cancel).await;
    ensure!(
        refused
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Overloaded),
        "a cancel past its deadline was answered {refused:?}"
    );
    ensure!(
        available(store, &event).await? == Some(2),
        "a late call changed the counter"
    );
    Ok(())
}

/// Wishes that the rules of an older version let pass are not granted, stored ones are found all the same.
async fn rules_of_an_older_copy(store: &dyn Store) -> Result<(), Failure> {
    let seen = |version| BookOptions {
        seen: Some(Version(version)),
        ..BookOptions::default()
    };
    let event = open_event(store, Some(5)).await?;
    let stored = fixture::booking_request(&event, 2);
    let outcome = book_with(store, &stored, seen(1)).await?;
    ensure!(
        is_booked(&outcome),
        "under the version of the counter: {outcome:?}"
    );
    set_capacity(store, &event, 2, Some(6)).await?;
    let batch = [stored.clone(), fixture::booking_request(&event, 1)];
    let mut answers = store.book(&event, &batch, seen(1)).await.into_iter();
    let found = answers.next().transpose()?.map(|committed| committed.value);
    ensure!(
        found == Some(Outcome::Existing(stored.booking.clone())),
        "a stored wish under an older version was answered {found:?}"
    );
    let stale = answers.next();
    ensure!(
        matches!(&stale, Some(Err(error)) if error.kind() == ErrorKind::Precondition),
        "a new wish under an older version was answered {stale:?}"
    );
    ensure!(
        available(store, &event).await? == Some(4),
        "a wish under an older version took seats"
    );
    let outcome = book_with(store, &batch[1], seen(2)).await?;
    ensure!(is_booked(&outcome), "under the new version: {outcome:?}");
    at_rest(store, &event).await?;
    Ok(())
}

/// A person is removed while wishes under limits are on their way: what is booked with them counts for nobody, so all
/// fit, and still none of the batch may overtake another.
async fn limits_of_a_removed_user(store: &dyn Store) -> Result<(), Failure> {
    let event = open_event(store, Some(10)).await?;
    let limits = PersonLimits {
        seats: Some(5),
        bookings: None,
    };
    let user = fixture::user_id();
    store.remove_user(&user, None).await?;
    let wish = |seats, person: &str| {
        let mut request = fixture::limited_request(&event, seats, person, limits);
        request.booking.user = (person == "gone").then(|| user.clone());
        request
    };
    let batch = [wish(3, "ada"), wish(2, "gone"), wish(4, "gone"), wish(2, "bob")];
    let outcomes = book_batch(store, &batch, BookOptions::default()).await?;
    ensure!(
        outcomes[..3].iter().all(is_booked) && outcomes[3] == Outcome::SoldOut { available: 1 },
        "3, 2 and 4 for one who is gone, and 2 of 10 seats: {outcomes:?}"
    );
    at_rest(store, &event).await?;
    Ok(())
}

/// What one process wrote the other decides by, at once; seats that come back meanwhile are seen.
async fn two_processes(one: &dyn Store, other: &dyn Store) -> Result<(), Failure> {
    let event = open_event(one, Some(6)).await?;
    let four = book(one, &fixture::booking_request(&event, 4)).await?;
    let refused = book(other, &fixture::booking_request(&event, 3)).await?;
    ensure!(refused == Outcome::SoldOut { available: 2 }, "{refused:?}");
    cancel(other, &event, &four).await?;
    let batch: Vec<_> = [5, 3, 1]
        .into_iter()
        .map(|seats| fixture::booking_request(&event, seats))
        .collect();
    let outcomes = book_batch(one, &batch, BookOptions::default()).await?;
    ensure!(
        is_booked(&outcomes[0])
            && outcomes[1] == Outcome::SoldOut { available: 1 }
            && is_booked(&outcomes[2]),
        "5 3 1 of 6 seats after a cancel elsewhere: {outcomes:?}"
    );
    let again = book(other, &batch[0]).await?;
    ensure!(
        matches!(again, Outcome::Existing(_)),
        "the retry at another process was answered {again:?}"
    );
    at_rest(other, &event).await?;
    Ok(())
}
