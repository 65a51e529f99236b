//! Example 01: both services in one process, in memory. An event is created, announced, booked and cancelled.
//!
//! Run with `cargo run -p example-01-quickstart`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use myevents_core::dispatch::Dispatch;
use myevents_core::domain::{EventId, Hall, Minutes, Name, PersonLimits, Seats, Text, UnixSeconds};
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::memory::MemoryStore;
use myevents_core::observe::NoObserver;
use myevents_core::ports::{DatabaseHandler, Outcome, SystemClock};
use myevents_core::projection;
use myevents_core::relay::{Relay, RelayOptions, handover};
use myevents_core::service::{
    BookingDraft, BookingService, BookingSettings, EventDraft, EventService, LocationDraft, RequestContext,
};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<()> {
    let clock = Arc::new(SystemClock);
    let broker = Arc::new(LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver)));
    let stop = CancellationToken::new();

    // The event service: its store, its use cases, and the relay that takes its messages to the broker.
    let event_store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let (to_relay, offered) = handover(1_024);
    let events = EventService::new(Arc::<MemoryStore>::clone(&event_store), to_relay);
    let relay = Relay::new(
        event_store,
        Arc::<LocalBroker>::clone(&broker),
        offered,
        RelayOptions::default(),
        clock,
        Arc::new(NoObserver),
    );

    // The booking service: a store of its own, filled by what the event service announces.
    let booking_store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let (to_relay, _offered) = handover(1_024);
    let bookings = BookingService::new(
        Arc::<MemoryStore>::clone(&booking_store),
        to_relay,
        BookingSettings::default(),
    );
    let dead_letters = broker.dead_letters("bookingservice", Arc::<MemoryStore>::clone(&booking_store));
    let builder = Dispatch::builder("bookingservice").dead_letters(dead_letters);
    let dispatch = projection::register(
        builder,
        Arc::<MemoryStore>::clone(&booking_store) as Arc<dyn DatabaseHandler>,
    )
    .build()?;
    broker.declare("bookingservice", &dispatch.names());

    let tasks = tokio_util::task::TaskTracker::new();
    let (stop_relay, stop_dispatch) = (stop.clone(), stop.clone());
    tasks.spawn(async move { dispatch.run(broker, stop_dispatch).await });
    tasks.spawn(relay.run(stop_relay));

    let context = RequestContext::default();
    let created = events.create_event(&context, None, opera_aida()?).await?;
    let event = created.record.event.id.clone();
    println!(
        "created \"{}\" with {} seats",
        created.record.event.name,
        created.record.event.capacity().unwrap_or(0)
    );
    wait_until_bookable(&bookings, &event).await?;

    let wish = |seats| -> Result<BookingDraft> {
        let event = event.clone();
        Ok(BookingDraft {
            id: None,
            event,
            seats: Seats::parse(seats)?,
            name: None,
            email: None,
            user: None,
        })
    };
    let Outcome::Booked(booking) = bookings.book_event(&context, None, wish(8)?).await? else {
        bail!("eight of ten seats are free");
    };
    println!("booked {} seats: {}", booking.seats.get(), booking.state);
    println!(
        "three more: {:?}",
        bookings.book_event(&context, None, wish(3)?).await?
    );
    let cancelled = bookings.cancel_booking(&context, &booking.id).await?;
    println!("the first booking is {}", cancelled.state);
    println!(
        "left: {:?}",
        bookings.availability(&[event]).await?[0]
            .as_ref()
            .and_then(|found| found.available)
    );

    stop.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
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

/// The booking service learns of the event by a message, so it knows it a moment later.
async fn wait_until_bookable(bookings: &BookingService, event: &EventId) -> Result<()> {
    for _ in 0..1_000 {
        if bookings.availability(std::slice::from_ref(event)).await?[0].is_some() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bail!("the announcement did not arrive within five seconds");
}
