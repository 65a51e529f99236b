//! The broker is not there at the start, and is away for long under load: customers notice nothing, `/readyz` tells, memory
//! stays bounded, nothing is lost.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loadtest::service::{Service, ask};
use myevents_servers::Server;
use myevents_servers::skip::full_scale;

use crate::common::{Stores, with};
use crate::market::{CAPACITY, Market, create};
use crate::pair::{Pair, rabbitmq};

/// The most that a service may grow by while the broker is away: what waits is in its file.
const GROWTH: u64 = 32 << 20;

/// What `/readyz` says of the broker, with the status that it must not change.
pub(crate) async fn broker_state(address: SocketAddr) -> String {
    let answer = ask(address, "GET", "/readyz", None).await.unwrap();
    assert_eq!(answer.status, 200, "bookings go on without the broker");
    answer.json().unwrap()["broker"].as_str().unwrap().to_owned()
}

/// Waits until both services say so of the broker.
pub(crate) async fn until_broker_is(service: Service, state: &str) {
    for address in [service.events, service.bookings] {
        let start = Instant::now();
        while broker_state(address).await != state {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "{address} does not say that the broker is {state}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn memory(pair: &Pair) -> [u64; 2] {
    [&pair.events[0], &pair.bookings[0]].map(|process| process.running.resident_bytes().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "what it came to is shown")]
async fn a_broker_that_is_away_delays_announcements_and_nothing_else() {
    let _alone = crate::ALONE.lock().await;
    let Some(server) = rabbitmq("a_broker_that_is_away_delays_announcements_and_nothing_else").await else {
        return;
    };
    let away = Duration::from_secs(if full_scale() { 60 } else { 8 });
    let server = with(server, Server::stop).await;
    let mut pair = Pair::start(server, Stores::sqlite(), 1).await;
    let service = pair.service(0);
    until_broker_is(service, "away").await;
    let event = create(&[service.events], 7).await;
    pair.server = with(pair.server, Server::restart).await;
    service.wait_bookable(&event, CAPACITY).await.unwrap();
    until_broker_is(service, "connected").await;

    let market = Market::open(&pair, vec![service], 16, Duration::from_millis(1)).await;
    market.wait_accepted(500).await;
    pair.queues_have_settled().await;
    let before = memory(&pair);
    pair.server = with(pair.server, Server::kill).await;
    let (gone, accepted) = (Instant::now(), market.accepted());
    until_broker_is(service, "away").await;
    tokio::time::sleep(away.saturating_sub(gone.elapsed())).await;
    let (meanwhile, after) = (market.accepted() - accepted, memory(&pair));
    assert!(meanwhile > 100, "customers noticed: {meanwhile} bookings");
    pair.server = with(pair.server, Server::restart).await;
    until_broker_is(service, "connected").await;
    market.wait_accepted(100).await;
    // What waited is told in no longer than it was away.
    let counts = market.close(&pair, away).await;
    let mebibytes = |bytes: [u64; 2]| bytes.map(|bytes| bytes >> 20);
    println!(
        "broker away for {away:?}: {meanwhile} bookings meanwhile, memory of the services {:?} MiB before and {:?} MiB after, \
         {} events bookable {:?} after rest, {} bookings announced and handled once, loss 0, {} announcements came again",
        mebibytes(before),
        mebibytes(after),
        counts.events,
        counts.all_bookable,
        counts.bookings,
        counts.repeats,
    );
    for (before, after) in before.into_iter().zip(after) {
        assert!(after < before + GROWTH, "memory grew from {before} to {after}");
    }
    pair.stop().await;
}
