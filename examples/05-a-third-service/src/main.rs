//! Example 05: a third service gives points for every booked seat. It has a message and a state of its own, and joins
//! with the same guarantees: points, their announcement, and the mark that the booking was seen are one transaction.
//!
//! Run with `cargo run -p example-05-a-third-service`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use myevents_adapters::sqlite::{SqliteConfig, SqliteStore, rusqlite};
use myevents_core::contract::{BookingAnnouncement, Envelope, EventBooked, Message, Registry};
use myevents_core::dispatch::{Context, Dispatch};
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::observe::NoObserver;
use myevents_core::ports::{Clock, DatabaseHandler, EventEmitter, IdSource, Outbox, RandomIds, SystemClock};
use myevents_core::relay::{Handover, Relay, RelayOptions, handover};
use myevents_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Our own message.
#[derive(Debug, Serialize, Deserialize)]
struct PointsGiven {
    user_id: String,
    points: u32,
}

impl Message for PointsGiven {
    const NAME: &'static str = "points.given";
    const ABOUT: &'static str = "a booking earned its holder points";
}

/// Our own state.
const TABLE: &str = "create table if not exists points (user text primary key, points integer not null)";

fn table_fault(error: rusqlite::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "use the table of points",
        "it can't be read or written",
    )
    .caused_by(error)
}

/// The service: a store with a table of our own beside the outbox and the inbox.
#[derive(Clone)]
struct Points {
    store: Arc<SqliteStore>,
    to_relay: Handover,
}

impl Points {
    async fn on_booked(&self, booked: EventBooked, context: Context) -> myevents_core::Result<()> {
        let EventBooked(BookingAnnouncement { user_id, seats, .. }) = booked;
        let points = 10 * seats.unwrap_or(1);
        let body = serde_json::to_vec(&PointsGiven {
            user_id: user_id.clone(),
            points,
        })
        .unwrap_or_default();
        let message = Envelope::builder(RandomIds.message_id(), PointsGiven::name(), user_id.clone())
            .time(SystemClock.now())
            .body(body)
            .build();
        let mark = context.mark().cloned();
        let committed = self
            .store
            .with_transaction(move |tx| {
                let upsert =
                    "insert into points values (?1, ?2) on conflict do update set points = points + ?2";
                tx.connection()
                    .execute(upsert, (&user_id, points))
                    .map_err(table_fault)?;
                tx.append(message)?;
                mark.iter().try_for_each(|token| tx.complete_inbox(token))
            })
            .await?;
        self.to_relay.offer(committed.leased);
        Ok(())
    }

    async fn of(&self, user: &'static str) -> Result<i64> {
        let points = self
            .store
            .with_reader(move |connection| {
                let sum = "select coalesce(sum(points), 0) from points where user = ?1";
                Ok(connection.query_row(sum, [user], |row| row.get(0)).unwrap_or(-1))
            })
            .await?;
        Ok(points)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut registry = Registry::default();
    registry.register::<PointsGiven>();
    println!("messages known: {}", registry.messages().count());

    let folder = tempfile::tempdir()?;
    let config = SqliteConfig::service(folder.path().join("points.db"), "points");
    let store = Arc::new(SqliteStore::open(config, Arc::new(SystemClock))?);
    store
        .with_transaction(|tx| tx.connection().execute_batch(TABLE).map_err(table_fault))
        .await?;
    let (to_relay, offered) = handover(64);
    let points = Points {
        store: Arc::clone(&store),
        to_relay,
    };

    let broker = Arc::new(LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver)));
    let handler = points.clone();
    let dispatch = Dispatch::builder("points")
        .on::<EventBooked>(move |booked, context| {
            let points = handler.clone();
            async move { points.on_booked(booked, context).await }
        })
        .with_inbox(Arc::<SqliteStore>::clone(&store), Duration::from_secs(60))
        .dead_letters(broker.dead_letters("points", Arc::<SqliteStore>::clone(&store)))
        .build()?;
    broker.declare("points", &dispatch.names());
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (broker, stop) = (Arc::clone(&broker), stop.clone());
        async move { dispatch.run(broker, stop).await }
    });

    // The same announcement three times, as brokers may deliver it, and another one.
    let (twice, once) = (booked("ada", 2), booked("ada", 1));
    for message in [&twice, &twice, &once, &twice] {
        for result in broker.emit(std::slice::from_ref(message)).await {
            result?;
        }
    }
    println!("points of ada: {}", points.of("ada").await?);
    println!("announcements that wait: {}", store.depth().await?.rows);

    let outbox: Arc<dyn Outbox> = Arc::<SqliteStore>::clone(&store);
    let emitter = Arc::<LocalBroker>::clone(&broker);
    let clock = Arc::new(SystemClock);
    let mut relay = Relay::new(
        outbox,
        emitter,
        offered,
        RelayOptions::default(),
        clock,
        Arc::new(NoObserver),
    );
    // The second message of a key is free for a relay once the first is confirmed: a step each.
    let announced = relay.relay_once().await.emitted + relay.relay_once().await.emitted;
    println!("announced: {announced}, waiting: {}", store.depth().await?.rows);

    stop.cancel();
    running.await??;
    store.close().await?;
    Ok(())
}

fn booked(user: &str, seats: u32) -> Envelope {
    let body = format!(r#"{{"eventId":"0a0b","userId":"{user}","seats":{seats}}}"#);
    Envelope::builder(
        RandomIds.message_id(),
        EventBooked::name(),
        format!("{user}-{seats}"),
    )
    .time(SystemClock.now())
    .body(body)
    .build()
}
