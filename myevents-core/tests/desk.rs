//! The desk: crowds share batches, nobody is lost, and what goes wrong stays with whom it concerns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use myevents_core::domain::{EventId, PersonLimits};
use myevents_core::layer::{Around, Call, Layered};
use myevents_core::memory::MemoryStore;
use myevents_core::observe::{Observation, Observer};
use myevents_core::ports::{BookingRequest, CancelOutcome, DatabaseHandler, Outcome, SystemClock};
use myevents_core::relay::handover;
use myevents_core::service::SalesRules;
use myevents_core::service::desk::{DeskOptions, Desks};
use myevents_core::testkit::fixture;
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

/// Holds every call back until a permit is there, so that a test decides when a batch reaches the store.
#[derive(Debug)]
struct Gate(Arc<Semaphore>);

impl Gate {
    async fn pass(&self) {
        self.0.acquire().await.expect("the gate is never closed").forget();
    }
}

impl Around for Gate {
    async fn call<R, F>(&self, _call: Call, run: F) -> Result<R>
    where
        R: Send + 'static,
        F: Fn() -> BoxFuture<'static, Result<R>> + Send + Sync,
    {
        self.pass().await;
        run().await
    }

    async fn batch<I, R, F>(&self, _call: Call, items: Vec<I>, run: F) -> Vec<Result<R>>
    where
        I: Clone + Send + Sync + 'static,
        R: Send + 'static,
        F: Fn(Vec<I>) -> BoxFuture<'static, Vec<Result<R>>> + Send + Sync,
    {
        self.pass().await;
        run(items).await
    }

    async fn once<R>(&self, _call: Call, run: BoxFuture<'static, Result<R>>) -> Result<R>
    where
        R: Send + 'static,
    {
        self.pass().await;
        run.await
    }
}

/// Counts batches, and panics at the first one if told to.
#[derive(Debug, Default)]
struct Watcher {
    batches: AtomicUsize,
    panic_once: AtomicBool,
}

impl Observer for Watcher {
    fn observe(&self, observation: &Observation<'_>) {
        if let Observation::DeskBatch { .. } = observation {
            self.batches.fetch_add(1, Ordering::SeqCst);
            assert!(
                !self.panic_once.swap(false, Ordering::SeqCst),
                "as the test wants it"
            );
        }
    }
}

struct Fixture {
    store: Arc<MemoryStore>,
    desks: Desks,
    gate: Arc<Semaphore>,
    watcher: Arc<Watcher>,
    event: EventId,
}

async fn set_up(
    capacity: u64,
    options: DeskOptions,
    change: impl FnOnce(&mut myevents_core::domain::Event),
) -> Fixture {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let mut event = fixture::event("Aida");
    change(&mut event);
    let id = event.id.clone();
    store
        .project_event(&fixture::projection(
            fixture::event_record(event),
            1,
            Some(capacity),
        ))
        .await
        .unwrap();
    let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let watcher = Arc::new(Watcher::default());
    let gated: Arc<dyn DatabaseHandler> = Arc::new(Layered::new(Arc::clone(&store), Gate(Arc::clone(&gate))));
    let (handover, _receiver) = handover(1_024);
    let desks = Desks::new(
        gated,
        handover,
        Arc::new(SystemClock),
        Arc::<Watcher>::clone(&watcher),
        options,
    );
    Fixture {
        store,
        desks,
        gate,
        watcher,
        event: id,
    }
}

impl Fixture {
    fn wish(&self, seats: u32) -> BookingRequest {
        fixture::booking_request(&self.event, seats)
    }

    fn close_gate(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn open_gate(&self) {
        self.gate.add_permits(1_000_000);
    }

    async fn book(&self, request: BookingRequest) -> Result<Outcome> {
        self.desks.book(&self.event, request).await
    }

    async fn available(&self) -> u64 {
        let found = self
            .store
            .availability(std::slice::from_ref(&self.event))
            .await
            .unwrap();
        found[0].as_ref().unwrap().available.unwrap()
    }
}

#[tokio::test]
async fn a_crowd_shares_batches_and_gets_exactly_the_seats_there_are() {
    let fixture = set_up(100, DeskOptions::default(), |_| {}).await;
    let outcomes = join_all((0..300).map(|_| fixture.book(fixture.wish(1)))).await;
    let booked = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Booked(_))))
        .count();
    let refused = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::SoldOut { available: 0 })))
        .count();
    assert_eq!((booked, refused), (100, 200));
    assert_eq!(fixture.available().await, 0);
    let batches = fixture.watcher.batches.load(Ordering::SeqCst);
    assert!(batches < 10, "300 wishes at once took {batches} batches");
}

#[tokio::test]
async fn one_id_asked_for_64_times_at_once_is_one_booking() {
    let fixture = set_up(100, DeskOptions::default(), |_| {}).await;
    let wish = fixture.wish(2);
    let outcomes = join_all((0..64).map(|_| fixture.book(wish.clone()))).await;
    let booked = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Booked(_))))
        .count();
    let existing = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Existing(_))))
        .count();
    assert_eq!((booked, existing), (1, 63));
    assert_eq!(fixture.available().await, 98);

    let mut other = fixture.wish(3);
    other.booking.id = wish.booking.id;
    assert_eq!(fixture.book(other).await.unwrap(), Outcome::KeyReused);
}

#[tokio::test]
async fn a_booking_is_carried_through_though_its_client_went_away() {
    let fixture = set_up(10, DeskOptions::default(), |_| {}).await;
    fixture.close_gate();
    let wish = fixture.wish(4);
    let id = wish.booking.id.clone();
    tokio::select! {
        biased;
        _ = fixture.book(wish) => panic!("the gate is closed"),
        () = tokio::task::yield_now() => {}
    }
    fixture.open_gate();
    fixture.desks.drain(Duration::from_secs(10)).await;
    assert!(fixture.store.find_booking(&id).await.unwrap().is_some());
    assert_eq!(fixture.available().await, 6);
}

#[tokio::test]
async fn a_full_queue_refuses_and_changes_nothing() {
    let options = DeskOptions {
        max_queue: 5,
        ..DeskOptions::default()
    };
    let fixture = set_up(100, options, |_| {}).await;
    fixture.close_gate();
    let first = fixture.book(fixture.wish(1));
    let crowd = async {
        tokio::task::yield_now().await;
        let crowd = join_all((0..20).map(|_| fixture.book(fixture.wish(1))));
        let opener = async {
            tokio::task::yield_now().await;
            fixture.open_gate();
        };
        tokio::join!(crowd, opener).0
    };
    let (first, crowd) = tokio::join!(first, crowd);
    assert!(matches!(first, Ok(Outcome::Booked(_))));
    let overloaded = crowd
        .iter()
        .filter(|outcome| matches!(outcome, Err(error) if error.kind() == ErrorKind::Overloaded))
        .count();
    let booked = crowd
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Booked(_))))
        .count();
    assert_eq!((booked, overloaded), (5, 15));
    assert_eq!(fixture.available().await, 94);
}

#[tokio::test(start_paused = true)]
async fn who_waited_too_long_is_refused_before_a_batch() {
    let fixture = set_up(100, DeskOptions::default(), |_| {}).await;
    fixture.close_gate();
    let first = fixture.book(fixture.wish(1));
    let late = async {
        tokio::task::yield_now().await;
        let late = fixture.book(fixture.wish(1));
        let opener = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            fixture.open_gate();
        };
        tokio::join!(late, opener).0
    };
    let (first, late) = tokio::join!(first, late);
    assert!(matches!(first, Ok(Outcome::Booked(_))));
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Overloaded);
    assert_eq!(fixture.available().await, 99);
}

#[tokio::test]
async fn a_panic_is_an_unknown_outcome_for_its_batch_and_nothing_for_the_next() {
    let fixture = set_up(10, DeskOptions::default(), |_| {}).await;
    fixture.watcher.panic_once.store(true, Ordering::SeqCst);
    let error = fixture.book(fixture.wish(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(matches!(
        fixture.book(fixture.wish(1)).await,
        Ok(Outcome::Booked(_))
    ));
}

#[tokio::test]
async fn seats_come_back_once_under_64_cancels_and_can_be_booked_again() {
    let fixture = set_up(4, DeskOptions::default(), |_| {}).await;
    let wish = fixture.wish(4);
    let cancel = fixture::cancel_request(&fixture.event, &wish.booking.id);
    assert!(matches!(fixture.book(wish).await, Ok(Outcome::Booked(_))));
    let outcomes = join_all((0..64).map(|_| fixture.desks.cancel(cancel.clone()))).await;
    let cancelled = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(CancelOutcome::Cancelled(_))))
        .count();
    let already = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(CancelOutcome::Already(_))))
        .count();
    assert_eq!((cancelled, already), (1, 63));
    assert!(matches!(
        fixture.book(fixture.wish(4)).await,
        Ok(Outcome::Booked(_))
    ));
}

#[tokio::test]
async fn after_a_drain_nothing_is_taken() {
    let fixture = set_up(10, DeskOptions::default(), |_| {}).await;
    assert!(fixture.book(fixture.wish(1)).await.is_ok());
    fixture.desks.drain(Duration::from_secs(10)).await;
    assert_eq!(
        fixture.book(fixture.wish(1)).await.unwrap_err().kind(),
        ErrorKind::Overloaded
    );
}

#[tokio::test]
async fn rules_of_sale_refuse_only_who_has_not_booked_before() {
    let sales = SalesRules {
        max_seats_per_booking: 4,
        refuse_past_events: false,
    };
    let fixture = set_up(
        10,
        DeskOptions {
            sales,
            ..DeskOptions::default()
        },
        |_| {},
    )
    .await;
    assert_eq!(
        fixture.book(fixture.wish(5)).await.unwrap(),
        Outcome::TooManySeats { max: 4 }
    );

    // A booking made while five were allowed is found again by its id.
    let wish = fixture.wish(5);
    let generous = DeskOptions::default();
    let (handover, _receiver) = handover(16);
    let store: Arc<dyn DatabaseHandler> = Arc::<MemoryStore>::clone(&fixture.store);
    let desks = Desks::new(
        store,
        handover,
        Arc::new(SystemClock),
        Arc::<Watcher>::clone(&fixture.watcher),
        generous,
    );
    assert!(matches!(
        desks.book(&fixture.event, wish.clone()).await,
        Ok(Outcome::Booked(_))
    ));
    assert!(matches!(fixture.book(wish).await, Ok(Outcome::Existing(_))));
}

#[tokio::test]
async fn sales_times_and_nameless_wishes_for_limited_events_are_refused() {
    let closed = set_up(10, DeskOptions::default(), |event| {
        event.sales_end = Some(fixture::date(1_000))
    })
    .await;
    assert_eq!(closed.book(closed.wish(1)).await.unwrap(), Outcome::NotOnSale);
    let early = set_up(10, DeskOptions::default(), |event| {
        event.sales_start = Some(myevents_core::domain::UnixSeconds::MAX);
    })
    .await;
    assert_eq!(early.book(early.wish(1)).await.unwrap(), Outcome::NotOnSale);

    let limits = PersonLimits {
        seats: Some(3),
        bookings: None,
    };
    let limited = set_up(10, DeskOptions::default(), |event| event.person_limits = limits).await;
    assert_eq!(
        limited.book(limited.wish(1)).await.unwrap(),
        Outcome::PersonRequired
    );
    let wish = || fixture::limited_request(&limited.event, 2, "somebody", PersonLimits::default());
    assert!(matches!(limited.book(wish()).await, Ok(Outcome::Booked(_))));
    assert_eq!(limited.book(wish()).await.unwrap(), Outcome::LimitReached);
}

/// Writes down which calls reach the store, and fails the fence if told to.
#[derive(Debug, Default)]
struct Calls {
    made: parking_lot::Mutex<Vec<&'static str>>,
    no_fence: AtomicBool,
}

impl Around for Calls {
    async fn call<R, F>(&self, call: Call, run: F) -> Result<R>
    where
        R: Send + 'static,
        F: Fn() -> BoxFuture<'static, Result<R>> + Send + Sync,
    {
        self.made.lock().push(call.operation);
        if call.operation.starts_with("fence") && self.no_fence.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, call.operation, "away"));
        }
        run().await
    }

    async fn batch<I, R, F>(&self, call: Call, items: Vec<I>, run: F) -> Vec<Result<R>>
    where
        I: Clone + Send + Sync + 'static,
        R: Send + 'static,
        F: Fn(Vec<I>) -> BoxFuture<'static, Vec<Result<R>>> + Send + Sync,
    {
        self.made.lock().push(call.operation);
        run(items).await
    }

    async fn once<R>(&self, call: Call, run: BoxFuture<'static, Result<R>>) -> Result<R>
    where
        R: Send + 'static,
    {
        self.made.lock().push(call.operation);
        run.await
    }
}

#[tokio::test]
async fn the_clock_refuses_only_behind_a_fence() {
    let fixture = set_up(10, DeskOptions::default(), |event| {
        event.sales_end = Some(fixture::date(1_000));
    })
    .await;
    let watched = Layered::new(Arc::clone(&fixture.store), Calls::default());
    let calls = Arc::clone(watched.around());
    let (handover, _receiver) = handover(16);
    let desks = Desks::new(
        Arc::new(watched),
        handover,
        Arc::new(SystemClock),
        Arc::<Watcher>::clone(&fixture.watcher),
        DeskOptions::default(),
    );
    let refused = desks.book(&fixture.event, fixture.wish(1)).await;
    assert_eq!(refused.unwrap(), Outcome::NotOnSale);
    assert_eq!(
        *calls.made.lock(),
        ["find event", "fence off late commits", "find booking"],
        "the id is looked up behind the fence, or a late commit could come between"
    );

    calls.no_fence.store(true, Ordering::SeqCst);
    let unsure = desks.book(&fixture.event, fixture.wish(1)).await;
    assert_eq!(
        unsure.unwrap_err().kind(),
        ErrorKind::Unavailable,
        "without the fence nobody can be told that they have no booking"
    );
}

#[tokio::test]
async fn a_remembered_copy_lets_pass_and_is_read_again_before_it_refuses_or_when_it_is_old() {
    let fixture = set_up(10, DeskOptions::default(), |_| {}).await;
    let watched = Layered::new(Arc::clone(&fixture.store), Calls::default());
    let calls = Arc::clone(watched.around());
    let (handover, _receiver) = handover(16);
    let desks = Desks::new(
        Arc::new(watched),
        handover,
        Arc::new(SystemClock),
        Arc::<Watcher>::clone(&fixture.watcher),
        DeskOptions::default(),
    );
    let expect = async |wish: BookingRequest, outcome: &str, made: &[&str]| {
        calls.made.lock().clear();
        let answer = desks.book(&fixture.event, wish).await.unwrap();
        assert!(
            format!("{answer:?}").starts_with(outcome),
            "{answer:?}, not {outcome}"
        );
        assert_eq!(*calls.made.lock(), made);
    };
    expect(fixture.wish(1), "Booked", &["find event", "book"]).await;
    expect(fixture.wish(1), "Booked", &["book"]).await;
    let large = fixture.wish(21);
    expect(large, "TooManySeats", &["find event", "find booking"]).await;

    // Changed behind the desk's back: fewer seats a booking.
    let mut event = fixture::event("Aida");
    event.id = fixture.event.clone();
    event.max_seats_per_booking = Some(2);
    let projection = fixture::projection(fixture::event_record(event), 2, Some(10));
    fixture.store.project_event(&projection).await.unwrap();
    expect(
        fixture.wish(3),
        "TooManySeats",
        &["book", "find event", "find booking"],
    )
    .await;
    expect(fixture.wish(2), "Booked", &["book"]).await;
}
