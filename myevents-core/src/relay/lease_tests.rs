//! What becomes of rows whose lease ran out: they come back, and whoever overslept lets go in the right order.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::ErrorKind;
use crate::domain::UnixMillis;
use crate::memory::MemoryStore;
use crate::ports::{Clock, Outbox};
use crate::relay::tests::{FakeEmitter, fail, key, relay, write};

/// The lease of every claim here.
const LEASE: Duration = Duration::from_secs(30);

/// A clock that the test moves on: the store's leases end by it, while the relay's own time goes on as it does.
#[derive(Debug, Default)]
struct StoreClock(std::sync::atomic::AtomicI64);

impl StoreClock {
    fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.0.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for StoreClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

/// A store with three messages of one entity, held by nobody.
async fn three_messages() -> (Arc<StoreClock>, Arc<MemoryStore>) {
    let clock = Arc::new(StoreClock::default());
    let store = Arc::new(MemoryStore::new(Arc::<StoreClock>::clone(&clock)));
    for version in 1..=3 {
        store.release(&write(&store, 1, version).await).await.unwrap();
    }
    (clock, store)
}

#[tokio::test]
async fn the_rows_of_a_dead_relay_come_back_when_their_lease_ends() {
    let (clock, store) = three_messages().await;
    let born_leased = write(&store, 2, 1).await;
    assert_eq!(born_leased.len(), 1, "its writer dies before it hands this over");
    let dead = store.another_instance();
    assert_eq!(dead.claim(10, LEASE).await.unwrap().rows.len(), 3);

    let emitter = FakeEmitter::new(|_| (true, Ok(())));
    let (mut relay, _handover) = relay(&store, &emitter, RelayOptions::default());
    clock.pass(LEASE - Duration::from_millis(1));
    let early = relay.relay_once().await;
    assert_eq!((early.claimed, early.emitted), (0, 0), "the leases still run");
    clock.pass(Duration::from_millis(2));
    let outcome = relay.relay_once().await;
    assert_eq!((outcome.claimed, outcome.confirmed), (4, 4));
    assert_eq!(emitter.by_key()[&key(1)], [1, 2, 3]);
    assert_eq!(emitter.by_key()[&key(2)], [1]);
    assert_eq!(store.depth().await.unwrap().rows, 0);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_lost_a_row_lets_go_of_the_later_ones_of_its_entity() {
    let (clock, store) = three_messages().await;
    let emitter = FakeEmitter::new(|_| (false, fail(ErrorKind::Unroutable)));
    let options = RelayOptions {
        lease: LEASE,
        // The entity's rows are held here, waiting, until the rest after the failure ends.
        backoff_first: Duration::from_secs(100),
        backoff_most: Duration::from_secs(100),
        ..RelayOptions::default()
    };
    let (relay, _handover) = relay(&store, &emitter, options);
    let stop = CancellationToken::new();
    let running = tokio::spawn(relay.run(stop.clone()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let other = store.another_instance();
    assert!(
        other.claim(10, LEASE).await.unwrap().rows.is_empty(),
        "the relay holds all"
    );

    clock.pass(LEASE + Duration::from_millis(1));
    let taken = other.claim(1, LEASE).await.unwrap();
    assert_eq!(taken.rows.len(), 1, "the first of the three");
    emitter.set(|_| (true, Ok(())));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(
        emitter.by_key().is_empty(),
        "the first one is another's and not confirmed, so none of the later ones may go"
    );
    other.confirm(&taken.rows).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(emitter.by_key()[&key(1)], [2, 3]);
    assert_eq!(store.depth().await.unwrap().rows, 0);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_row_that_could_not_be_parked_because_it_is_anothers_stops_the_later_ones() {
    let (clock, store) = three_messages().await;
    let other = Arc::new(store.another_instance());
    let (passing, taking) = (Arc::clone(&clock), Arc::clone(&other));
    // While the first message is at the broker its lease ends, and another relay takes it.
    let emitter = FakeEmitter::new(move |envelope| {
        if envelope.headers()["version"] != "1" {
            return (true, Ok(()));
        }
        passing.pass(LEASE + Duration::from_millis(1));
        let taken = taking.claim(1, LEASE).now_or_never().unwrap().unwrap();
        assert_eq!(taken.rows[0].envelope.id(), envelope.id());
        (false, fail(ErrorKind::Rejected))
    });
    let options = RelayOptions {
        lease: LEASE,
        ..RelayOptions::default()
    };
    let (mut relay, _handover) = relay(&store, &emitter, options);
    let outcome = relay.relay_once().await;
    assert_eq!((outcome.failed, outcome.parked, outcome.emitted), (1, 0, 0));
    assert_eq!(
        relay.relay_once().await.emitted,
        0,
        "the other still holds the first one"
    );
    assert!(emitter.by_key().is_empty());
    assert_eq!(store.depth().await.unwrap().parked, 0);

    // The other relay is told the same by the broker, parks it, and the later ones flow.
    clock.pass(LEASE + Duration::from_millis(1));
    let again = other.claim(1, LEASE).await.unwrap();
    assert_eq!(other.park(&again.rows, "refused").await.unwrap().len(), 1);
    assert_eq!(relay.relay_once().await.emitted, 2);
    assert_eq!(emitter.by_key()[&key(1)], [2, 3]);
}
