//! How fast the relay empties an outbox into the `local` broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::dispatch::{Context, Dispatch};
use myevents_core::domain::EventId;
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::memory::MemoryStore;
use myevents_core::observe::NoObserver;
use myevents_core::ports::{BookOptions, EventEmitter, EventListener, Store};
use myevents_core::relay::{Relay, RelayOptions, handover};
use myevents_core::testkit::fixture;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// How long the relay may take in all.
const PATIENCE: Duration = Duration::from_secs(240);

/// Fills an empty outbox with `count` messages of bookings and works them off; answers messages a second.
pub(crate) async fn rate(store: &Arc<dyn Store>, event: &EventId, count: usize) -> Result<f64> {
    let batch = store.capabilities().max_batch;
    let mut left = count;
    while left > 0 {
        let wishes: Vec<_> = (0..batch.min(left))
            .map(|_| fixture::booking_request(event, 1))
            .collect();
        let mut leased = Vec::new();
        for answer in store.book(event, &wishes, BookOptions::default()).await {
            leased.extend(answer?.leased);
        }
        store.release(&leased).await?;
        left -= wishes.len();
    }
    let rows = store.depth().await?.rows;
    ensure!(rows == count as u64, "{rows} messages wait, not {count}");
    let took = drain(store, rows).await?;
    Ok(count as f64 / took.as_secs_f64())
}

/// Runs a relay over an outbox of `rows` messages until each is handled and confirmed. Nothing is asked of the store
/// meanwhile: to count what waits may cost a server more than to relay it.
async fn drain(store: &Arc<dyn Store>, rows: u64) -> Result<Duration> {
    let broker = LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver));
    let letters = Arc::new(MemoryStore::new(clock()));
    let builder = Dispatch::builder("bench").dead_letters(broker.dead_letters("bench", letters));
    let (handled, all) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let handle = {
        let (handled, all) = (Arc::clone(&handled), Arc::clone(&all));
        move |_: Envelope, _: Context| {
            if handled.fetch_add(1, Ordering::Relaxed) + 1 == rows {
                all.notify_one();
            }
            async { Ok(()) }
        }
    };
    let dispatch = builder
        .on_envelope(MessageName::from_static("event.booked"), handle)
        .build()?;
    broker.declare("bench", &dispatch.names());
    let stop = CancellationToken::new();
    let listener: Arc<dyn EventListener> = Arc::new(broker.listener());
    let emitter: Arc<dyn EventEmitter> = Arc::new(broker.emitter());
    let (ending, began) = (CancellationToken::new(), Instant::now());
    let consumer = tokio::spawn({
        let ending = ending.clone();
        async move { dispatch.run(listener, ending).await }
    });
    let (_handover, receiver) = handover(16);
    let relay = Relay::new(
        Arc::<dyn Store>::clone(store),
        emitter,
        receiver,
        RelayOptions::default(),
        clock(),
        Arc::new(NoObserver),
    );
    let relay = tokio::spawn(relay.run(stop.clone()));
    tokio::time::timeout(PATIENCE, all.notified())
        .await
        .context("the relay is too slow to be measured")?;
    // It ends when what it has open is answered and confirmed.
    stop.cancel();
    relay.await?;
    let took = began.elapsed();
    ending.cancel();
    consumer.await??;
    let (handled, left) = (handled.load(Ordering::Relaxed), store.depth().await?.rows);
    ensure!(
        handled == rows && left == 0,
        "{handled} handled, {left} left of {rows}"
    );
    Ok(took)
}
