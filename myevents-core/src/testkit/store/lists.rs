//! S03, S15: long lists are complete, in order, without repeats, while others write.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::StoreBed;
use super::tools::{all_bookings, all_events, book_batch, open_event};
use crate::domain::{BookingState, EventRecord};
use crate::ports::{
    ApplyMode, Attached, BookOptions, BookingFilter, BookingOwner, EventFilter, EventProjection, Outcome,
};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

const EVENTS: usize = 5_000;
const BOOKINGS: usize = 2_000;

fn event_at(index: usize) -> EventRecord {
    let mut record = fixture::event_record(fixture::event(&format!("event {index:05}")));
    // Four events share each start, so that the id decides between them.
    record.event.start = fixture::date(fixture::START + (index / 4) as i64 * 60);
    record.event.end = record.event.start;
    if let Some(location) = &mut record.event.location {
        location.address = fixture::text(&"x".repeat(300));
    }
    record
}

/// 5,000 events, more than 1 MiB of them: complete, no repeats, in order, while others insert.
///
/// # Errors
/// What does not hold.
pub async fn s03_long_list(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let records: Vec<EventRecord> = (0..EVENTS).map(event_at).collect();
    stream::iter(&records)
        .map(|record| store.add_event(record, Attached::nothing()))
        .buffer_unordered(64)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    let mut expected: Vec<_> = records
        .iter()
        .map(|record| (record.event.start, record.event.id.clone()))
        .collect();
    expected.sort();
    for page in [10_000, 1_000, 97] {
        let listed = all_events(store.as_ref(), &EventFilter::default(), page).await?;
        let listed: Vec<_> = listed
            .into_iter()
            .map(|record| (record.event.start, record.event.id))
            .collect();
        ensure!(
            listed == expected,
            "pages of {page} gave {} of {EVENTS} events, or not in order",
            listed.len()
        );
    }
    meanwhile(bed, &records).await?;
    filtered(bed, &records).await?;
    revised(bed).await?;
    Ok(Finding::counted(format!("{EVENTS} events")))
}

/// Others insert before, in and behind the page; what was there comes exactly once.
async fn meanwhile(bed: &dyn StoreBed, records: &[EventRecord]) -> Result<(), Failure> {
    let store = bed.store();
    let before: HashSet<_> = records.iter().map(|record| record.event.id.clone()).collect();
    let mut seen = Vec::new();
    let mut after = None;
    let mut inserted = 0_usize;
    loop {
        let page = store
            .list_events(&EventFilter::default(), after.as_ref(), 250)
            .await?;
        seen.extend(page.items.into_iter().map(|record| record.event.id));
        for index in [inserted * 40, EVENTS - 1 - inserted * 40] {
            store.add_event(&event_at(index), Attached::nothing()).await?;
        }
        inserted += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let unique: HashSet<_> = seen.iter().cloned().collect();
    ensure!(
        unique.len() == seen.len(),
        "{} repeats while others insert",
        seen.len() - unique.len()
    );
    let missing = before.difference(&unique).count();
    ensure!(missing == 0, "{missing} events missing while others insert");
    Ok(())
}

async fn filtered(bed: &dyn StoreBed, records: &[EventRecord]) -> Result<(), Failure> {
    let store = bed.store();
    let from = records[1_000].event.start;
    let to = records[1_999].event.start;
    let filter = EventFilter {
        text: Some("EVENT 01".to_owned()),
        from: Some(from),
        to: Some(to),
        with_cancelled: false,
    };
    let listed = all_events(store.as_ref(), &filter, 77).await?;
    let found: HashSet<_> = listed.iter().map(|record| record.event.id.clone()).collect();
    ensure!(found.len() == listed.len(), "a filtered list has repeats");
    for record in records {
        let wanted = record.event.start >= from
            && record.event.start <= to
            && record.event.name.as_str().contains("event 01");
        ensure!(
            found.contains(&record.event.id) == wanted,
            "{} is wrongly {} the filtered list",
            record.event.name,
            if wanted { "missing from" } else { "in" }
        );
    }
    Ok(())
}

/// Where the store tells a revision of its events, each way to change one moves it on, and nothing else does.
async fn revised(bed: &dyn StoreBed) -> Result<(), Failure> {
    let store = bed.store();
    let Some(mut last) = store.events_revision().await? else {
        return Ok(());
    };
    let mut record = event_at(EVENTS);
    for step in ["an event is added", "it is replaced", "a copy is projected"] {
        match step {
            "an event is added" => drop(store.add_event(&record, Attached::nothing()).await?),
            "it is replaced" => {
                let expected = record.version;
                record.version = expected.next();
                store
                    .replace_event(&record, expected, Attached::nothing())
                    .await?;
            }
            _ => {
                record.version = record.version.next();
                let projection = EventProjection {
                    record: record.clone(),
                    capacity: record.event.capacity(),
                    mode: ApplyMode::Newer,
                };
                store.project_event(&projection).await?;
            }
        }
        let now = store.events_revision().await?;
        ensure!(
            now.is_some_and(|now| now != last),
            "the revision stays {last} when {step}"
        );
        last = now.unwrap_or_default();
    }
    store.list_events(&EventFilter::default(), None, 10).await?;
    store.add_event(&record, Attached::nothing()).await.ok();
    let now = store.events_revision().await?;
    ensure!(
        now == Some(last),
        "the revision went from {last} to {now:?} with nothing changed"
    );
    if let Some(second) = bed.second().await? {
        let seen = second.events_revision().await?;
        ensure!(
            seen == Some(last),
            "another instance tells revision {seen:?}, not {last}"
        );
    }
    Ok(())
}

/// A user's 2,000 bookings: own only, newest first, paged, filtered.
///
/// # Errors
/// What does not hold.
pub async fn s15_bookings_of_a_user(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let store = store.as_ref();
    let event = open_event(store, Some(1_000_000)).await?;
    let (user, stranger) = (fixture::user_id(), fixture::user_id());
    let mut requests = Vec::new();
    for index in 0..BOOKINGS + 200 {
        let mut booking = fixture::booking(&event, 1 + (index % 3) as u32);
        booking.date = fixture::date(fixture::START + (index / 3) as i64);
        booking.user = match index % 11 {
            10 => Some(stranger.clone()),
            _ => Some(user.clone()),
        };
        booking.email = Some(fixture::text(&format!("User{index}@Example.org")));
        requests.push(fixture::request_of(booking));
    }
    let batch = store.capabilities().max_batch;
    for part in requests.chunks(batch) {
        let outcomes = book_batch(store, part, BookOptions::default()).await?;
        ensure!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Booked(_))),
            "a booking of an open event was refused"
        );
    }
    let cancelled = &requests[7].booking.id;
    store
        .cancel_booking(&fixture::cancel_request(&event, cancelled))
        .await?;
    let mut expected: Vec<_> = requests
        .iter()
        .map(|request| request.booking.clone())
        .filter(|booking| booking.user.as_ref() == Some(&user))
        .collect();
    for booking in &mut expected {
        if booking.id == *cancelled {
            booking.state = BookingState::Cancelled;
            booking.version = booking.version.next();
        }
    }
    expected.sort_by(|one, other| (other.date, &other.id).cmp(&(one.date, &one.id)));
    let mut filter = BookingFilter::all_of(BookingOwner::User(user));
    for page in [5_000, 100, 7] {
        let listed = all_bookings(store, &filter, page).await?;
        ensure!(
            listed == expected,
            "pages of {page} gave {} of {} bookings, or not newest first",
            listed.len(),
            expected.len()
        );
    }
    filter.state = Some(BookingState::Confirmed);
    filter.text = Some("USER1".to_owned());
    filter.from = Some(fixture::date(fixture::START + 10));
    filter.to = Some(fixture::date(fixture::START + 500));
    expected.retain(|booking| {
        booking.state == BookingState::Confirmed
            && booking.date >= fixture::date(fixture::START + 10)
            && booking.date <= fixture::date(fixture::START + 500)
            && booking
                .email
                .as_ref()
                .is_some_and(|email| email.as_str().starts_with("User1"))
    });
    let listed = all_bookings(store, &filter, 50).await?;
    ensure!(
        listed == expected,
        "the filtered list has {} bookings, {} were expected",
        listed.len(),
        expected.len()
    );
    Ok(Finding::counted(format!("{BOOKINGS} bookings")))
}
