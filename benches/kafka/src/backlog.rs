//! The relay after an outage: a full outbox in SQLite, two messages a booking, emptied into Kafka in the order of each key.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::StreamExt as _;
use myevents_adapters::kafka::KafkaBroker;
use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::observe::NoObserver;
use myevents_core::ports::{
    BookOptions, DatabaseHandler as _, EventListener as _, Outbox, StartFrom, Subscription, SystemClock,
};
use myevents_core::relay::{Relay, RelayOptions, handover};
use myevents_core::testkit::fixture;
use tokio_util::sync::CancellationToken;

const REACH: f64 = 5_000.0;
/// Bookings a commit.
const BATCH: usize = 250;

pub(crate) async fn measure(brokers: &str, rows: usize) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let config = SqliteConfig::service(folder.path().join("bookingservice.db"), "booking");
    let store = Arc::new(SqliteStore::open(config, Arc::new(SystemClock))?);
    fill(&store, rows).await?;
    let depth = store.depth().await?.rows;
    let broker = KafkaBroker::new(crate::config(brokers, "backlog"))?;
    let emitter = Arc::new(broker.emitter()?);
    let (_hints, offered) = handover(0);
    let outbox: Arc<dyn Outbox> = store.clone();
    let relay = Relay::new(
        outbox,
        emitter,
        offered,
        RelayOptions::default(),
        Arc::new(SystemClock),
        Arc::new(NoObserver),
    );
    let stop = CancellationToken::new();
    let started = Instant::now();
    let running = tokio::spawn(relay.run(stop.clone()));
    while store.depth().await?.rows > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = depth as f64 / started.elapsed().as_secs_f64();
    stop.cancel();
    running.await?;
    check(&broker, depth).await?;
    let met = if rate >= REACH { "reached" } else { "**missed**" };
    Ok(format!(
        "| relay, backlog of {depth} in SQLite, two a key | ≥ {REACH:.0}/s, in order per key | {rate:.0}/s, in order | {met} |"
    ))
}

/// Bookings that are cancelled. Nobody relays meanwhile: that is the outage.
async fn fill(store: &SqliteStore, rows: usize) -> Result<()> {
    let record = fixture::event_record(fixture::event("backlog"));
    let event = record.event.id.clone();
    store
        .project_event(&fixture::projection(record, 1, Some(1 << 40)))
        .await?;
    for _ in 0..rows.div_ceil(2 * BATCH) {
        let wishes: Vec<_> = (0..BATCH).map(|_| fixture::booking_request(&event, 1)).collect();
        let mut leased = Vec::new();
        for each in store.book(&event, &wishes, BookOptions::default()).await {
            leased.extend(each?.leased);
        }
        let requests: Vec<_> = wishes
            .iter()
            .map(|wish| fixture::cancel_request(&event, &wish.booking.id))
            .collect();
        let cancelled =
            futures_util::future::join_all(requests.iter().map(|request| store.cancel_booking(request)));
        for each in cancelled.await {
            leased.extend(each?.leased);
        }
        store.release(&leased).await?;
    }
    Ok(())
}

/// All of them are in the log, none twice, each booking before its cancelling.
async fn check(broker: &KafkaBroker, depth: u64) -> Result<()> {
    let subscription = Subscription {
        group: "check".to_owned(),
        names: Vec::new(),
        prefetch: 256,
        from: StartFrom::Beginning,
    };
    let listener = broker.replay();
    let mut stream = listener.subscribe(subscription).await?;
    let (mut read, mut seen) = (0, HashMap::<String, u32>::new());
    while let Some(delivery) = stream.next().await {
        let turn = seen.entry(delivery.envelope.key().to_owned()).or_default();
        let expected = ["event.booked", "booking.cancelled"].get(*turn as usize);
        ensure!(
            expected == Some(&delivery.envelope.name().as_str()),
            "message {turn} of {} is {}",
            delivery.envelope.key(),
            delivery.envelope.name()
        );
        *turn += 1;
        read += 1;
        delivery.ack().await?;
    }
    ensure!(read == depth, "{read} of {depth} messages are in the log");
    Ok(())
}
