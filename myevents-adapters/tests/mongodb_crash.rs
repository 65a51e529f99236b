//! Processes end at each crash point under load while another works on the same event, and the server itself is killed
//! and comes back: no accepted booking is lost, none is doubled, none oversold, each announced once.
//!
//! `MYEVENTS_SCALE=full` kills the server 50 times, else 10.
#![allow(clippy::print_stderr, reason = "a test tells what it counted")]

#[path = "mongodb/common.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use the rest of it")]
mod common;

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::*;
use myevents_adapters::mongodb::{CRASH_POINTS, MongoConfig, MongoStore};
use myevents_core::crash;
use myevents_core::domain::{BookingId, EventId, PersonLimits, UnixMillis};
use myevents_core::ports::{
    BookOptions, BookingFilter, BookingOwner, BookingRequest, Clock, DatabaseHandler, Outbox, Outcome,
    SystemClock,
};
use myevents_core::testkit::{fixture, is_full_scale};
use myevents_servers::{Kind, Server};

/// Which database a child works in; only a child has it.
const CHILD: &str = "MYEVENTS_TEST_DATABASE";
/// Which event it books.
const EVENT: &str = "MYEVENTS_TEST_EVENT";

/// What one person may have where limits are kept.
const LIMITS: PersonLimits = PersonLimits {
    seats: Some(6),
    bookings: None,
};

/// The leases of a dead process have ended by this clock.
#[derive(Debug)]
struct AnHourLater;

impl Clock for AnHourLater {
    fn now(&self) -> UnixMillis {
        SystemClock.now().plus(Duration::from_secs(3_600))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[test]
fn a_process_that_ends_at_any_point_loses_nothing() {
    const NAME: &str = "a_process_that_ends_at_any_point_loses_nothing";
    let Some(url) = server(NAME) else {
        return;
    };
    if let Ok(name) = std::env::var(CHILD) {
        let event = EventId::parse(&std::env::var(EVENT).unwrap()).unwrap();
        runtime().block_on(book_until_the_end(&url, &name, &event));
        return;
    }
    for point in CRASH_POINTS {
        for count in [1, 7] {
            let case = format!("{point}:{count}");
            let database = Database::new(&url);
            let runtime = runtime();
            let survivor = runtime.block_on(database.open_now());
            let event = runtime.block_on(bookable(&survivor, 1_000_000));
            let stop = Arc::new(AtomicBool::new(false));
            let beside = runtime.spawn(book_beside(survivor.clone(), event.clone(), Arc::clone(&stop)));
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", NAME, "--nocapture"])
                .env(CHILD, &database.name)
                .env(EVENT, event.to_string())
                .env(crash::ENVIRONMENT, &case)
                .output()
                .unwrap();
            stop.store(true, Ordering::SeqCst);
            let mut accepted = runtime.block_on(beside).unwrap();
            assert!(!output.status.success(), "{case} was never reached");
            let said = String::from_utf8(output.stdout).unwrap();
            let cancelled: HashSet<String> = lines(&said, "cancelled").collect();
            accepted.extend(lines(&said, "booked").filter(|id| !cancelled.contains(id)));
            runtime.block_on(async {
                survivor.close().await.unwrap();
                examine(&database, &event, &accepted, &cancelled, &case).await;
            });
        }
    }
}

fn lines<'a>(said: &'a str, what: &'a str) -> impl Iterator<Item = String> + 'a {
    let of = said.lines().filter_map(|line| line.split_once(' '));
    of.filter(move |(word, _)| *word == what)
        .map(|(_, id)| id.to_owned())
}

/// Of the wishes of one person, five, three are within the limit. There are so many people that both processes have some.
fn wish(event: &EventId, index: usize) -> BookingRequest {
    if index.is_multiple_of(3) {
        fixture::limited_request(event, 2, &format!("person {}", index / 15), LIMITS)
    } else {
        fixture::booking_request(event, 3)
    }
}

/// Books and cancels with eight callers, and says what was accepted, until the armed point ends the process.
async fn book_until_the_end(url: &str, database: &str, event: &EventId) {
    let config = MongoConfig::service(url, ROLE).database(database);
    let store = MongoStore::open(config, Arc::new(SystemClock)).await.unwrap();
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (store, event) = (store.clone(), event.clone());
            tokio::spawn(async move {
                for index in 0..100 {
                    let request = wish(&event, caller * 100 + index);
                    let outcome = book(&store, &request).await.unwrap().value;
                    if !matches!(outcome, Outcome::Booked(_)) {
                        continue;
                    }
                    say(&format!("booked {}", request.booking.id));
                    if index % 3 == 1 {
                        let cancel = fixture::cancel_request(&event, &request.booking.id);
                        // Said before: whether it was carried through is not known when the process ends here.
                        say(&format!("cancelled {}", request.booking.id));
                        store.cancel_booking(&cancel).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

/// Another process's instance, on the same event, all the while.
async fn book_beside(store: MongoStore, event: EventId, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut accepted = Vec::new();
    let mut index = 0;
    while !stop.load(Ordering::SeqCst) {
        index += 1;
        let request = wish(&event, index);
        if let Outcome::Booked(booking) = book(&store, &request).await.unwrap().value {
            accepted.push(booking.id.to_string());
        }
    }
    accepted
}

async fn examine(
    database: &Database,
    event: &EventId,
    accepted: &[String],
    perhaps_cancelled: &HashSet<String>,
    case: &str,
) {
    let store = database.open(Arc::new(AnHourLater)).await.unwrap();
    store.recover(Duration::ZERO).await.unwrap();
    let report = store.check_store().await.unwrap();
    assert!(report.is_sound(), "{case}: {report}");
    assert_eq!(pending(&store, event).await, 0, "{case}");
    let stored = all_bookings(&store, event).await;
    for id in accepted {
        let booking = stored.get(&BookingId::parse(id).unwrap());
        let booking = booking.unwrap_or_else(|| panic!("{case}: an accepted booking is lost"));
        assert_eq!(booking.state.as_str(), "confirmed", "{case}");
    }
    for id in perhaps_cancelled {
        assert!(
            stored.contains_key(&BookingId::parse(id).unwrap()),
            "{case}: an accepted booking is lost"
        );
    }
    let mut of_person: HashMap<String, u32> = HashMap::new();
    for booking in stored
        .values()
        .filter(|booking| booking.state.as_str() == "confirmed")
    {
        if let Some(person) = &booking.person {
            *of_person.entry(person.as_str().to_owned()).or_default() += booking.seats.get();
        }
    }
    assert!(
        of_person.values().all(|seats| *seats <= 6),
        "{case}: {of_person:?}"
    );
    announced_once(&store, &stored, case).await;
    // At rest nobody is refused below the limit.
    for (person, seats) in of_person {
        let rest = 6 - seats;
        if rest > 0 {
            let request = fixture::limited_request(event, rest, &person, LIMITS);
            let outcome = book(&store, &request).await.unwrap().value;
            assert!(
                matches!(outcome, Outcome::Booked(_)),
                "{case}: {rest} of {person}: {outcome:?}"
            );
        }
    }
}

async fn all_bookings(
    store: &MongoStore,
    event: &EventId,
) -> HashMap<BookingId, myevents_core::domain::Booking> {
    let filter = BookingFilter::all_of(BookingOwner::Event(event.clone()));
    let (mut stored, mut after) = (HashMap::new(), None);
    loop {
        let page = store.list_bookings(&filter, after.as_ref(), 500).await.unwrap();
        stored.extend(
            page.items
                .into_iter()
                .map(|booking| (booking.id.clone(), booking)),
        );
        after = page.next;
        if after.is_none() {
            return stored;
        }
    }
}

/// Each booking has its `event.booked` once, each cancelled one its `booking.cancelled` once, and nothing else is there.
async fn announced_once(
    store: &MongoStore,
    stored: &HashMap<BookingId, myevents_core::domain::Booking>,
    case: &str,
) {
    let mut told: HashMap<(String, String), usize> = HashMap::new();
    loop {
        let claim = store.claim(1_000, Duration::from_secs(60)).await.unwrap();
        if claim.rows.is_empty() {
            break;
        }
        for row in claim.rows {
            let message = row.envelope;
            *told
                .entry((message.key().to_owned(), message.name().as_str().to_owned()))
                .or_default() += 1;
        }
    }
    let expected = stored
        .values()
        .map(|booking| 1 + usize::from(booking.state.as_str() == "cancelled"));
    assert_eq!(
        told.len(),
        expected.sum::<usize>(),
        "{case}: a message is lost, or one too many"
    );
    assert!(
        told.values().all(|times| *times == 1),
        "{case}: a message is there twice"
    );
    assert!(
        stored
            .keys()
            .all(|id| told.contains_key(&(id.to_string(), "event.booked".to_owned()))),
        "{case}"
    );
}

#[test]
fn a_server_that_is_killed_and_comes_back_loses_nothing() {
    const NAME: &str = "a_server_that_is_killed_and_comes_back_loses_nothing";
    let Some(mut server) = Server::start_or_skip(NAME, Kind::Mongodb).unwrap() else {
        return;
    };
    let kills = if is_full_scale() { 50 } else { 10 };
    let runtime = runtime();
    let url = format!(
        "{}/?serverSelectionTimeoutMS=5000",
        server.url().trim_end_matches('/')
    );
    let database = Database::new(&url);
    let (store, event) = runtime.block_on(async {
        let store = database.open_now().await;
        let event = bookable(&store, 1_000_000).await;
        (store, event)
    });
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            runtime.spawn(book_through(store.clone(), event.clone(), stop, answered))
        })
        .collect();
    let (mut accepted, mut unknown) = (0, 0);
    for kill in 0..kills {
        // The driver looks for a server that was away only twice a second: each kill is to meet load.
        let (before, since) = (answered.load(Ordering::SeqCst), Instant::now());
        while answered.load(Ordering::SeqCst) < before + 20 {
            assert!(
                since.elapsed() < Duration::from_secs(60)
                    && !callers.iter().any(|caller| caller.is_finished()),
                "nobody books any more"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(13 * (kill % 7)));
        server.kill().unwrap();
        server.restart().unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    let mut booked = Vec::new();
    for caller in callers {
        let (mine, doubts) = runtime.block_on(caller).unwrap();
        accepted += mine.len();
        unknown += doubts;
        booked.extend(mine);
    }
    runtime.block_on(async {
        store.close().await.unwrap();
        examine(&database, &event, &booked, &HashSet::new(), "server").await;
        let store = database.open_now().await;
        let stored = all_bookings(&store, &event).await;
        // Every wish was asked for until it had its answer: none of them is there without one.
        let booked: HashSet<&String> = booked.iter().collect();
        let unasked = stored.keys().filter(|id| !booked.contains(&id.to_string()));
        assert_eq!(unasked.count(), 0, "a booking that nobody has an answer to");
    });
    eprintln!(
        "{kills} kills of the server: {accepted} bookings accepted, {unknown} answers were unknown and asked again"
    );
}

/// Books one wish after the other, each until it has a definite answer.
async fn book_through(
    store: MongoStore,
    event: EventId,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
) -> (Vec<String>, usize) {
    let (mut accepted, mut unknown) = (Vec::new(), 0);
    while !stop.load(Ordering::SeqCst) {
        let request = fixture::booking_request(&event, 2);
        loop {
            let wish = within(request.clone(), Duration::from_secs(4));
            let answer = store
                .book(&event, std::slice::from_ref(&wish), BookOptions::default())
                .await
                .remove(0);
            match answer {
                Ok(committed) => {
                    assert!(
                        matches!(committed.value, Outcome::Booked(_) | Outcome::Existing(_)),
                        "answered {:?}",
                        committed.value
                    );
                    accepted.push(request.booking.id.to_string());
                    answered.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                Err(error) => {
                    assert!(error.is_retryable(), "{error:?}");
                    unknown += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    (accepted, unknown)
}
