//! How fast the relay empties an outbox into the `local` broker.

use std::sync::Arc;
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
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Fills the outbox with `count` messages of bookings and works them off; answers messages a second.
pub(crate) async fn rate(store: &Arc<dyn Store>, event: &EventId, count: usize) -> Result<f64> {
    drain(store, 0)
        .await
        .context("the messages of the bookings before")?;
    let batch = store.capabilities().max_batch;
    let mut left = count;
    while left > 0 {
        let wishes: Vec<_> = (0..batch.min(left))
            .map(|_| fixture::booking_request(event, 1))
            .collect();
        for answer in store.book(event, &wishes, BookOptions::default()).await {
            store.release(&answer?.leased).await?;
        }
        left -= wishes.len();
    }
    let took = drain(store, count).await?;
    Ok(count as f64 / took.as_secs_f64())
}

/// Runs a relay until the outbox is empty; it has to hold `expected` messages, or any number for 0.
async fn drain(store: &Arc<dyn Store>, expected: usize) -> Result<Duration> {
    let rows = store.depth().await?.rows;
    ensure!(
        expected == 0 || rows == expected as u64,
        "{rows} messages wait, not {expected}"
    );
    let broker = LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver));
    let letters = Arc::new(MemoryStore::new(clock()));
    let builder = Dispatch::builder("bench").dead_letters(broker.dead_letters("bench", letters));
    let handle = |_: Envelope, _: Context| async { Ok(()) };
    let dispatch = builder
        .on_envelope(MessageName::from_static("event.booked"), handle)
        .build()?;
    broker.declare("bench", &dispatch.names());
    let stop = CancellationToken::new();
    let listener: Arc<dyn EventListener> = Arc::new(broker.listener());
    let emitter: Arc<dyn EventEmitter> = Arc::new(broker.emitter());
    let (ending, began) = (stop.clone(), Instant::now());
    let consumer = tokio::spawn(async move { dispatch.run(listener, ending).await });
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
    while store.depth().await?.rows > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = began.elapsed();
    stop.cancel();
    relay.await?;
    consumer.await??;
    Ok(took)
}
