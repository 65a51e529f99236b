//! Two processes of each service behind nginx, on MongoDB: replaced in turn under load nobody notices, and of one that is
//! killed only the requests fail that it was working on.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loadtest::service::Service;
use myevents_servers::skip::full_scale;
use myevents_servers::{Kind, Server};

use crate::common::{Process, Stores};
use crate::market::{AT_REST, Market};
use crate::nginx::{Nginx, Told};
use crate::pair::{Pair, rabbitmq};

const CUSTOMERS: usize = 4;

/// The services, and what they stand on.
struct Site {
    nginx: Nginx,
    pair: Pair,
    _mongodb: Server,
}

impl Site {
    async fn start(test: &'static str) -> Option<Self> {
        let server = rabbitmq(test).await?;
        let starting = move || Server::start_or_skip(test, Kind::Mongodb).expect("MongoDB starts");
        let mongodb = tokio::task::spawn_blocking(starting).await.unwrap()?;
        let pair = Pair::start(server, Stores::mongodb(mongodb.url()), 2).await;
        let addresses =
            |processes: &[Process]| processes.iter().map(|process| process.single.address).collect();
        let nginx = Nginx::start(test, addresses(&pair.events), addresses(&pair.bookings)).await?;
        Some(Self {
            nginx,
            pair,
            _mongodb: mongodb,
        })
    }

    /// Customers and an organiser, who know nginx only.
    async fn open(&self) -> Market {
        let service = Service {
            events: self.nginx.address,
            bookings: self.nginx.address,
            metrics: Some(self.pair.bookings[0].single.metrics),
        };
        Market::open(&self.pair, vec![service], CUSTOMERS, Duration::from_millis(5)).await
    }

    /// The first two are event services.
    fn process(&mut self, number: usize) -> &mut Process {
        let processes = if number < 2 {
            &mut self.pair.events
        } else {
            &mut self.pair.bookings
        };
        &mut processes[number % 2]
    }

    fn failed(&self) -> Vec<Told> {
        self.nginx.told().into_iter().filter(Told::failed).collect()
    }

    async fn stop(self) {
        drop(self.nginx);
        self.pair.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "what it came to is shown")]
async fn replacing_every_process_fails_no_request() {
    let _alone = crate::ALONE.lock().await;
    let Some(mut site) = Site::start("replacing_every_process_fails_no_request").await else {
        return;
    };
    let begun = Instant::now();
    let market = site.open().await;
    for _ in 0..5 {
        for number in 0..4 {
            let address = site.process(number).single.address;
            site.nginx.without(Some(address)).await;
            site.process(number).replace().await;
            site.nginx.without(None).await;
            market.wait_accepted(20).await;
        }
    }
    let counts = market.close(&site.pair, AT_REST).await;
    assert_eq!(site.failed(), []);
    assert_eq!(counts.requests_repeated, 0, "nobody had to repeat anything");
    println!(
        "2 + 2 processes behind nginx, each replaced 5 times in {:?}: {} requests, 0 failed; {} bookings announced and handled \
         once, loss 0, {} announcements came again",
        begun.elapsed(),
        site.nginx.told().len(),
        counts.bookings,
        counts.repeats,
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "what it came to is shown")]
async fn a_killed_process_fails_only_what_it_was_working_on() {
    let _alone = crate::ALONE.lock().await;
    let Some(mut site) = Site::start("a_killed_process_fails_only_what_it_was_working_on").await else {
        return;
    };
    let kills = if full_scale() { 40 } else { 8 };
    let begun = Instant::now();
    let market = site.open().await;
    let mut seen = 0;
    for round in 0..kills {
        // Booking services more often: they have the load.
        let number = [2, 3, 0, 2, 3, 1][round % 6];
        market.wait_accepted(30).await;
        let process = site.process(number);
        let address = process.single.address;
        process.running.kill().unwrap();
        // The others go on while it is away.
        market.wait_accepted(60).await;
        let failed = site.failed().split_off(seen);
        seen += failed.len();
        only_its_own(&failed, address);
        let process = site.process(number);
        process.running = process.single.start_ready().await.unwrap();
        site.nginx.asks_again(address, site.nginx.told().len()).await;
    }
    let counts = market.close(&site.pair, AT_REST).await;
    println!(
        "2 + 2 processes behind nginx, {kills} kills in {:?}: {} requests, {seen} failed, each at the killed process; {} repeated; \
         {} bookings announced and handled once, loss 0, doubled 0, {} announcements came again",
        begun.elapsed(),
        site.nginx.told().len(),
        counts.requests_repeated,
        counts.bookings,
        counts.repeats,
    );
    assert_eq!(site.failed().len(), seen, "failed after the last kill");
    site.stop().await;
}

/// No more requests than one a client, and none that another process had to do with.
fn only_its_own(failed: &[Told], killed: SocketAddr) {
    assert!(failed.len() <= CUSTOMERS + 1, "too many failed: {failed:?}");
    for each in failed {
        assert_eq!(each.asked, [killed.to_string()], "{each:?}");
    }
}
