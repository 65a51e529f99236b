//! The relay after an outage: a full outbox in SQLite, emptied into Kafka in the order of each key.

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

pub(crate) async fn measure(brokers: &str, rows: usize) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let config = SqliteConfig::service(folder.path().join("bookingservice.db"), "booking");
    let store = Arc::new(SqliteStore::open(config, Arc::new(SystemClock))?);
    let record = fixture::event_record(fixture::event("backlog"));
    let event = record.event.id.clone();
    store
        .project_event(&fixture::projection(record, 1, Some(1 << 40)))
        .await?;
    // Nobody relays while they are booked: that is the outage.
    for _ in 0..rows.div_ceil(250) {
        let wishes: Vec<_> = (0..250).map(|_| fixture::booking_request(&event, 1)).collect();
        let booked = store.book(&event, &wishes, BookOptions::default()).await;
        let mut leased = Vec::new();
        for each in booked {
            leased.extend(each?.leased);
        }
        store.release(&leased).await?;
    }
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
    // All of them are there, none twice.
    let listener = broker.replay();
    let subscription = Subscription {
        group: "check".to_owned(),
        names: Vec::new(),
        prefetch: 256,
        from: StartFrom::Beginning,
    };
    let mut stream = listener.subscribe(subscription).await?;
    let mut read = 0;
    while let Some(delivery) = stream.next().await {
        delivery.ack().await?;
        read += 1;
    }
    ensure!(read == depth, "{read} of {depth} messages are in the log");
    let met = if rate >= REACH { "reached" } else { "**missed**" };
    Ok(format!(
        "| relay, backlog of {depth} in SQLite | ≥ {REACH:.0}/s | {rate:.0}/s | {met} |"
    ))
}
