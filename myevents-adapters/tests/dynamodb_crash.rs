//! Processes end at each crash point under load and at random, and the server is stopped under load: no accepted booking and no
//! message is lost, none is there twice.
#![allow(clippy::print_stderr, reason = "a test tells what it counted")]

#[path = "dynamodb/bed.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use the rest of it")]
mod bed;
#[path = "dynamodb/server.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use the rest of it")]
mod server;
#[path = "dynamodb/values.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use the rest of it")]
mod values;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use myevents_adapters::dynamodb::{CRASH_POINTS, DynamoStore};
use myevents_core::crash;
use myevents_core::domain::{BookingId, BookingState, EventId, UnixMillis};
use myevents_core::ports::{
    BookOptions, BookingFilter, BookingOwner, CancelOutcome, Clock, DatabaseHandler, Outbox, Outcome,
    SystemClock,
};
use myevents_core::testkit::{fixture, store::is_full_scale};

use bed::{client, fresh_prefix, open, options};
use values::{at_rest, bookable};

/// What a child works on: `endpoint prefix event`. Only a child has it.
const CHILD: &str = "MYEVENTS_TEST_STORE";

/// The seats of the events; more than any run books.
const CAPACITY: u64 = 1_000_000;

/// Sees every lease of the past as ended.
#[derive(Debug)]
struct Later;

impl Clock for Later {
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

/// What the first digit of an id decides: a quarter is cancelled, half of the messages are confirmed.
fn digit(id: &str) -> u8 {
    u8::from_str_radix(&id[..1], 16).unwrap()
}

/// Books, cancels and confirms with eight callers, and says what was answered, until the process ends.
async fn work_until_the_end(place: &str) {
    let mut parts = place.split(' ').map(str::to_owned);
    let (endpoint, prefix, event) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    let store = open(&endpoint, &prefix).await;
    let event = EventId::parse(&event).unwrap();
    let callers = (0..8).map(|_| {
        let (store, event) = (store.clone(), event.clone());
        tokio::spawn(async move {
            for _ in 0..500 {
                work_once(&store, &event).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

async fn work_once(store: &DynamoStore, event: &EventId) {
    let request = fixture::booking_request(event, 3);
    let id = request.booking.id.to_string();
    let rows = values::booked(store, &request).await;
    say(&format!("booked {id}"));
    if digit(&id).is_multiple_of(2) {
        store.confirm(&rows).await.unwrap();
        say(&format!("confirmed {id}"));
    }
    if digit(&id) < 4 {
        let cancel = fixture::cancel_request(event, &request.booking.id);
        let committed = store.cancel_booking(&cancel).await.unwrap();
        assert!(matches!(committed.value, CancelOutcome::Cancelled(_)));
        say(&format!("cancelled {id}"));
    }
}

fn child(test: &str, place: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, place)
        .env_remove(crash::ENVIRONMENT)
        .stdout(Stdio::piped());
    command
}

/// Whether this process is a child; it has done its work then.
fn is_child() -> bool {
    let Ok(place) = std::env::var(CHILD) else {
        return false;
    };
    runtime().block_on(work_until_the_end(&place));
    true
}

async fn new_event(endpoint: &str, prefix: &str) -> EventId {
    let store = open(endpoint, prefix).await;
    let event = bookable(&store, Some(CAPACITY)).await;
    store.close().await.unwrap();
    event
}

#[test]
fn a_crash_loses_no_accepted_booking_and_no_message() {
    if is_child() {
        return;
    }
    let name = "a_crash_loses_no_accepted_booking_and_no_message";
    let Some(server) = server::start_blocking(name) else {
        return;
    };
    for point in CRASH_POINTS {
        for count in [1, 4, 40] {
            let prefix = fresh_prefix();
            let event = runtime().block_on(new_event(server.url(), &prefix));
            let place = format!("{} {prefix} {event}", server.url());
            let output = child(name, &place)
                .env(crash::ENVIRONMENT, format!("{point}:{count}"))
                .stderr(Stdio::null())
                .output()
                .unwrap();
            assert!(!output.status.success(), "{point}:{count} was never reached");
            let said = String::from_utf8(output.stdout).unwrap();
            let lines = said.lines().map(str::to_owned).collect();
            runtime().block_on(examine(
                server.url(),
                &prefix,
                &event,
                lines,
                &format!("{point}:{count}"),
            ));
        }
    }
}

#[test]
fn of_two_processes_one_is_killed_again_and_again() {
    if is_child() {
        return;
    }
    let name = "of_two_processes_one_is_killed_again_and_again";
    let Some(server) = server::start_blocking(name) else {
        return;
    };
    let kills = if is_full_scale() { 50 } else { 10 };
    let prefix = fresh_prefix();
    let event = runtime().block_on(new_event(server.url(), &prefix));
    let place = format!("{} {prefix} {event}", server.url());
    let mut stays = child(name, &place).spawn().unwrap();
    let heard = {
        let out = BufReader::new(stays.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).collect::<Vec<_>>())
    };
    let mut lines = Vec::new();
    for kill in 0..kills {
        let mut dies = child(name, &place).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(dies.stdout.take().unwrap()).lines();
        // After some answers, at no particular moment.
        let answers = 3 + (kill * 7) % 20;
        let mut answered = 0;
        while answered < answers {
            let Some(Ok(line)) = out.next() else { break };
            answered += usize::from(line.starts_with("booked "));
            lines.push(line);
        }
        dies.kill().unwrap();
        dies.wait().unwrap();
        lines.extend(out.map_while(Result::ok));
    }
    stays.kill().unwrap();
    stays.wait().unwrap();
    lines.extend(heard.join().unwrap());
    let case = format!("{kills} kills of one of two processes");
    runtime().block_on(examine(server.url(), &prefix, &event, lines, &case));
}

/// A fresh instance finds all that was said, and every message that was not confirmed.
async fn examine(endpoint: &str, prefix: &str, event: &EventId, said: Vec<String>, case: &str) {
    let store = bed::open_with(&client(endpoint), options(prefix), Arc::new(Later)).await;
    let mut lines: HashMap<String, HashSet<String>> = HashMap::new();
    for (what, which) in said.iter().filter_map(|line| line.split_once(' ')) {
        lines.entry(what.to_owned()).or_default().insert(which.to_owned());
    }
    let none = HashSet::new();
    let of = |what: &str| lines.get(what).unwrap_or(&none);
    let mut gone = 0;
    for id in of("late") {
        let found = store.find_booking(&BookingId::parse(id).unwrap()).await.unwrap();
        gone += usize::from(found.is_none());
    }
    for id in of("booked") {
        let found = store.find_booking(&BookingId::parse(id).unwrap()).await.unwrap();
        let found = found.unwrap_or_else(|| panic!("{case}: an accepted booking is lost"));
        assert!(
            found.state == BookingState::Cancelled || !of("cancelled").contains(id),
            "{case}: an accepted cancel is lost"
        );
    }
    let (sold, left) = at_rest(&store, event).await;
    assert_eq!(
        left.map(|left| left + sold),
        i64::try_from(CAPACITY).ok(),
        "{case}"
    );
    let filter = BookingFilter::all_of(BookingOwner::Event(event.clone()));
    let stored = store.list_bookings(&filter, None, 100_000).await.unwrap().items;
    assert!(stored.len() >= of("booked").len(), "{case}");
    let mut waiting: HashMap<(String, String), usize> = HashMap::new();
    loop {
        let claim = store.claim(1_000, Duration::from_secs(600)).await.unwrap();
        if claim.rows.is_empty() {
            break;
        }
        for row in claim.rows {
            let message = (
                row.envelope.name().as_str().to_owned(),
                row.envelope.key().to_owned(),
            );
            *waiting.entry(message).or_default() += 1;
        }
    }
    assert!(
        waiting.values().all(|times| *times == 1),
        "{case}: a message is there twice"
    );
    for booking in &stored {
        let id = booking.id.to_string();
        let waits = |name: &str| waiting.contains_key(&(name.to_owned(), id.clone()));
        // The process may have ended between a confirm and saying so.
        let may_be_confirmed = digit(&id).is_multiple_of(2);
        assert!(
            waits("event.booked") || may_be_confirmed,
            "{case}: the announcement of a booking is lost"
        );
        assert_eq!(
            waits("booking.cancelled"),
            booking.state == BookingState::Cancelled,
            "{case}: a cancel and its announcement disagree"
        );
    }
    eprintln!(
        "{case}: {} bookings accepted, {gone} more whose transaction DynamoDB Local lost as it ended, {} stored, {sold} seats sold, \
         {} messages wait, each once",
        of("booked").len(),
        stored.len(),
        waiting.len()
    );
    store.close().await.unwrap();
}

/// DynamoDB Local answers a transaction before it is on its disk; one that it answered in the moment before its end may be
/// gone as a whole, also where it is stopped and not killed.
const JUST_BEFORE: Duration = Duration::from_millis(50);

#[test]
fn the_server_is_stopped_and_started_under_load() {
    let name = "the_server_is_stopped_and_started_under_load";
    let Some(mut server) = server::start_blocking(name) else {
        return;
    };
    let stops = if is_full_scale() { 50 } else { 10 };
    let (runtime, prefix) = (runtime(), fresh_prefix());
    let endpoint = server.url().to_owned();
    let store = runtime.block_on(open(&endpoint, &prefix));
    let event = runtime.block_on(bookable(&store, Some(CAPACITY)));
    let accepted = Arc::new(AtomicU64::new(0));
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (store, event) = (store.clone(), event.clone());
            let (accepted, over) = (Arc::clone(&accepted), Arc::clone(&over));
            runtime.spawn(async move {
                let mut booked = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    let id = book_patiently(&store, &event).await;
                    booked.push((id, Instant::now()));
                    accepted.fetch_add(1, Ordering::SeqCst);
                }
                booked
            })
        })
        .collect();
    let mut ends = Vec::new();
    for _ in 0..stops {
        let before = accepted.load(Ordering::SeqCst);
        while accepted.load(Ordering::SeqCst) < before + 20 {
            std::thread::sleep(Duration::from_millis(2));
        }
        let told = Instant::now();
        server.server().stop().unwrap();
        ends.push(told.checked_sub(JUST_BEFORE).unwrap()..Instant::now());
        server.server().restart().unwrap();
    }
    over.store(true, Ordering::SeqCst);
    let lines = runtime.block_on(async {
        let mut lines = Vec::new();
        for caller in callers {
            let booked = caller.await.unwrap();
            lines.extend(booked.into_iter().map(|(id, at)| {
                let ended = ends.iter().any(|end| end.contains(&at));
                let what = if ended { "late" } else { "booked" };
                format!("{what} {id}")
            }));
        }
        lines
    });
    let case = format!("{stops} stops of the server");
    runtime.block_on(examine(&endpoint, &prefix, &event, lines, &case));
}

/// Asks again by the same id until it is booked.
async fn book_patiently(store: &DynamoStore, event: &EventId) -> BookingId {
    let request = fixture::booking_request(event, 2);
    loop {
        let answer = store
            .book(event, std::slice::from_ref(&request), BookOptions::default())
            .await
            .remove(0);
        match answer {
            Ok(committed) => match committed.value {
                Outcome::Booked(booking) | Outcome::Existing(booking) => return booking.id,
                other => panic!("answered {other:?}"),
            },
            Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("answered {error}"),
        }
    }
}
