//! The real program is killed, stopped and started again while customers book: nothing acknowledged is lost, doubled or oversold.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stderr, reason = "a test tells what it counted")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Order, Outcome};
use loadtest::check::check;
use loadtest::program::{Program, Running};
use loadtest::service::{ask, event_body, next_page};
use loadtest::tally::{Accepted, Tally};
use serde_json::json;

use crate::common::{Place, addresses, new_event, scattered, start_all, stop_all};

on_every_store! {
    kills_under_load_lose_double_and_oversell_nothing
    sigterm_under_load_answers_every_booking_it_stored_and_exits_0
}

/// What all customers of a test share.
#[derive(Debug)]
struct Market {
    programs: Vec<Program>,
    events: Vec<String>,
    stop: AtomicBool,
    accepted: AtomicU64,
}

impl Market {
    async fn open(programs: Vec<Program>, capacities: &[u64]) -> Arc<Self> {
        let mut events = Vec::new();
        for capacity in capacities {
            let body = event_body(&format!("{capacity} seats"), *capacity);
            events.push(new_event(&programs, &body, *capacity).await);
        }
        Arc::new(Self {
            programs,
            events,
            stop: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
        })
    }

    /// Waits until this many more bookings were accepted.
    async fn wait_accepted(&self, more: u64) {
        let wanted = self.accepted.load(Ordering::Relaxed) + more;
        let start = Instant::now();
        while self.accepted.load(Ordering::Relaxed) < wanted {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "customers get no bookings any more"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Books one order after another, repeating each until its outcome is known, at another process when one breaks off;
/// cancels every fifth booking.
async fn customer(market: Arc<Market>, number: u64) -> Tally {
    let mut booker = Booker::among(addresses(&market.programs, usize::try_from(number).unwrap()));
    let mut tally = Tally::default();
    for turn in 0_u64.. {
        if market.stop.load(Ordering::Relaxed) {
            break;
        }
        let event = usize::try_from(turn).unwrap() % market.events.len();
        let seats = u32::try_from(1 + (turn + number) % 4).unwrap();
        let order = Order {
            event: market.events[event].clone(),
            seats,
            key: format!("customer-{number:05}-{turn:010}"),
            ..Order::default()
        };
        let start = Instant::now();
        match booker.book(&order, start + Duration::from_secs(60)).await {
            Outcome::Booked { id } => {
                let cancelled =
                    turn % 5 == 4 && booker.cancel(&id, Instant::now() + Duration::from_secs(60)).await;
                tally.accepted.push(Accepted {
                    event,
                    id,
                    seats: u64::from(seats),
                    cancelled,
                });
                tally.note("booked", start.elapsed());
                market.accepted.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Refused { status: 409, .. } => tally.note("sold out", start.elapsed()),
            other => panic!("an order ended with {other:?}"),
        }
    }
    tally.retries = booker.retries;
    tally
}

/// Places that the organiser changes in turn.
const LOCATIONS: usize = 8;

/// Changes one location after another while customers book, each change repeated until it is acknowledged, at another
/// process when one breaks off. Answers how often each was changed.
async fn organiser(market: Arc<Market>) -> Vec<(String, u64)> {
    let addresses = addresses(&market.programs, 0);
    let mut locations: Vec<(String, u64)> = (0..LOCATIONS)
        .map(|number| (format!("{:024x}", 0xace0_0000_u64 + number as u64), 0))
        .collect();
    for turn in 0.. {
        // Paced by the customers, so that it is the bookings that fill the stores.
        let wanted = market.accepted.load(Ordering::Relaxed) + 5;
        while market.accepted.load(Ordering::Relaxed) < wanted {
            if market.stop.load(Ordering::Relaxed) {
                return locations;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (id, changes) = &mut locations[turn % LOCATIONS];
        let path = format!("/locations/{id}");
        let body = json!({ "name": format!("name {turn}") });
        let start = Instant::now();
        for address in addresses.iter().cycle() {
            match ask(*address, "PUT", &path, Some(&body)).await {
                Ok(answer) if matches!(answer.status, 200 | 201) => break,
                Ok(answer) if answer.status != 503 => panic!("a change was answered {}", answer.status),
                _ => assert!(
                    start.elapsed() < Duration::from_secs(60),
                    "no process takes a change of a location any more"
                ),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        *changes += 1;
    }
    locations
}

/// Each acknowledged change has its line in the audit log, once, and there are no others.
async fn audited(market: &Market, locations: &[(String, u64)]) -> u64 {
    let address = market.programs[0].service.events;
    for (id, changes) in locations {
        let mut versions = Vec::new();
        let mut next = Some(format!("/events/audit?object={id}&limit=500"));
        while let Some(path) = next {
            let page = ask(address, "GET", &path, None).await.unwrap();
            assert_eq!(page.status, 200, "{path}");
            let lines = page.json().unwrap();
            let lines = lines.as_array().unwrap().iter();
            versions.extend(lines.map(|line| line["Version"].as_u64().unwrap()));
            next = page.header("link").and_then(next_page);
        }
        versions.sort_unstable();
        assert!(
            versions.iter().copied().eq(1..=*changes),
            "{changes} changes of a location were acknowledged, the audit log has those to the versions {versions:?}"
        );
    }
    locations.iter().map(|(_, changes)| changes).sum()
}

async fn kills_under_load_lose_double_and_oversell_nothing(place: Place) {
    let kills = place.kills();
    let programs = place.programs(2);
    let mut running = start_all(&programs).await;
    // One event has seats for all, the other sells out: there a seat given twice would show.
    let market = Market::open(programs, &[2_000_000, 300]).await;
    let customers: Vec<_> = (0..16)
        .map(|number| tokio::spawn(customer(Arc::clone(&market), number)))
        .collect();

    let organiser = tokio::spawn(organiser(Arc::clone(&market)));

    let began = Instant::now();
    for round in 0..kills {
        market.wait_accepted(1 + scattered(round, 40)).await;
        tokio::time::sleep(Duration::from_micros(scattered(round, 20_000))).await;
        let victim = usize::try_from(round).unwrap() % running.len();
        running[victim].kill().unwrap();
        running[victim] = market.programs[victim].start_ready().await.unwrap();
    }
    // The last start is this one: from here the outbox's time runs, with customers still at work for the first of them.
    let last_start = Instant::now();
    market.wait_accepted(10).await;
    market.stop.store(true, Ordering::Relaxed);
    let tally = gather(customers).await;
    let changes = audited(&market, &organiser.await.unwrap()).await;
    assert!(changes > 0, "no location was changed");
    let left = place.outbox_patience().saturating_sub(last_start.elapsed());
    let findings = check(&market.programs[0].service, &market.events, &tally, left)
        .await
        .unwrap();
    let logs: Vec<_> = running.iter().map(Running::log).collect();
    assert!(
        findings.faults.is_empty(),
        "{:#?}\n{}",
        findings.faults,
        logs.join("\n")
    );
    assert_eq!(findings.confirmed, findings.counted);
    assert!(tally.accepted.len() as u64 > kills, "the kills met no load");
    assert!(tally.retries > 0, "no kill met an open request");
    eprintln!(
        "{kills} kills in {:?}: {changes} changes audited; {} bookings accepted, {} asked again; seats confirmed {}, sold {}, known to customers {}; outbox empty after {:?}",
        began.elapsed(),
        tally.accepted.len(),
        tally.retries,
        findings.confirmed,
        findings.sold,
        findings.counted,
        findings.outbox_empty_after,
    );
    let (found, dead) = market.programs[0].command(&["dead-letters", "list"]).unwrap();
    assert!(
        found && !dead.contains("event.booked"),
        "messages were given up: {dead}"
    );
    stop_all(running).await;
}

async fn gather(customers: Vec<tokio::task::JoinHandle<Tally>>) -> Tally {
    let mut all = Tally::default();
    for customer in customers {
        all.add(customer.await.unwrap());
    }
    all
}

/// Sends each order once; an answer that does not come is noted, and not asked for again.
async fn impatient_customer(market: Arc<Market>, number: u64) -> Tally {
    let mut booker = Booker::new(market.programs[0].service.bookings);
    let mut tally = Tally::default();
    for turn in 0_u64.. {
        let order = Order {
            event: market.events[0].clone(),
            seats: 1,
            key: format!("impatient-{number:05}-{turn:010}"),
            ..Order::default()
        };
        let start = Instant::now();
        match booker.book(&order, start).await {
            Outcome::Booked { id } => {
                tally.accepted.push(Accepted {
                    event: 0,
                    id,
                    seats: 1,
                    cancelled: false,
                });
                tally.note("booked", start.elapsed());
                market.accepted.fetch_add(1, Ordering::Relaxed);
            }
            other => {
                // Too busy for a moment: nothing was stored. A program that stops refuses the connection.
                let busy = matches!(&other, Outcome::Unknown { last } if last.starts_with("503"));
                tally.note(&format!("{other:?}"), start.elapsed());
                if !busy {
                    break;
                }
            }
        }
    }
    tally
}

async fn sigterm_under_load_answers_every_booking_it_stored_and_exits_0(place: Place) {
    let program = place.program();
    let mut running = program.start_ready().await.unwrap();
    let market = Market::open(vec![program], &[2_000_000]).await;
    let customers: Vec<_> = (0..32)
        .map(|number| tokio::spawn(impatient_customer(Arc::clone(&market), number)))
        .collect();
    market.wait_accepted(200).await;

    running.terminate().unwrap();
    let status = running.wait(Duration::from_secs(20)).await.unwrap();
    assert!(status.success(), "{status}\n{}", running.log());
    let mut tally = gather(customers).await;

    let running = market.programs[0].start_ready().await.unwrap();
    // No outcome is allowed to be unknown here: a stored booking that nobody was told of is a request cut short.
    tally.outcomes.clear();
    let service = &market.programs[0].service;
    let findings = check(service, &market.events, &tally, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
    assert!(findings.counted >= 200);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_sigterm_stops_at_once() {
    let place = Place::sqlite();
    let program = place.program();
    let mut running = program.start_ready().await.unwrap();
    // A request whose body never comes keeps the first stop waiting.
    let mut half = loadtest::http::Connection::open(program.service.bookings)
        .await
        .unwrap();
    let head =
        b"POST /users HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(half.stream(), head)
        .await
        .unwrap();
    // `100 Continue`: it is being read.
    let mut going_on = [0; 25];
    tokio::io::AsyncReadExt::read_exact(half.stream(), &mut going_on)
        .await
        .unwrap();

    running.terminate().unwrap();
    wait_not_ready(&program, &mut running).await;
    let second = Instant::now();
    running.terminate().unwrap();
    running.wait(Duration::from_secs(12)).await.unwrap();
    assert!(
        second.elapsed() < Duration::from_secs(12),
        "the second SIGTERM took {:?}",
        second.elapsed()
    );
}

/// Waits until the service has taken note of the signal; it must still be alive then, as a request is open.
async fn wait_not_ready(program: &Program, running: &mut Running) {
    let start = Instant::now();
    while program.service.wait_ready(Duration::ZERO).await.is_ok() {
        assert!(
            start.elapsed() < Duration::from_secs(12),
            "SIGTERM is not noticed:\n{}",
            running.log()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        running.wait(Duration::ZERO).await.is_err(),
        "it stopped with a request open"
    );
}
