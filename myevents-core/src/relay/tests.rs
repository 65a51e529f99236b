//! The relay over the memory store, against an emitter that fails as brokers do.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::contract::{Envelope, MessageId, MessageName};
use crate::domain::{
    Event, EventId, EventRecord, Fingerprint, Minutes, Name, PersonLimits, UnixSeconds, Version,
};
use crate::memory::MemoryStore;
use crate::observe::NoObserver;
use crate::ports::{
    Attached, BrokerCapabilities, DatabaseHandler, EventEmitter, MessageOrder, Outbox, OutboxRow, SystemClock,
};
use crate::{Error, ErrorKind, Result};

type Answer = Box<dyn Fn(&Envelope) -> (bool, Result<()>) + Send + Sync>;

/// Publishes into a list; each message's fate is decided by `answer`: whether it was taken, and what is said of it.
pub(super) struct FakeEmitter {
    published: Mutex<Vec<Envelope>>,
    calls: AtomicUsize,
    answer: Mutex<Answer>,
}

impl std::fmt::Debug for FakeEmitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeEmitter")
    }
}

impl FakeEmitter {
    pub(super) fn new(answer: impl Fn(&Envelope) -> (bool, Result<()>) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            published: Mutex::default(),
            calls: AtomicUsize::new(0),
            answer: Mutex::new(Box::new(answer)),
        })
    }

    pub(super) fn set(&self, answer: impl Fn(&Envelope) -> (bool, Result<()>) + Send + Sync + 'static) {
        *self.answer.lock() = Box::new(answer);
    }

    /// The versions published of each entity, in order, repeats included.
    pub(super) fn by_key(&self) -> HashMap<String, Vec<u64>> {
        let mut versions: HashMap<String, Vec<u64>> = HashMap::new();
        for envelope in self.published.lock().iter() {
            let version = envelope.headers()["version"].parse().unwrap();
            versions
                .entry(envelope.key().to_owned())
                .or_default()
                .push(version);
        }
        versions
    }
}

#[async_trait]
impl EventEmitter for FakeEmitter {
    fn capabilities(&self) -> BrokerCapabilities {
        BrokerCapabilities {
            name: "fake",
            order: MessageOrder::InGroup,
            durable: false,
            replay: false,
            shared: true,
            delayed_nack: false,
            extend: false,
            detects_unroutable: true,
            max_message_bytes: 1_000,
        }
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let answer = self.answer.lock();
        messages
            .iter()
            .map(|envelope| {
                let (taken, result) = answer(envelope);
                if taken {
                    self.published.lock().push(envelope.clone());
                }
                result
            })
            .collect()
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

pub(super) fn fail(kind: ErrorKind) -> Result<()> {
    Err(Error::new(kind, "publish", "the test says so"))
}

fn record(event: u64, version: u64) -> EventRecord {
    EventRecord {
        event: Event {
            id: EventId::from_bytes(&event.to_be_bytes()).unwrap(),
            name: Name::from_stored("event"),
            duration: Minutes::from_stored(1),
            start: UnixSeconds::EPOCH,
            end: UnixSeconds::EPOCH,
            location: None,
            hall_names: Vec::new(),
            sales_start: None,
            sales_end: None,
            max_seats_per_booking: None,
            person_limits: PersonLimits::default(),
            cancelled: false,
        },
        version: Version(version),
        fingerprint: Fingerprint::of("test").finish(),
        owner: None,
        awaiting_location: None,
    }
}

/// Writes the next version of an event with its message; answers what may go the fast way.
pub(super) async fn write(store: &MemoryStore, event: u64, version: u64) -> Vec<OutboxRow> {
    let record = record(event, version);
    let message = Envelope::builder(
        MessageId::new(&format!("{event}-{version}")),
        MessageName::from_static("event.updated"),
        record.event.id.to_string(),
    )
    .header("version", version.to_string())
    .build();
    let attached = Attached::announcement(message);
    if version == 1 {
        store.add_event(&record, attached).await.unwrap().leased
    } else {
        let replaced = store.replace_event(&record, Version(version - 1), attached).await;
        replaced.unwrap().leased
    }
}

pub(super) fn key(event: u64) -> String {
    EventId::from_bytes(&event.to_be_bytes()).unwrap().to_string()
}

pub(super) fn relay(
    store: &Arc<MemoryStore>,
    emitter: &Arc<FakeEmitter>,
    options: RelayOptions,
) -> (Relay, Handover) {
    let (sender, receiver) = handover(64);
    let emitter: Arc<dyn EventEmitter> = emitter.clone();
    let relay = Relay::new(
        store.clone(),
        emitter,
        receiver,
        options,
        Arc::new(SystemClock),
        Arc::new(NoObserver),
    );
    (relay, sender)
}

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(Arc::new(SystemClock)))
}

#[tokio::test]
async fn what_is_handed_over_goes_out_and_what_was_born_free_follows_in_order() {
    let (store, emitter) = (store(), FakeEmitter::new(|_| (true, Ok(()))));
    let (mut relay, handover) = relay(&store, &emitter, RelayOptions::default());
    handover.offer(write(&store, 1, 1).await);
    assert!(write(&store, 1, 2).await.is_empty(), "the first one still waits");
    handover.offer(write(&store, 2, 1).await);
    let first = relay.relay_once().await;
    assert_eq!((first.handed_over, first.emitted, first.confirmed), (2, 2, 2));
    let second = relay.relay_once().await;
    assert_eq!((second.claimed, second.confirmed), (1, 1));
    assert_eq!(emitter.by_key()[&key(1)], [1, 2]);
    assert_eq!(store.depth().await.unwrap().rows, 0);
    assert_eq!(relay.relay_once().await, RelayOutcome::default());
}

#[tokio::test]
async fn an_entity_stops_at_its_first_failure_and_others_go_on() {
    let (store, emitter) = (store(), FakeEmitter::new(|_| (true, Ok(()))));
    for version in 1..=3 {
        for event in [1, 2] {
            store.release(&write(&store, event, version).await).await.unwrap();
        }
    }
    let refused = key(1);
    emitter.set(move |envelope| {
        let refused = envelope.key() == refused && envelope.headers()["version"] == "2";
        (
            !refused,
            if refused {
                fail(ErrorKind::Unroutable)
            } else {
                Ok(())
            },
        )
    });
    let (mut relay, _handover) = relay(&store, &emitter, RelayOptions::default());
    let outcome = relay.relay_once().await;
    assert_eq!((outcome.claimed, outcome.emitted, outcome.failed), (6, 4, 1));
    assert_eq!(outcome.released, 2, "the failed row and the one behind it");
    assert_eq!(emitter.by_key()[&key(1)], [1]);
    assert_eq!(emitter.by_key()[&key(2)], [1, 2, 3]);
    emitter.set(|_| (true, Ok(())));
    assert_eq!(relay.relay_once().await.emitted, 2);
    assert_eq!(emitter.by_key()[&key(1)], [1, 2, 3]);
    assert_eq!(store.depth().await.unwrap().rows, 0);
}

#[tokio::test]
async fn a_message_refused_for_good_is_parked_and_later_ones_flow() {
    for kind in [
        ErrorKind::Rejected,
        ErrorKind::TooLarge,
        ErrorKind::Invalid,
        ErrorKind::Malformed,
    ] {
        let store = store();
        let emitter = FakeEmitter::new(move |envelope| {
            let refused = envelope.headers()["version"] == "1";
            (!refused, if refused { fail(kind) } else { Ok(()) })
        });
        for version in 1..=3 {
            store.release(&write(&store, 1, version).await).await.unwrap();
        }
        let (mut relay, _handover) = relay(&store, &emitter, RelayOptions::default());
        let outcome = relay.relay_once().await;
        assert_eq!((outcome.parked, outcome.emitted), (1, 2), "{kind:?}");
        assert_eq!(emitter.by_key()[&key(1)], [2, 3]);
        let depth = store.depth().await.unwrap();
        assert_eq!((depth.rows, depth.parked), (0, 1));
        let parked = store.parked(None, 10).await.unwrap().items;
        assert!(
            parked[0].reason.contains("the test says so"),
            "{:?}",
            parked[0].reason
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_is_asked_with_one_small_batch_and_nothing_is_parked() {
    let (store, emitter) = (
        store(),
        FakeEmitter::new(|_| (false, fail(ErrorKind::Unavailable))),
    );
    for event in 0..200 {
        store.release(&write(&store, event, 1).await).await.unwrap();
    }
    let (relay, handover) = relay(&store, &emitter, RelayOptions::default());
    let stop = CancellationToken::new();
    let running = tokio::spawn(relay.run(stop.clone()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let calls = emitter.calls.load(Ordering::Relaxed);
    // 100, 200, … 4,000 ms: six waits of at least half, then at least 2 s each; the first wave had two batches.
    assert!((10..45).contains(&calls), "{calls} calls in a minute");
    handover.offer(write(&store, 900, 1).await);
    let depth = store.depth().await.unwrap();
    assert_eq!((depth.rows, depth.parked), (201, 0));
    emitter.set(|_| (true, Ok(())));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(store.depth().await.unwrap().rows, 0);
    assert_eq!(emitter.published.lock().len(), 201);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_releases_what_waits_and_confirms_what_was_open() {
    let (store, emitter) = (store(), FakeEmitter::new(|_| (true, Ok(()))));
    let options = RelayOptions {
        max_in_flight: 1,
        max_batch: Some(1),
        ..RelayOptions::default()
    };
    let (relay, handover) = relay(&store, &emitter, options);
    for event in 0..10 {
        handover.offer(write(&store, event, 1).await);
    }
    let stop = CancellationToken::new();
    stop.cancel();
    relay.run(stop).await;
    // Nothing is leased any more, so another relay gets all of it at once.
    let left = store.depth().await.unwrap().rows;
    let claim = store.claim(100, Duration::from_secs(1)).await.unwrap();
    assert_eq!(claim.rows.len() as u64, left);
    assert_eq!(left + emitter.published.lock().len() as u64, 10);
}

#[tokio::test]
async fn what_the_handover_can_not_hold_is_released_and_found_by_claiming() {
    let (store, emitter) = (store(), FakeEmitter::new(|_| (true, Ok(()))));
    let (mut relay, handover) = relay(&store, &emitter, RelayOptions::default());
    for event in 0..100 {
        handover.offer(write(&store, event, 1).await);
    }
    let first = relay.relay_once().await;
    let second = relay.relay_once().await;
    assert_eq!(first.handed_over, 64);
    assert_eq!(first.emitted + second.emitted, 100);
    assert_eq!(store.depth().await.unwrap().rows, 0);
}

/// Two relays over one outbox, writers at work, an emitter that fails in every way it may: the first publications of
/// an entity are in order, nothing is lost, and nothing is left.
#[tokio::test(start_paused = true)]
async fn random_failures_keep_order_and_lose_nothing() {
    for seed in 0..30 {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        let failing = move |_: &Envelope| match random.lock().random_range(0..10) {
            0 => (false, fail(ErrorKind::Unavailable)),
            1 => (true, fail(ErrorKind::OutcomeUnknown)),
            2 => (false, fail(ErrorKind::OutcomeUnknown)),
            3 => (false, fail(ErrorKind::Unroutable)),
            _ => (true, Ok(())),
        };
        let (store, emitter) = (store(), FakeEmitter::new(failing));
        let options = RelayOptions {
            max_in_flight: 7,
            max_batch: Some(3),
            claim_limit: 5,
            ..RelayOptions::default()
        };
        let stop = CancellationToken::new();
        let (first, handover) = relay(&store, &emitter, options.clone());
        let other = Arc::new(store.another_instance());
        let (second, _other_handover) = relay(&other, &emitter, options);
        let running = [
            tokio::spawn(first.run(stop.clone())),
            tokio::spawn(second.run(stop.clone())),
        ];
        let mut random = StdRng::seed_from_u64(seed + 1_000);
        for version in 1..=12 {
            for event in 0..5 {
                handover.offer(write(&store, event, version).await);
                if random.random_bool(0.3) {
                    tokio::time::sleep(Duration::from_millis(random.random_range(0..40))).await;
                }
            }
        }
        for _ in 0..600 {
            if store.depth().await.unwrap().rows == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(
            store.depth().await.unwrap().rows,
            0,
            "seed {seed}: rows are stuck"
        );
        stop.cancel();
        for relay in running {
            relay.await.unwrap();
        }
        for (key, versions) in emitter.by_key() {
            let mut seen = HashSet::new();
            let firsts: Vec<u64> = versions
                .into_iter()
                .filter(|version| seen.insert(*version))
                .collect();
            assert_eq!(
                firsts,
                (1..=12).collect::<Vec<u64>>(),
                "seed {seed}, entity {key}"
            );
        }
        assert_eq!(emitter.by_key().len(), 5, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_born_behind_an_open_one_follows_its_confirm_without_waiting_for_the_poll() {
    let (store, emitter) = (store(), FakeEmitter::new(|_| (true, Ok(()))));
    let options = RelayOptions {
        poll_interval: Duration::from_secs(3_600),
        ..RelayOptions::default()
    };
    let (relay, handover) = relay(&store, &emitter, options);
    let stop = CancellationToken::new();
    let running = tokio::spawn(relay.run(stop.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let first = write(&store, 1, 1).await;
    let second = write(&store, 1, 2).await;
    handover.offer(first);
    assert!(second.is_empty());
    handover.offer(second);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(emitter.by_key()[&key(1)], [1, 2]);
    assert_eq!(store.depth().await.unwrap().rows, 0);
    stop.cancel();
    running.await.unwrap();
}
