//! Example 06: the broker is one word. The services, their handlers and what is promised to them stay the same over
//! `local`, RabbitMQ, Kafka and SQS; `docs/messaging.md` says in what these differ.
//!
//! Run with `cargo run -p example-06-swap-the-broker`, or with a broker that runs on this machine: `-- amqp`, `-- kafka`,
//! and `-- sqs` with `AWS_ENDPOINT_URL`, or region and credentials, in the environment.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use myevents_adapters::connect::{self, AmqpOptions, BrokerOptions, BrokerTls, KafkaOptions, SqsOptions};
use myevents_core::dispatch::Dispatch;
use myevents_core::domain::{EventId, Hall, Minutes, Name, PersonLimits, Seats, Text, UnixSeconds};
use myevents_core::memory::MemoryStore;
use myevents_core::observe::NoObserver;
use myevents_core::ports::{DatabaseHandler, Outbox as _, Outcome, SystemClock};
use myevents_core::projection;
use myevents_core::relay::{Relay, RelayOptions, handover};
use myevents_core::service::{
    BookingDraft, BookingService, BookingSettings, EventDraft, EventService, LocationDraft, RequestContext,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The consumer group of the booking service, which is named after it.
const BOOKING: &str = "bookingservice";
/// A broker that has to be made ready takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where each broker is, by default; only that of `kind` is used.
fn options(kind: &str) -> BrokerOptions {
    BrokerOptions {
        kind: kind.to_owned(),
        service: BOOKING.to_owned(),
        required_names: projection::subscribe_names(),
        max_message_bytes: 204_800,
        legacy_names: false,
        tls: BrokerTls::default(),
        amqp: AmqpOptions {
            urls: vec!["amqp://guest:guest@localhost:5672".to_owned()],
            queue: "example-06".to_owned(),
            queue_type: "quorum".to_owned(),
        },
        kafka: KafkaOptions {
            brokers: vec!["localhost:9092".to_owned()],
            topic: "example-06".to_owned(),
            group: BOOKING.to_owned(),
            partitions: 12,
        },
        sqs: SqsOptions {
            queue: "example-06.fifo".to_owned(),
            create_queues: true,
            max_messages: 10,
            wait_time: Duration::from_secs(1),
            visibility_timeout: Duration::from_secs(30),
            ..SqsOptions::default()
        },
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let clock = Arc::new(SystemClock);
    let events_store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let bookings_store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let word = std::env::args().nth(1).unwrap_or_else(|| "local".to_owned());

    // The line that swaps the broker.
    let broker = connect::broker(&options(&word), Arc::new(NoObserver)).await?;

    let letters = broker
        .tools
        .dead_letters(BOOKING, Arc::<MemoryStore>::clone(&bookings_store));
    let projected: Arc<dyn DatabaseHandler> = Arc::<MemoryStore>::clone(&bookings_store);
    let dispatch =
        projection::register(Dispatch::builder(BOOKING).dead_letters(letters), projected).build()?;
    broker.tools.declare(BOOKING, &dispatch.names());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let (listener, stopping) = (Arc::clone(&broker.listener), stop.clone());
    tasks.spawn(async move { dispatch.run(listener, stopping).await });
    let mut services = Vec::new();
    for store in [&events_store, &bookings_store] {
        let (to_relay, offered) = handover(1_024);
        let relay = Relay::new(
            Arc::<MemoryStore>::clone(store),
            Arc::clone(&broker.emitter),
            offered,
            RelayOptions::default(),
            Arc::<SystemClock>::clone(&clock),
            Arc::new(NoObserver),
        );
        tasks.spawn(relay.run(stop.clone()));
        services.push(to_relay);
    }
    let (Some(of_bookings), Some(of_events)) = (services.pop(), services.pop()) else {
        bail!("two stores have two relays");
    };
    let events = EventService::new(Arc::<MemoryStore>::clone(&events_store), of_events);
    let settings = BookingSettings::default();
    let bookings = BookingService::new(Arc::<MemoryStore>::clone(&bookings_store), of_bookings, settings);

    let context = RequestContext::default();
    let created = events.create_event(&context, None, opera_aida()?).await?;
    println!("created \"{}\"", created.record.event.name);
    let event = created.record.event.id;
    let there = async || Ok(bookings.availability(std::slice::from_ref(&event)).await?[0].is_some());
    until("the announcement", there).await?;
    let wish = wish(&event)?;
    let Outcome::Booked(booking) = bookings.book_event(&context, None, wish).await? else {
        bail!("eight of ten seats are free");
    };
    println!("booked {} seats", booking.seats.get());
    let found = bookings.availability(std::slice::from_ref(&event)).await?;
    let left = found[0].as_ref().and_then(|found| found.available);
    println!("left: {}", left.unwrap_or_default());
    let announced = async || {
        let waiting = events_store.depth().await?.rows + bookings_store.depth().await?.rows;
        Ok(waiting == 0)
    };
    until("the end of all messages", announced).await?;
    println!("the messages that wait: {}", bookings_store.depth().await?.rows);

    stop.cancel();
    tasks.close();
    tasks.wait().await;
    broker.emitter.close().await?;
    broker.listener.close().await?;
    Ok(())
}

/// Asks until it is so.
async fn until(what: &str, is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let start = tokio::time::Instant::now();
    while !is_so().await? {
        ensure!(start.elapsed() < PATIENCE, "{what} did not come in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn wish(event: &EventId) -> Result<BookingDraft> {
    Ok(BookingDraft {
        id: None,
        event: event.clone(),
        seats: Seats::parse(8)?,
        name: None,
        email: None,
        user: None,
    })
}

fn opera_aida() -> Result<EventDraft> {
    let hall = Hall {
        name: Text::parse("hall", "Cesar hall")?,
        location: Text::default(),
        capacity: 10,
    };
    let name = Text::parse("name", "West Street Opera House")?;
    Ok(EventDraft {
        id: None,
        name: Name::parse("name", "opera aida")?,
        duration: Minutes::parse(120)?,
        start: UnixSeconds::parse("start", 1_924_984_800)?,
        end: UnixSeconds::parse("end", 1_924_992_000)?,
        location: Some(LocationDraft {
            name,
            halls: vec![hall],
            ..LocationDraft::default()
        }),
        hall_names: Vec::new(),
        sales_start: None,
        sales_end: None,
        max_seats_per_booking: None,
        person_limits: PersonLimits::default(),
    })
}
