//! Three times as many bookings as the store can take, on a clock that the test moves (a minute of it at full scale): what is accepted stays
//! near the most that can be, nobody waits long, and it ends with the rush.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::StatusCode;
use myevents_core::Result;
use myevents_core::layer::{Around, Call, Layered};
use myevents_core::memory::MemoryStore;
use myevents_core::observe::NoObserver;
use myevents_core::ports::{DatabaseHandler, RandomIds, SystemClock};
use myevents_core::relay::handover;
use myevents_core::rest::{BookingRest, Readiness, RestSettings, booking_router, health_router};
use myevents_core::service::{BookingService, BookingSettings};
use myevents_core::testkit::is_full_scale;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::app::App;

/// What a batch costs the store, and each booking in it.
const A_BATCH: Duration = Duration::from_millis(80);
const A_BOOKING: Duration = Duration::from_millis(1);
/// The clock's steps.
const STEP: Duration = Duration::from_millis(2);

fn batch_of(bookings: usize) -> Duration {
    A_BATCH + A_BOOKING * u32::try_from(bookings).unwrap()
}

/// The most bookings a second, in batches of so many.
fn capacity(batch: usize) -> f64 {
    batch as f64 / batch_of(batch).as_secs_f64()
}

fn length() -> Duration {
    Duration::from_secs(if is_full_scale() { 60 } else { 15 })
}

/// A store that takes its time and does one batch after the other.
#[derive(Debug)]
struct Slow;

impl Around for Slow {
    async fn call<R, F>(&self, _call: Call, run: F) -> Result<R>
    where
        R: Send + 'static,
        F: Fn() -> BoxFuture<'static, Result<R>> + Send + Sync,
    {
        run().await
    }

    async fn batch<I, R, F>(&self, _call: Call, items: Vec<I>, run: F) -> Vec<Result<R>>
    where
        I: Clone + Send + Sync + 'static,
        R: Send + 'static,
        F: Fn(Vec<I>) -> BoxFuture<'static, Vec<Result<R>>> + Send + Sync,
    {
        tokio::time::sleep(batch_of(items.len())).await;
        run(items).await
    }

    async fn once<R>(&self, _call: Call, run: BoxFuture<'static, Result<R>>) -> Result<R>
    where
        R: Send + 'static,
    {
        run.await
    }
}

struct Rush {
    app: App,
    path: String,
    inside: AtomicUsize,
    most_inside: AtomicUsize,
}

struct Seen {
    status: StatusCode,
    took: Duration,
    at: Instant,
}

impl Rush {
    async fn open(max_requests: usize) -> Arc<Self> {
        let mut app = App::new();
        let id = app.bookable(Some(10_000_000)).await;
        let slow: Arc<dyn DatabaseHandler> =
            Arc::new(Layered::new(Arc::<MemoryStore>::clone(&app.bookings), Slow));
        let (to_relay, _) = handover(16);
        let service = BookingService::with_parts(
            slow,
            to_relay,
            Arc::new(SystemClock),
            Arc::new(RandomIds),
            Arc::new(NoObserver),
            BookingSettings::default(),
        );
        let settings = RestSettings {
            requests: Arc::new(Semaphore::new(max_requests)),
            ..RestSettings::default()
        };
        app.router = booking_router(BookingRest {
            service: Arc::new(service),
            settings: settings.clone(),
        })
        .merge(health_router(Readiness::new(), &settings));
        Arc::new(Self {
            app,
            path: format!("/events/{id}/bookings"),
            inside: AtomicUsize::new(0),
            most_inside: AtomicUsize::new(0),
        })
    }

    async fn book(&self) -> Seen {
        let begun = Instant::now();
        let inside = self.inside.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_inside.fetch_max(inside, Ordering::Relaxed);
        let answer = self.app.post(&self.path, r#"{"seats":1}"#).await;
        self.inside.fetch_sub(1, Ordering::Relaxed);
        if answer.status != StatusCode::CREATED {
            assert_eq!(answer.problem(), "overloaded", "{}", answer.status);
        }
        Seen {
            status: answer.status,
            took: begun.elapsed(),
            at: Instant::now(),
        }
    }

    /// Three times what can be taken comes, whatever becomes of those before: what became of all of them.
    async fn run(self: &Arc<Self>, capacity: f64) -> Vec<Seen> {
        let mut arrivals = tokio::time::interval(Duration::from_secs_f64(1.0 / (3.0 * capacity)));
        let begun = Instant::now();
        let mut asked = Vec::new();
        while begun.elapsed() < length() {
            arrivals.tick().await;
            let rush = Arc::clone(self);
            asked.push(tokio::spawn(async move { rush.book().await }));
            if asked.len().is_multiple_of(500) {
                let looked = Instant::now();
                let alive = self.app.get("/healthz").await;
                assert_eq!(alive.status, StatusCode::OK);
                assert!(looked.elapsed() < STEP, "{:?}", looked.elapsed());
            }
        }
        let mut seen = Vec::new();
        for one in asked {
            seen.push(one.await.unwrap());
        }
        seen
    }
}

/// What those waited who were accepted while the rush lasted.
fn accepted(seen: &[Seen], begun: Instant) -> Vec<Duration> {
    let in_time = |one: &&Seen| one.at.duration_since(begun) <= length();
    let accepted = seen
        .iter()
        .filter(in_time)
        .filter(|one| one.status == StatusCode::CREATED);
    let mut took: Vec<_> = accepted.map(|one| one.took).collect();
    took.sort_unstable();
    took
}

#[allow(clippy::print_stdout, reason = "what was reached is shown")]
#[tokio::test(start_paused = true)]
async fn at_three_times_the_capacity_the_accepted_stay_many_and_quick() {
    let rush = Rush::open(10_000).await;
    let max_batch = rush.app.bookings.capabilities().max_batch;
    let (most, full_batch) = (capacity(max_batch), batch_of(max_batch));
    let unloaded = rush.book().await.took;
    assert!(unloaded <= batch_of(1) + STEP, "{unloaded:?}");
    let begun = Instant::now();
    let seen = rush.run(most).await;

    let accepted = accepted(&seen, begun);
    let goodput = accepted.len() as f64 / length().as_secs_f64();
    let p99 = accepted[accepted.len() * 99 / 100];
    let inside = rush.most_inside.load(Ordering::Relaxed);
    println!("{goodput:.0} a second of {most:.0}, p99 {p99:?}, unloaded {unloaded:?}, {inside} inside");
    assert!(goodput >= 0.8 * most, "{goodput} a second of at most {most}");
    let desk_wait = BookingSettings::default().desk_wait;
    assert!(p99 <= 5 * unloaded + desk_wait, "{p99:?}");
    // Who is refused knows it before their time is lost: at the latest when the batch ends that was in the store.
    for one in seen.iter().filter(|one| one.status != StatusCode::CREATED) {
        assert_eq!(one.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            one.took <= desk_wait + full_batch + STEP,
            "refused after {:?}",
            one.took
        );
    }
    // The queue is bounded; there is one batch besides, and who is just being refused.
    assert!(inside <= 4_096 + max_batch + 16, "{inside} at once");
    let after = rush.book().await;
    assert_eq!(after.status, StatusCode::CREATED);
    assert!(after.took <= unloaded + STEP, "{:?}", after.took);
}

#[tokio::test(start_paused = true)]
async fn a_bound_on_requests_keeps_the_wait_short_and_the_store_busy() {
    const PLACES: usize = 50;
    let rush = Rush::open(PLACES).await;
    // They come in batches that take turns, one in the store and one that gathers: half of them in each.
    let most = capacity(PLACES / 2);
    let begun = Instant::now();
    let seen = rush.run(most).await;
    let goodput = accepted(&seen, begun).len() as f64 / length().as_secs_f64();
    assert!(goodput >= 0.8 * most, "{goodput} a second of at most {most}");
    // What is in the store, and then all others who are inside.
    let longest = seen.iter().map(|one| one.took).max().unwrap();
    assert!(longest <= 2 * batch_of(PLACES) + STEP, "{longest:?}");
}
