//! The relay after an outage: a full outbox in SQLite, emptied into RabbitMQ, in the order of each key.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use myevents_adapters::amqp::AmqpBroker;
use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::contract::{BookingCancelled, EventBooked, Message as _, MessageId};
use myevents_core::observe::NoObserver;
use myevents_core::ports::{
    BookOptions, DatabaseHandler as _, EventListener as _, Outbox, StartFrom, Subscription, SystemClock,
};
use myevents_core::relay::{Relay, RelayOptions, handover};
use myevents_core::testkit::fixture;
use tokio_util::sync::CancellationToken;

use crate::{Sizes, config};

const REACH: f64 = 5_000.0;

/// Half of the messages are bookings, the other half their cancellations, each behind its booking's: so keys have an order.
async fn fill(store: &SqliteStore, messages: usize) -> Result<Vec<[MessageId; 2]>> {
    let record = fixture::event_record(fixture::event("backlog"));
    let event = record.event.id.clone();
    store
        .project_event(&fixture::projection(record, 1, Some(1 << 40)))
        .await?;
    let mut pairs = Vec::new();
    // Nobody relays meanwhile: that is the outage.
    for _ in 0..messages.div_ceil(500) {
        let wishes: Vec<_> = (0..250).map(|_| fixture::booking_request(&event, 1)).collect();
        let booked = store.book(&event, &wishes, BookOptions::default()).await;
        let mut leased = Vec::new();
        for each in booked {
            leased.extend(each?.leased);
        }
        store.release(&leased).await?;
        let cancels: Vec<_> = wishes
            .iter()
            .map(|wish| fixture::cancel_request(&event, &wish.booking.id))
            .collect();
        let cancelled = join_all(cancels.iter().map(|cancel| store.cancel_booking(cancel))).await;
        let mut leased = Vec::new();
        for each in cancelled {
            leased.extend(each?.leased);
        }
        store.release(&leased).await?;
        pairs.extend(
            wishes
                .iter()
                .zip(&cancels)
                .map(|(wish, cancel)| [wish.message.id().clone(), cancel.message.id().clone()]),
        );
    }
    Ok(pairs)
}

pub(crate) async fn measure(url: &str, sizes: &Sizes) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let settings = SqliteConfig::service(folder.path().join("bookingservice.db"), "booking");
    let store = Arc::new(SqliteStore::open(settings, Arc::new(SystemClock))?);
    let pairs = fill(&store, sizes.messages).await?;
    let depth = store.depth().await?.rows;
    let broker = AmqpBroker::connect(config(url, "backlog")?)?;
    let listener = broker.listener();
    let subscription = || Subscription {
        group: "figures".to_owned(),
        names: vec![EventBooked::name(), BookingCancelled::name()],
        prefetch: 256,
        from: StartFrom::Now,
    };
    // The queue, which then fills while nobody consumes.
    drop(listener.subscribe(subscription()).await?);
    listener.close().await?;
    let (_hints, offered) = handover(0);
    let outbox: Arc<dyn Outbox> = store.clone();
    let relay = Relay::new(
        outbox,
        broker.emitter(),
        offered,
        RelayOptions::default(),
        Arc::new(SystemClock),
        Arc::new(NoObserver),
    );
    let stop = CancellationToken::new();
    let started = Instant::now();
    let running = tokio::spawn(relay.run(stop.clone()));
    while store.depth().await?.rows > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rate = depth as f64 / started.elapsed().as_secs_f64();
    stop.cancel();
    running.await?;
    // All of them are there, none twice, each cancellation behind its booking.
    let reading = AmqpBroker::connect(config(url, "backlog")?)?;
    let listener = reading.listener();
    let mut stream = listener.subscribe(subscription()).await?;
    let mut places = HashMap::new();
    for place in 0..depth {
        let next = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
        let delivery = next.with_context(|| format!("{place} of {depth} came"))?;
        let delivery = delivery.context("the stream ended")?;
        let before = places.insert(delivery.envelope.id().clone(), place);
        ensure!(before.is_none(), "a message came twice");
        delivery.ack().await?;
    }
    for [booked, cancelled] in &pairs {
        ensure!(
            places.get(booked).context("a booking is missing")?
                < places.get(cancelled).context("a cancellation is missing")?,
            "a cancellation came before its booking"
        );
    }
    listener.close().await?;
    let met = if rate >= REACH { "reached" } else { "**missed**" };
    Ok(format!(
        "| relay, backlog of {depth} in SQLite, in order per key | ≥ {REACH:.0}/s | {rate:.0}/s | {met} |"
    ))
}
