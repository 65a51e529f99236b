//! Services and broker are killed at random under load: every event becomes bookable, every accepted booking is announced
//! and handled once.

use std::time::{Duration, Instant};

use myevents_servers::skip::full_scale;
use myevents_servers::{Kind, Server};

use crate::common::{Stores, with};
use crate::market::{AT_REST, Market};
use crate::pair::{Pair, rabbitmq};

/// A number that differs from round to round and is the same in every run.
fn scattered(round: u64, below: u64) -> u64 {
    (round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % below
}

/// Two processes of each service on MongoDB, which they share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "repeats are counted and shown")]
async fn kills_of_services_and_broker_lose_nothing() {
    let _alone = crate::ALONE.lock().await;
    const TEST: &str = "kills_of_services_and_broker_lose_nothing";
    let (kills, broker_kills) = if full_scale() { (50, 20) } else { (8, 2) };
    let Some(server) = rabbitmq(TEST).await else {
        return;
    };
    let starting = || Server::start_or_skip(TEST, Kind::Mongodb).expect("MongoDB starts");
    let Some(mongodb) = tokio::task::spawn_blocking(starting).await.unwrap() else {
        return;
    };
    let begun = Instant::now();
    let mut pair = Pair::start(server, Stores::mongodb(mongodb.url()), 2).await;
    let services = (0..2).map(|number| pair.service(number)).collect();
    let market = Market::open(&pair, services, 4, Duration::from_millis(5)).await;
    pair.queues_have_settled().await;
    for round in 0..kills {
        market.wait_accepted(5 + scattered(round, 40)).await;
        tokio::time::sleep(Duration::from_micros(scattered(round, 20_000))).await;
        // Spread over the rounds: so many of them are multiples.
        if (round + 1) * broker_kills / kills > round * broker_kills / kills {
            pair.server = with(pair.server, |server| {
                server.kill()?;
                server.restart()
            })
            .await;
            market.wait_accepted(5).await;
        }
        let victim = usize::try_from(scattered(round, 4)).unwrap();
        let victims = if victim < 2 {
            &mut pair.bookings
        } else {
            &mut pair.events
        };
        victims[victim % 2].kill_and_start().await;
    }
    market.wait_accepted(20).await;
    let counts = market.close(&pair, AT_REST).await;
    println!(
        "2 + 2 processes, {kills} kills of services and {broker_kills} of the broker in {:?}: {} events bookable {:?} after \
         rest, {} bookings announced and handled once, loss 0, {} announcements came again, {} requests repeated",
        begun.elapsed(),
        counts.events,
        counts.all_bookable,
        counts.bookings,
        counts.repeats,
        counts.requests_repeated,
    );
    pair.stop().await;
    drop(mongodb);
}
