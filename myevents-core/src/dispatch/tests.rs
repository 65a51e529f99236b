//! Dispatch over the local broker, with handlers that fail in every way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::contract::{Envelope, EventBooked, MessageId, MessageName};
use crate::local::{LocalBroker, LocalOptions};
use crate::memory::MemoryStore;
use crate::observe::NoObserver;
use crate::ports::{Begin, DeadLetter, DeadLetters, EventEmitter, Inbox, SystemClock};
use crate::{Error, ErrorKind, Result};

const BODY: &str = r#"{"eventId":"01","userId":"anonymous"}"#;

pub(super) fn booked(id: &str, key: &str) -> Envelope {
    Envelope::builder(
        MessageId::new(id),
        MessageName::from_static("event.booked"),
        key.to_owned(),
    )
    .body(BODY)
    .build()
}

struct Bench {
    broker: LocalBroker,
    store: Arc<MemoryStore>,
    stop: CancellationToken,
    running: Option<JoinHandle<Result<()>>>,
}

impl Bench {
    fn new() -> Self {
        Self {
            broker: LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver)),
            store: Arc::new(MemoryStore::new(Arc::new(SystemClock))),
            stop: CancellationToken::new(),
            running: None,
        }
    }

    async fn start(&mut self, build: impl FnOnce(DispatchBuilder) -> DispatchBuilder) {
        let letters = self.broker.dead_letters("test", self.store.clone());
        let dispatch = build(Dispatch::builder("test").dead_letters(letters))
            .build()
            .unwrap();
        self.broker.declare("test", &dispatch.names());
        let (broker, stop) = (self.broker.clone(), self.stop.clone());
        self.running = Some(tokio::spawn(
            async move { dispatch.run(Arc::new(broker), stop).await },
        ));
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        self.broker.emit(messages).await
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        let page = self.store.list(None, 100).await.unwrap();
        page.items.into_iter().map(|(_, letter)| letter).collect()
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap().unwrap();
    }
}

pub(super) fn failed() -> Error {
    Error::new(ErrorKind::Internal, "handle", "the test says so")
}

#[tokio::test(start_paused = true)]
async fn a_failing_handler_is_tried_five_times_in_place_and_then_the_key_goes_on() {
    let mut bench = Bench::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let handler = move |_: EventBooked, context: Context| {
        let id = context.envelope().id().as_str().to_owned();
        log.lock().push((id.clone(), context.attempt()));
        async move { if id == "bad" { Err(failed()) } else { Ok(()) } }
    };
    bench.start(|builder| builder.on::<EventBooked>(handler)).await;
    let started = Instant::now();
    let results = bench
        .emit(&[booked("bad", "k"), booked("behind", "k"), booked("free", "other")])
        .await;
    assert!(results.iter().all(Result::is_ok));
    // 200, 400, 800 and 1,600 ms, each at least a half of it and never more.
    let waited = started.elapsed();
    assert!((1_500..=3_010).contains(&waited.as_millis()), "{waited:?}");
    let seen = seen.lock().clone();
    let of = |id: &str| {
        seen.iter()
            .filter(|(seen, _)| seen == id)
            .map(|(_, n)| *n)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("bad"), [1, 2, 3, 4, 5]);
    assert_eq!((of("behind"), of("free")), (vec![1], vec![1]));
    let position = |id: &str| seen.iter().position(|(seen, _)| seen == id).unwrap();
    assert!(position("free") < 3, "another key goes on meanwhile");
    assert_eq!(position("behind"), 6, "the key waits");
    let letters = bench.letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].attempts, letters[0].origin.as_str()),
        (5, "local:test")
    );
    assert!(letters[0].reason.contains("the test says so"));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_decoded_is_a_dead_letter_at_once_and_a_panic_is_a_failure() {
    let mut bench = Bench::new();
    let tries = Arc::new(AtomicU32::new(0));
    let count = tries.clone();
    let handler = move |_: EventBooked, _: Context| {
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            assert!(!first, "the first try panics");
            Ok(())
        }
    };
    bench.start(|builder| builder.on::<EventBooked>(handler)).await;
    let bad = Envelope::builder(
        MessageId::new("bad"),
        MessageName::from_static("event.booked"),
        "k",
    )
    .body("no JSON")
    .build();
    let started = Instant::now();
    assert!(bench.emit(&[bad]).await[0].is_ok());
    assert!(started.elapsed().is_zero());
    let letters = bench.letters().await;
    assert_eq!((letters.len(), letters[0].attempts), (1, 1));
    assert_eq!(tries.load(Ordering::Relaxed), 0);
    assert!(bench.emit(&[booked("good", "k")]).await[0].is_ok());
    assert_eq!(tries.load(Ordering::Relaxed), 2);
    assert_eq!(bench.letters().await.len(), 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn our_own_store_being_away_uses_up_no_attempt() {
    let mut bench = Bench::new();
    let tries = Arc::new(AtomicU32::new(0));
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let (count, log) = (tries.clone(), attempts.clone());
    let handler = move |_: EventBooked, context: Context| {
        log.lock().push(context.attempt());
        let away = count.fetch_add(1, Ordering::Relaxed) < 20;
        async move {
            if away {
                Err(Error::new(ErrorKind::Unavailable, "write", "the store is away"))
            } else {
                Ok(())
            }
        }
    };
    bench.start(|builder| builder.on::<EventBooked>(handler)).await;
    assert!(bench.emit(&[booked("1", "k")]).await[0].is_ok());
    assert_eq!(tries.load(Ordering::Relaxed), 21);
    assert!(attempts.lock().iter().all(|attempt| *attempt == 1));
    assert_eq!(bench.letters().await.len(), 0);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_inbox_lets_a_message_be_done_once_and_another_holder_is_waited_for() {
    let mut bench = Bench::new();
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let handler = move |_: EventBooked, context: Context| {
        let run = count.fetch_add(1, Ordering::Relaxed);
        let marked = context.mark().is_some();
        async move {
            if run == 0 || !marked {
                Err(failed())
            } else {
                Ok(())
            }
        }
    };
    let inbox: Arc<dyn Inbox> = bench.store.clone();
    let lease = Duration::from_secs(60);
    bench
        .start(|builder| builder.on::<EventBooked>(handler).with_inbox(inbox, lease))
        .await;
    // A failure gives the lease up, or the second try would wait for its end.
    assert!(bench.emit(&[booked("1", "k")]).await[0].is_ok());
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert!(bench.emit(&[booked("1", "k")]).await[0].is_ok());
    assert_eq!(runs.load(Ordering::Relaxed), 2, "completed before");

    let Begin::Fresh(held) = bench
        .store
        .begin("test", &MessageId::new("2"), lease)
        .await
        .unwrap()
    else {
        panic!("nobody holds it");
    };
    let (broker, store) = (bench.broker.clone(), bench.store.clone());
    let waiting = tokio::spawn(async move { broker.emit(&[booked("2", "k")]).await });
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!waiting.is_finished());
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert!(store.complete(&held).await.unwrap());
    assert!(waiting.await.unwrap()[0].is_ok());
    assert_eq!(runs.load(Ordering::Relaxed), 2, "the other did it");
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_is_told_to_stop_and_never_runs_twice_at_once() {
    let mut bench = Bench::new();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (running.clone(), most.clone());
    let handler = move |_: EventBooked, context: Context| {
        let (now, peak) = (now.clone(), peak.clone());
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            context.cancelled().cancelled().await;
            tokio::time::sleep(Duration::from_secs(100)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    };
    bench.start(|builder| builder.on::<EventBooked>(handler)).await;
    let started = Instant::now();
    assert!(bench.emit(&[booked("1", "k")]).await[0].is_ok());
    assert_eq!(started.elapsed().as_secs(), 130);
    assert_eq!(most.load(Ordering::SeqCst), 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_handlers_at_work_and_gives_back_the_rest() {
    let mut bench = Bench::new();
    let done = Arc::new(Mutex::new(Vec::new()));
    let log = done.clone();
    let handler = move |_: EventBooked, context: Context| {
        let log = log.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            log.lock().push(context.envelope().id().as_str().to_owned());
            Ok(())
        }
    };
    let options = DispatchOptions {
        concurrency: 1,
        ..DispatchOptions::default()
    };
    bench
        .start(|builder| builder.on::<EventBooked>(handler).options(options))
        .await;
    let broker = bench.broker.clone();
    let first = tokio::spawn(async move { broker.emit(&[booked("1", "a")]).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let broker = bench.broker.clone();
    let second = tokio::spawn(async move { broker.emit(&[booked("2", "b")]).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = Instant::now();
    bench.stop().await;
    assert_eq!(started.elapsed().as_secs(), 3);
    assert!(first.await.unwrap()[0].is_ok());
    assert_eq!(*done.lock(), ["1"]);
    assert!(!second.is_finished(), "it is not acknowledged");
    crate::ports::EventListener::close(&bench.broker).await.unwrap();
    assert!(second.await.unwrap()[0].is_err());
}

#[tokio::test(start_paused = true)]
async fn a_handler_past_the_deadline_of_the_stop_is_dropped_unacknowledged() {
    let mut bench = Bench::new();
    let handler = |_: EventBooked, _: Context| std::future::pending();
    bench.start(|builder| builder.on::<EventBooked>(handler)).await;
    let broker = bench.broker.clone();
    let open = tokio::spawn(async move { broker.emit(&[booked("1", "a")]).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = Instant::now();
    bench.stop().await;
    assert_eq!(started.elapsed().as_secs(), 20);
    assert!(!open.is_finished());
    open.abort();
}

#[tokio::test]
async fn a_message_nobody_handles_is_acknowledged() {
    let mut bench = Bench::new();
    bench.broker.declare("test", &[]);
    bench
        .start(|builder| builder.on::<EventBooked>(|_: EventBooked, _: Context| async { Ok(()) }))
        .await;
    let unknown =
        Envelope::builder(MessageId::new("1"), MessageName::from_static("nobody.knows"), "k").build();
    assert!(bench.emit(&[unknown]).await[0].is_ok());
    assert_eq!(bench.letters().await.len(), 0);
    bench.stop().await;
}

#[test]
fn a_dispatch_that_can_not_work_is_not_built() {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let handler = |_: EventBooked, _: Context| async { Ok(()) };
    let without_letters = Dispatch::builder("g").on::<EventBooked>(handler).build();
    let twice = Dispatch::builder("g")
        .dead_letters(store.clone())
        .on::<EventBooked>(handler)
        .on::<EventBooked>(handler)
        .build();
    let lonely_inbox = Dispatch::builder("g")
        .dead_letters(store.clone())
        .with_inbox(store, Duration::from_secs(1))
        .build();
    let inbox = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let with_lease = |lease| {
        let builder = Dispatch::builder("g").dead_letters(inbox.clone());
        let builder = builder
            .on::<EventBooked>(handler)
            .with_inbox(inbox.clone(), lease);
        // Set after the inbox: the order of the calls does not matter.
        let options = DispatchOptions {
            handler_timeout: Duration::from_secs(5),
            ..DispatchOptions::default()
        };
        builder.options(options).build()
    };
    assert!(with_lease(Duration::from_millis(5_001)).is_ok());
    let short_lease = with_lease(Duration::from_secs(5));
    for refused in [without_letters, twice, lonely_inbox, short_lease] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config);
    }
}
