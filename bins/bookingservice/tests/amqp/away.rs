//! The broker is not there at the start, and is away for long under load: customers notice nothing, `/readyz` tells, memory
//! stays bounded, nothing is lost.

use std::time::{Duration, Instant};

use myevents_servers::Server;
use myevents_servers::skip::full_scale;

use crate::common::{Stores, with};
use crate::market::{CAPACITY, Market, create};
use crate::pair::{Pair, rabbitmq};

/// The most that a service may grow by while the broker is away: what waits is in its file.
const GROWTH: u64 = 32 << 20;

/// How soon both services say how the broker is.
pub(crate) const NOTICED: Duration = Duration::from_secs(120);

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
    service.wait_broker("away", NOTICED).await.unwrap();
    let event = create(&[service.events], 7).await;
    pair.server = with(pair.server, Server::restart).await;
    service.wait_bookable(&event, CAPACITY).await.unwrap();
    service.wait_broker("connected", NOTICED).await.unwrap();

    let market = Market::open(&pair, vec![service], 16, Duration::from_millis(1)).await;
    market.wait_accepted(500).await;
    pair.queues_have_settled().await;
    let before = memory(&pair);
    pair.server = with(pair.server, Server::kill).await;
    let (gone, accepted) = (Instant::now(), market.accepted());
    service.wait_broker("away", NOTICED).await.unwrap();
    tokio::time::sleep(away.saturating_sub(gone.elapsed())).await;
    let (meanwhile, after) = (market.accepted() - accepted, memory(&pair));
    assert!(meanwhile > 100, "customers noticed: {meanwhile} bookings");
    pair.server = with(pair.server, Server::restart).await;
    service.wait_broker("connected", NOTICED).await.unwrap();
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
