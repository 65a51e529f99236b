//! Example 04: a process dies right after its commits, before it announced or answered anything. The next one carries on.
//!
//! Run with `cargo run -p example-04-crash-and-resume`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::domain::{
    Event, EventId, EventRecord, Fingerprint, Minutes, Name, PersonLimits, Seats, UnixSeconds, Version,
};
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::observe::NoObserver;
use myevents_core::ports::{ApplyMode, DatabaseHandler, EventProjection, Outbox, Outcome, SystemClock};
use myevents_core::relay::{Relay, RelayOptions, handover};
use myevents_core::service::{
    BookingDraft, BookingService, BookingSettings, Caller, IdempotencyKey, RequestContext,
};

/// Tells the second process of this program which file to work on.
const FILE: &str = "EXAMPLE_DATABASE";
const BOOKINGS: usize = 5;

#[tokio::main]
async fn main() -> Result<()> {
    if let Ok(file) = std::env::var(FILE) {
        return book_and_die(Path::new(&file)).await;
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bookingservice.db");

    let status = Command::new(std::env::current_exe()?).env(FILE, &file).status()?;
    println!("the first process died: {}", !status.success());

    let store = Arc::new(open(&file)?);
    println!("its messages still wait: {}", store.depth().await?.rows);

    // The clients never heard an answer and ask again with the same keys.
    let (to_relay, offered) = handover(64);
    let bookings = BookingService::new(
        Arc::<SqliteStore>::clone(&store),
        to_relay,
        BookingSettings::default(),
    );
    let mut found = 0;
    for number in 0..BOOKINGS {
        if let Outcome::Existing(_) = book(&bookings, number).await? {
            found += 1;
        }
    }
    println!("retries that found their booking: {found}");
    let availability = store.availability(&[event_id()]).await?;
    println!(
        "seats left of 100: {:?}",
        availability[0].as_ref().and_then(|found| found.available)
    );

    // A relay finds by polling what the dead process could not hand over.
    let broker = Arc::new(LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver)));
    let outbox: Arc<dyn Outbox> = Arc::<SqliteStore>::clone(&store);
    let clock = Arc::new(SystemClock);
    let mut relay = Relay::new(
        outbox,
        broker,
        offered,
        RelayOptions::default(),
        clock,
        Arc::new(NoObserver),
    );
    let outcome = relay.relay_once().await;
    println!(
        "announced now: {}, still waiting: {}",
        outcome.emitted,
        store.depth().await?.rows
    );
    store.close().await?;
    Ok(())
}

fn open(file: &Path) -> Result<SqliteStore> {
    SqliteStore::open(
        SqliteConfig::service(file, "bookingservice"),
        Arc::new(SystemClock),
    )
    .context("open the store")
}

fn event_id() -> EventId {
    EventId::from(*b"opera aida 1")
}

async fn book(bookings: &BookingService, number: usize) -> Result<Outcome> {
    let key = IdempotencyKey::parse(
        &format!("a key of client number {number}").replace(' ', "-"),
        &Caller::Anonymous,
    )?;
    let event = event_id();
    let draft = BookingDraft {
        id: None,
        event,
        seats: Seats::parse(2)?,
        name: None,
        email: None,
        user: None,
    };
    Ok(bookings
        .book_event(&RequestContext::default(), Some(&key), draft)
        .await?)
}

/// The first process: its bookings are committed with their messages, then it is gone without a word.
async fn book_and_die(file: &Path) -> Result<()> {
    let store = Arc::new(open(file)?);
    let event = Event {
        id: event_id(),
        name: Name::parse("name", "opera aida")?,
        duration: Minutes::parse(120)?,
        start: UnixSeconds::parse("start", 1_924_984_800)?,
        end: UnixSeconds::parse("end", 1_924_992_000)?,
        location: None,
        hall_names: Vec::new(),
        sales_start: None,
        sales_end: None,
        max_seats_per_booking: None,
        person_limits: PersonLimits::default(),
        cancelled: false,
    };
    let fingerprint = Fingerprint::of("example").finish();
    let record = EventRecord {
        event,
        version: Version::FIRST,
        fingerprint,
        owner: None,
        awaiting_location: None,
    };
    store
        .project_event(&EventProjection {
            record,
            capacity: Some(100),
            mode: ApplyMode::Newer,
        })
        .await?;
    let (to_relay, _nobody_listens) = handover(64);
    let bookings = BookingService::new(store, to_relay, BookingSettings::default());
    for number in 0..BOOKINGS {
        let outcome = book(&bookings, number).await?;
        ensure!(matches!(outcome, Outcome::Booked(_)), "a hundred seats are free");
    }
    std::process::abort()
}
