//! The broker away for long under load: bookings go on in bounded memory, nothing is lost, duplicates are counted.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loadtest::booker::Booker;
use myevents_servers::skip::full_scale;

use crate::common::with;
use crate::pair::{Pair, book, until};

const CUSTOMERS: u64 = 4;
/// More than what waits at the broker's door, and far less than the messages of an outage would be.
const MOST_GROWTH: u64 = 128 << 20;

#[allow(clippy::print_stdout, reason = "duplicates are counted and shown")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_for_long_under_load_loses_nothing() {
    const TEST: &str = "a_broker_that_is_away_for_long_under_load_loses_nothing";
    let Some(mut pair) = Pair::start(TEST).await else {
        return;
    };
    let away = Duration::from_secs(if full_scale() { 60 } else { 15 });
    let service = pair.service;
    let event = service.new_event("an evening", 10_000_000).await.unwrap();
    let announced = pair.audit().await;
    let (stop, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let customers: Vec<_> = (0..CUSTOMERS)
        .map(|_| {
            let (stop, number, event) = (Arc::clone(&stop), Arc::clone(&number), event.clone());
            tokio::spawn(async move {
                let (mut booker, mut accepted) = (Booker::new(service.bookings), Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    accepted.push(book(&mut booker, &event, 1, number).await);
                    // A crowd, not a benchmark: the machine has other things to do.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                accepted
            })
        })
        .collect();
    until("bookings before", Duration::from_secs(120), || async {
        announced.lock().len() > 50
    })
    .await;
    let before = pair.running_bookings.resident_bytes().unwrap();
    pair.server = with(pair.server, |server| server.kill()).await;
    let gone = Instant::now();
    pair.both_say("away").await;
    let mut most = before;
    while gone.elapsed() < away {
        most = most.max(pair.running_bookings.resident_bytes().unwrap());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let meanwhile = number.load(Ordering::Relaxed);
    pair.server = with(pair.server, |server| server.restart()).await;
    let back = Instant::now();
    pair.both_say("connected").await;
    stop.store(true, Ordering::Relaxed);
    let mut accepted = HashSet::new();
    for customer in customers {
        accepted.extend(customer.await.unwrap());
    }
    until("every announcement", Duration::from_secs(120), || async {
        announced.lock().len() >= accepted.len()
    })
    .await;
    let drained = back.elapsed();
    service.wait_outbox_empty(Duration::from_secs(120)).await.unwrap();
    let heard: HashSet<String> = announced.lock().keys().cloned().collect();
    assert_eq!(heard, accepted, "announced is what was accepted");
    assert!(
        most < before + MOST_GROWTH,
        "it grew from {before} to {most} bytes while the broker was away"
    );
    let repeats: usize = announced.lock().values().map(|times| times - 1).sum();
    println!(
        "away for {} s: {} bookings, 0 lost, {repeats} announced again, {meanwhile} asked for before it was back, all told {} ms after, memory {} -> {} MiB",
        away.as_secs(),
        accepted.len(),
        drained.as_millis(),
        before >> 20,
        most >> 20,
    );
    pair.stop().await;
}
