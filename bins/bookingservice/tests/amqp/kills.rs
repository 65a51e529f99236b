//! Services and broker are killed at random under load: every event becomes bookable, every accepted booking is announced.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Holder, Order, Outcome};
use loadtest::check::check;
use loadtest::http::{Connection, request};
use loadtest::service::{Service, event_body};
use loadtest::tally::{Accepted, Tally};
use myevents_servers::skip::full_scale;
use parking_lot::Mutex;

use crate::pair::{Pair, with};

/// What customers and organisers share.
struct Market {
    service: Service,
    /// Events that were created, with their ids; the first ones are booked on.
    events: Mutex<Vec<String>>,
    stop: AtomicBool,
    accepted: AtomicU64,
}

const CAPACITY: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(120);
/// Within this, from when the broker takes messages again and nobody is killed any more.
const AT_REST: Duration = Duration::from_secs(10);

/// A number that differs from round to round and is the same in every run.
fn scattered(round: u64, below: u64) -> u64 {
    (round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % below
}

/// Creates an event, repeating the request until it is answered: the key makes it one event.
async fn create(service: &Service, number: u64) -> String {
    let key = format!("an-organiser-of-this-test-{number}");
    let body = event_body(&format!("event {number}"), CAPACITY).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key.as_str()),
    ];
    let bytes = request("POST", "/events", &headers, body.as_bytes());
    let start = Instant::now();
    loop {
        if let Ok(mut connection) = Connection::open(service.events).await
            && let Ok(answer) = connection.send(&bytes).await
            && answer.status == 201
        {
            return answer.json().unwrap()["ID"].as_str().unwrap().to_owned();
        }
        assert!(start.elapsed() < PATIENCE, "event {number} is not created");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn organiser(market: Arc<Market>) {
    for number in 100.. {
        if market.stop.load(Ordering::Relaxed) {
            return;
        }
        let event = create(&market.service, number).await;
        market.events.lock().push(event);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Books on the first two events, and cancels every fifth booking.
async fn customer(market: Arc<Market>, number: u64) -> Tally {
    let mut booker = Booker::new(market.service.bookings);
    let mut tally = Tally::default();
    for turn in 0_u64.. {
        if market.stop.load(Ordering::Relaxed) {
            break;
        }
        let event = usize::try_from(turn % 2).unwrap();
        let order = Order {
            event: market.events.lock()[event].clone(),
            seats: u32::try_from(1 + (turn + number) % 4).unwrap(),
            key: format!("customer-{number:05}-{turn:010}"),
            holder: Holder::Nobody,
        };
        let deadline = Instant::now() + PATIENCE;
        match booker.book(&order, deadline).await {
            Outcome::Booked { id } => {
                let cancelled = turn % 5 == 4 && booker.cancel(&id, Instant::now() + PATIENCE).await;
                tally.accepted.push(Accepted {
                    event,
                    id,
                    seats: u64::from(order.seats),
                    cancelled,
                });
                market.accepted.fetch_add(1, Ordering::Relaxed);
            }
            other => panic!("an order ended with {other:?}"),
        }
        // The services share two cores with this and with the broker.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tally.retries = booker.retries;
    tally
}

async fn wait_accepted(market: &Market, more: u64) {
    let wanted = market.accepted.load(Ordering::Relaxed) + more;
    let start = Instant::now();
    while market.accepted.load(Ordering::Relaxed) < wanted {
        assert!(start.elapsed() < PATIENCE, "customers get no bookings any more");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "repeats are counted and shown")]
async fn kills_of_services_and_broker_lose_nothing() {
    let (kills, broker_kills) = if full_scale() { (50, 20) } else { (6, 2) };
    let Some(mut pair) = Pair::start("kills_of_services_and_broker_lose_nothing").await else {
        return;
    };
    let service = pair.service;
    let market = Arc::new(Market {
        service,
        events: Mutex::default(),
        stop: AtomicBool::new(false),
        accepted: AtomicU64::new(0),
    });
    for number in 0..2 {
        let event = create(&service, number).await;
        service.wait_bookable(&event, CAPACITY).await.unwrap();
        market.events.lock().push(event);
    }
    let customers: Vec<_> = (0..4)
        .map(|number| tokio::spawn(customer(Arc::clone(&market), number)))
        .collect();
    let organiser = tokio::spawn(organiser(Arc::clone(&market)));
    // RabbitMQ writes the directory of its quorum queues now and then only: one that is killed before it did does not find
    // a new queue's leader again.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let every = kills / broker_kills;
    for round in 0..kills {
        wait_accepted(&market, 5 + scattered(round, 40)).await;
        tokio::time::sleep(Duration::from_micros(scattered(round, 20_000))).await;
        if round % every == 0 {
            pair.server = with(pair.server, |server| {
                server.kill()?;
                server.restart()
            })
            .await;
            wait_accepted(&market, 5).await;
        }
        if scattered(round, 2) == 0 {
            pair.running_bookings.kill().unwrap();
            pair.running_bookings = pair.bookings.start_ready().await.unwrap();
        } else {
            pair.running_events.kill().unwrap();
            pair.running_events = pair.events.start_ready().await.unwrap();
        }
    }
    wait_accepted(&market, 20).await;
    market.stop.store(true, Ordering::Relaxed);
    let mut tally = Tally::default();
    for customer in customers {
        let one = customer.await.unwrap();
        tally.retries += one.retries;
        tally.accepted.extend(one.accepted);
    }
    organiser.await.unwrap();
    pair.broker_takes_messages().await;
    let rest = Instant::now();
    let events = market.events.lock().clone();
    for event in &events {
        let left = AT_REST.saturating_sub(rest.elapsed());
        let bookable = tokio::time::timeout(left, service.wait_bookable(event, CAPACITY)).await;
        assert!(
            matches!(bookable, Ok(Ok(()))),
            "{event} is not bookable {AT_REST:?} after rest: {bookable:?}"
        );
    }
    let all_bookable = rest.elapsed();
    let accepted: HashSet<String> = tally
        .accepted
        .iter()
        .map(|accepted| accepted.id.clone())
        .collect();
    loop {
        let missing = {
            let announced = pair.announced.lock();
            accepted.iter().filter(|id| !announced.contains_key(*id)).count()
        };
        if missing == 0 {
            break;
        }
        assert!(
            rest.elapsed() < AT_REST,
            "{missing} of {} bookings were not announced",
            accepted.len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let repeats: usize = pair.announced.lock().values().map(|times| times - 1).sum();
    println!(
        "{kills} kills of services and {broker_kills} of the broker: {} events bookable {:?} after rest, \
         {} bookings announced, loss 0, {repeats} repeats, {} requests repeated",
        events.len(),
        all_bookable,
        accepted.len(),
        tally.retries,
    );
    let findings = check(&service, &events[..2], &tally, AT_REST).await.unwrap();
    assert!(findings.faults.is_empty(), "{findings:?}");
    pair.running_events.stop().await.unwrap();
    pair.running_bookings.stop().await.unwrap();
}
