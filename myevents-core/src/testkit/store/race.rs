//! S05, S06, S08 to S10: many tasks at once against one counter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::StoreBed;
use super::tools::{
    at_rest, available, book, book_batch, bookings_of, drain, join, open_event, pair, settle,
};
use crate::domain::{BookingState, EventId, PersonLimits, Version};
use crate::ports::{
    ApplyMode, BookOptions, BookingRequest, CancelOutcome, EventProjection, Inserted, Outcome, Store,
};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

const CAPACITY: u64 = 1_000;
const TASKS: usize = 64;
const REQUESTS: usize = 3_000;

/// How many wishes meet each capacity.
const TRIES_BETWEEN: u64 = 50;

/// Capacity 1,000; 64 tasks; 3,000 wishes of 1 to 4 seats, in batches of 1 to 8: sold ≤ capacity, refused only what
/// did not fit.
///
/// # Errors
/// What does not hold.
pub async fn s05_race(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    race([Arc::clone(&store), store]).await
}

/// The same over two instances.
///
/// # Errors
/// What does not hold.
pub async fn s06_race_of_two(bed: &dyn StoreBed) -> CaseResult {
    let Some(second) = bed.second().await? else {
        return Ok(Finding::not_applicable(
            "one process at a time serves from this store",
        ));
    };
    race([bed.store(), second]).await
}

async fn race(stores: [Arc<dyn Store>; 2]) -> CaseResult {
    let event = open_event(stores[0].as_ref(), Some(CAPACITY)).await?;
    let over = Arc::new(AtomicBool::new(false));
    let watcher = tokio::spawn(watch(Arc::clone(&stores[1]), event.clone(), Arc::clone(&over)));
    let tasks = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&stores[task % 2]);
            let share = REQUESTS / TASKS + usize::from(task < REQUESTS % TASKS);
            tokio::spawn(buyer(store, event.clone(), task as u64, share))
        })
        .collect();
    let results = join(tasks).await;
    over.store(true, Ordering::SeqCst);
    let looks = watcher.await??;
    let mut granted = Vec::new();
    let mut refused = Vec::new();
    for (request, outcome) in results?.into_iter().flatten() {
        let seats = u64::from(request.booking.seats.get());
        match outcome {
            Outcome::Booked(booking) => granted.push(booking),
            Outcome::SoldOut { available } if available < seats => refused.push(seats),
            other => return Err(Failure::new(format!("{seats} seats were answered {other:?}"))),
        }
    }
    let answered = granted.len() + refused.len();
    ensure!(answered == REQUESTS, "{answered} answers for {REQUESTS} wishes");
    let sold: u64 = granted.iter().map(|booking| u64::from(booking.seats.get())).sum();
    ensure!(sold <= CAPACITY, "oversold: {sold} of {CAPACITY}");
    let left = CAPACITY - sold;
    // Nothing came back meanwhile, so whoever was refused would not fit now either.
    ensure!(
        refused.iter().all(|seats| *seats > left),
        "somebody was refused, and {left} seats are left"
    );
    let found = at_rest(stores[0].as_ref(), &event).await?;
    ensure!(
        u64::try_from(found.sold).is_ok_and(|counted| counted == sold),
        "{sold} seats granted, {} counted",
        found.sold
    );
    let stored = bookings_of(stores[0].as_ref(), &event).await?;
    ensure!(
        stored.len() == granted.len(),
        "{} bookings stored, {} answered",
        stored.len(),
        granted.len()
    );
    let messages = drain(stores[0].as_ref()).await?.len();
    ensure!(
        messages == granted.len(),
        "{messages} messages for {} bookings",
        granted.len()
    );
    Ok(Finding::counted(format!(
        "{} granted, {} refused, {left} seats left, {looks} looks",
        granted.len(),
        refused.len()
    )))
}

async fn buyer(
    store: Arc<dyn Store>,
    event: EventId,
    seed: u64,
    share: usize,
) -> Result<Vec<(BookingRequest, Outcome)>, Failure> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut answered = Vec::with_capacity(share);
    while answered.len() < share {
        let size = random.random_range(1..=8).min(share - answered.len());
        let batch: Vec<_> = (0..size)
            .map(|_| fixture::booking_request(&event, random.random_range(1..=4)))
            .collect();
        let outcomes = book_batch(store.as_ref(), &batch, BookOptions::default()).await?;
        answered.extend(batch.into_iter().zip(outcomes));
        tokio::task::yield_now().await;
    }
    Ok(answered)
}

/// Sees only falling counters, never above the capacity.
async fn watch(store: Arc<dyn Store>, event: EventId, over: Arc<AtomicBool>) -> Result<u64, Failure> {
    let mut before = CAPACITY;
    let mut looks = 0;
    while !over.load(Ordering::SeqCst) {
        let left = available(store.as_ref(), &event).await?.unwrap_or(u64::MAX);
        ensure!(
            left <= before,
            "{left} seats left after {before}, and nothing came back"
        );
        before = left;
        looks += 1;
        tokio::task::yield_now().await;
    }
    Ok(looks)
}

/// 64 cancels of one booking at once: the seats come back once, and so do those of others that are cancelled beside.
///
/// # Errors
/// What does not hold.
pub async fn s08_cancel_once(bed: &dyn StoreBed) -> CaseResult {
    let second = bed.second().await?;
    let stores = pair(&bed.store(), second.as_ref());
    let event = open_event(stores[0].as_ref(), Some(100)).await?;
    for round in 0..8_u32 {
        let request = fixture::booking_request(&event, 3 + round);
        book(stores[0].as_ref(), &request).await?;
        let tasks = (0..64)
            .map(|task| {
                let store = Arc::clone(&stores[task % 2]);
                let (event, id) = (event.clone(), request.booking.id.clone());
                tokio::spawn(async move {
                    let committed = store
                        .cancel_booking(&fixture::cancel_request(&event, &id))
                        .await?;
                    Ok::<_, Failure>(settle(store.as_ref(), committed).await?)
                })
            })
            .collect();
        let mut cancelled = 0;
        for outcome in join(tasks).await? {
            let booking = match outcome {
                CancelOutcome::Cancelled(booking) => {
                    cancelled += 1;
                    booking
                }
                CancelOutcome::Already(booking) => booking,
                CancelOutcome::Unknown => return Err(Failure::new("a stored booking is unknown")),
            };
            ensure!(
                booking.state == BookingState::Cancelled && booking.version == Version(2),
                "a cancelled booking was answered as {booking:?}"
            );
        }
        ensure!(cancelled == 1, "{cancelled} of 64 cancels made the change");
        let left = available(stores[0].as_ref(), &event).await?;
        ensure!(left == Some(100), "{left:?} seats left after the cancel, not 100");
    }
    at_rest(stores[0].as_ref(), &event).await?;
    let messages = drain(stores[0].as_ref()).await?.len();
    ensure!(messages == 16, "{messages} messages for 8 bookings and 8 cancels");
    Ok(Finding::passed())
}

/// One id 64 times at once: one booking, one answer; with another body it is refused. The same for events.
///
/// # Errors
/// What does not hold.
pub async fn s09_same_key_at_once(bed: &dyn StoreBed) -> CaseResult {
    let second = bed.second().await?;
    let stores = pair(&bed.store(), second.as_ref());
    let event = open_event(stores[0].as_ref(), Some(4)).await?;
    let request = fixture::booking_request(&event, 4);
    let mut other = request.clone();
    other.booking.fingerprint = fixture::fingerprint("another body");
    let tasks = (0..64)
        .map(|task| {
            let store = Arc::clone(&stores[task % 2]);
            let request = if task % 8 == 7 {
                other.clone()
            } else {
                request.clone()
            };
            tokio::spawn(async move {
                let outcome = book(store.as_ref(), &request).await?;
                Ok::<_, Failure>((request.booking, outcome))
            })
        })
        .collect();
    let results = join(tasks).await?;
    let booked: Vec<_> = results
        .iter()
        .filter_map(|(_, outcome)| match outcome {
            Outcome::Booked(booking) => Some(booking.clone()),
            _ => None,
        })
        .collect();
    let [booking] = booked.as_slice() else {
        return Err(Failure::new(format!("{} of 64 tries were booked", booked.len())));
    };
    for (wanted, outcome) in &results {
        let same = wanted.fingerprint == booking.fingerprint;
        let right = match outcome {
            Outcome::Booked(_) => true,
            Outcome::Existing(existing) => same && existing == booking,
            Outcome::KeyReused => !same,
            _ => false,
        };
        ensure!(right, "same body: {same}, answered {outcome:?}");
    }
    at_rest(stores[0].as_ref(), &event).await?;
    let record = fixture::event_record(fixture::event("once"));
    let tasks = (0..64)
        .map(|task| {
            let store = Arc::clone(&stores[task % 2]);
            let record = record.clone();
            tokio::spawn(async move {
                let committed = store
                    .add_event(&record, fixture::announce(&record.event.id))
                    .await?;
                Ok::<_, Failure>(settle(store.as_ref(), committed).await?)
            })
        })
        .collect();
    let answers = join(tasks).await?;
    let new = answers.iter().filter(|answer| **answer == Inserted::New).count();
    ensure!(new == 1, "{new} of 64 adds of one event were new");
    let messages = drain(stores[0].as_ref()).await?.len();
    ensure!(messages == 2, "{messages} messages for one booking and one event");
    Ok(Finding::passed())
}

/// Limits per person hold when the same person books 64 times at once; a cancel makes room again.
///
/// # Errors
/// What does not hold.
pub async fn s09b_limits_at_once(bed: &dyn StoreBed) -> CaseResult {
    let second = bed.second().await?;
    let stores = pair(&bed.store(), second.as_ref());
    let event = open_event(stores[0].as_ref(), Some(1_000)).await?;
    let limits = PersonLimits {
        seats: Some(10),
        bookings: Some(4),
    };
    let tasks = (0..64)
        .map(|task: usize| {
            let store = Arc::clone(&stores[task % 2]);
            let person = if task % 4 < 2 { "ada" } else { "bob" };
            let seats = 1 + (task % 3) as u32;
            let request = fixture::limited_request(&event, seats, person, limits);
            tokio::spawn(async move {
                let outcome = book(store.as_ref(), &request).await?;
                Ok::<_, Failure>((person, request, outcome))
            })
        })
        .collect();
    let results = join(tasks).await?;
    for person in ["ada", "bob"] {
        let granted: Vec<_> = results
            .iter()
            .filter(|(who, _, outcome)| *who == person && matches!(outcome, Outcome::Booked(_)))
            .map(|(_, request, _)| request)
            .collect();
        let seats: u32 = granted.iter().map(|request| request.booking.seats.get()).sum();
        ensure!(
            seats <= 10 && granted.len() <= 4,
            "{person} has {seats} seats in {} bookings",
            granted.len()
        );
        ensure!(
            granted.len() == 4 || seats >= 8,
            "{person} was refused within the limit: {seats} seats in {} bookings",
            granted.len()
        );
        let refused = results
            .iter()
            .filter(|(who, _, outcome)| *who == person && *outcome == Outcome::LimitReached);
        ensure!(
            refused.count() == 32 - granted.len(),
            "{person} was refused for another reason than the limit"
        );
        let first = &granted[0].booking.id;
        let cancel = fixture::cancel_request(&event, first);
        settle(stores[0].as_ref(), stores[0].cancel_booking(&cancel).await?).await?;
        let again = fixture::limited_request(&event, 1, person, limits);
        let outcome = book(stores[1].as_ref(), &again).await?;
        ensure!(
            matches!(outcome, Outcome::Booked(_)),
            "after a cancel {person} was answered {outcome:?}"
        );
    }
    at_rest(stores[0].as_ref(), &event).await?;
    Ok(Finding::passed())
}

/// Bookings, cancels, capacity changes and at last the event's cancellation, all at once.
///
/// # Errors
/// What does not hold.
pub async fn s10_change_meanwhile(bed: &dyn StoreBed) -> CaseResult {
    let second = bed.second().await?;
    let stores = pair(&bed.store(), second.as_ref());
    let record = fixture::event_record(fixture::event("changing"));
    let event = record.event.id.clone();
    let projection = |version, capacity, cancelled| {
        let mut record = record.clone();
        record.event.cancelled = cancelled;
        fixture::projection(record, version, capacity)
    };
    stores[0].project_event(&projection(1, Some(60), false)).await?;
    let tries = Arc::new(AtomicU64::new(0));
    let tasks = (0..32_u64)
        .map(|seed| {
            let store = Arc::clone(&stores[seed as usize % 2]);
            tokio::spawn(fickle(store, event.clone(), seed, Arc::clone(&tries)))
        })
        .collect();
    let mut seen = 0;
    let capacities = [
        Some(20),
        Some(90),
        None,
        Some(40),
        Some(0),
        Some(70),
        None,
        Some(55),
    ];
    for (index, capacity) in capacities.into_iter().enumerate() {
        let offered = projection(index as u64 + 2, capacity, false);
        // Each is offered twice, and an older one after it: only the newer changes anything.
        let stale = projection(index as u64 + 1, Some(9_999), false);
        let first = stores[0].project_event(&offered).await?;
        let again = stores[1].project_event(&offered).await?;
        let stale = stores[1].project_event(&stale).await?;
        ensure!(
            first.counter && !again.counter && !stale.counter,
            "a capacity change was taken {first:?}, {again:?}, {stale:?}"
        );
        // Each capacity is met by wishes before the next one comes.
        while tries.load(Ordering::SeqCst) < seen + TRIES_BETWEEN {
            tokio::task::yield_now().await;
        }
        seen = tries.load(Ordering::SeqCst);
    }
    stores[0].project_event(&projection(20, Some(55), true)).await?;
    let late = book(stores[1].as_ref(), &fixture::booking_request(&event, 1)).await?;
    ensure!(
        late == Outcome::EventCancelled,
        "after the event was cancelled a wish was answered {late:?}"
    );
    let granted: u64 = join(tasks).await?.into_iter().sum();
    ensure!(granted > 0, "nothing was booked meanwhile");
    let found = at_rest(stores[0].as_ref(), &event).await?;
    ensure!(found.capacity == Some(55), "the capacity is {:?}", found.capacity);
    ensure!(
        available(stores[0].as_ref(), &event).await? == Some(0),
        "a cancelled event shows seats"
    );
    Ok(Finding::counted(format!(
        "{granted} granted, {} seats at rest",
        found.sold
    )))
}

/// Books and cancels until the event is cancelled.
async fn fickle(
    store: Arc<dyn Store>,
    event: EventId,
    seed: u64,
    tries: Arc<AtomicU64>,
) -> Result<u64, Failure> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut mine = Vec::new();
    let mut granted = 0;
    loop {
        tries.fetch_add(1, Ordering::SeqCst);
        let request = fixture::booking_request(&event, random.random_range(1..=5));
        match book(store.as_ref(), &request).await? {
            Outcome::Booked(booking) => {
                granted += 1;
                mine.push(booking.id);
            }
            Outcome::EventCancelled => return Ok(granted),
            Outcome::SoldOut { .. } | Outcome::CapacityUnknown => {}
            other => return Err(Failure::new(format!("answered {other:?}"))),
        }
        if random.random_bool(0.6)
            && let Some(id) = mine.pop()
        {
            let cancel = fixture::cancel_request(&event, &id);
            let outcome = settle(store.as_ref(), store.cancel_booking(&cancel).await?).await?;
            ensure!(
                matches!(outcome, CancelOutcome::Cancelled(_)),
                "a cancel was answered {outcome:?}"
            );
        }
        tokio::task::yield_now().await;
    }
}

/// An event offered by `mode`, for the cases beside.
pub(super) fn offered(mut projection: EventProjection, mode: ApplyMode) -> EventProjection {
    projection.mode = mode;
    projection
}
