//! The load of these tests: organisers who create events and customers who book them, each repeating a request until they
//! know its outcome, at whichever process answers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Order, Outcome};
use loadtest::check::check;
use loadtest::http::{Connection, request};
use loadtest::service::{Service, event_body};
use loadtest::tally::{Accepted, Tally};
use myevents_servers::skip::full_scale;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::pair::{Announced, Pair};

pub(crate) const CAPACITY: u64 = 1_000_000;
/// A single request is repeated for so long.
const PATIENCE: Duration = Duration::from_secs(120);
/// Within this, from when the broker takes messages again and nobody is killed any more, every event is bookable. Held
/// against at the full scale, on a machine that has nothing else to do; elsewhere it is shown.
pub(crate) const AT_REST: Duration = Duration::from_secs(10);
/// Customers book on so many events, the first ones.
const HOT: usize = 2;

/// What customers and organisers share.
struct Shared {
    services: Vec<Service>,
    /// The ids of the events that were created.
    events: Mutex<Vec<String>>,
    /// Those of them that were not seen bookable yet.
    pending: Mutex<VecDeque<String>>,
    stop: AtomicBool,
    accepted: AtomicU64,
    /// Between two bookings of a customer: the services share two cores with this and with the broker.
    pause: Duration,
}

/// A load at work.
pub(crate) struct Market {
    shared: Arc<Shared>,
    customers: Vec<JoinHandle<Tally>>,
    organiser: JoinHandle<()>,
    visitor: JoinHandle<()>,
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) events: usize,
    pub(crate) bookings: usize,
    /// From rest until every event was bookable everywhere.
    pub(crate) all_bookable: Duration,
    /// Announcements that came again.
    pub(crate) repeats: usize,
    pub(crate) requests_repeated: u64,
}

/// Creates an event at one of these addresses, repeating the request until it is answered: the key makes it one event.
pub(crate) async fn create(services: &[SocketAddr], number: u64) -> String {
    let key = format!("an-organiser-of-this-test-{number}");
    let body = event_body(&format!("event {number}"), CAPACITY).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key.as_str()),
    ];
    let bytes = request("POST", "/events", &headers, body.as_bytes());
    let start = Instant::now();
    for turn in number.. {
        let service = services[usize::try_from(turn).unwrap() % services.len()];
        if let Ok(mut connection) = Connection::open(service).await
            && let Ok(answer) = connection.send(&bytes).await
            && matches!(answer.status, 200 | 201)
        {
            return answer.json().unwrap()["ID"].as_str().unwrap().to_owned();
        }
        assert!(start.elapsed() < PATIENCE, "event {number} is not created");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("a request is repeated until it is answered")
}

impl Shared {
    fn event_services(&self) -> Vec<SocketAddr> {
        self.services.iter().map(|service| service.events).collect()
    }

    async fn organise(self: Arc<Self>) {
        let services = self.event_services();
        for number in 100.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let event = create(&services, number).await;
            self.events.lock().push(event.clone());
            self.pending.lock().push_back(event);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Looks whether the event that waits longest is bookable now, at the service of this number. Where it is not, or nobody
    /// answers, its turn comes again after the others.
    async fn visit(&self, number: usize) {
        let next = self.pending.lock().pop_front();
        let Some(event) = next else { return };
        let service = &self.services[number % self.services.len()];
        if !matches!(service.is_bookable(&event, CAPACITY).await, Ok(true)) {
            self.pending.lock().push_back(event);
        }
    }

    /// Visits the events while there is load, so that few are left to look at when there is rest.
    async fn visit_while_open(self: Arc<Self>) {
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            self.visit(number).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until each event was seen bookable. Answers those that were not, after [`PATIENCE`].
    async fn all_seen(&self) -> Vec<String> {
        let start = Instant::now();
        for number in 0.. {
            if self.pending.lock().is_empty() || start.elapsed() > PATIENCE {
                break;
            }
            self.visit(number).await;
            if number % 50 == 49 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        self.pending.lock().iter().cloned().collect()
    }

    /// Books on the hot events, and cancels every fifth booking.
    async fn buy(self: Arc<Self>, number: usize) -> Tally {
        let mut addresses: Vec<_> = self.services.iter().map(|service| service.bookings).collect();
        addresses.rotate_left(number % self.services.len());
        let mut booker = Booker::among(addresses);
        let mut tally = Tally::default();
        for turn in 0_usize.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let event = turn % HOT;
            let order = Order {
                event: self.events.lock()[event].clone(),
                seats: u32::try_from(1 + (turn + number) % 4).unwrap(),
                key: format!("customer-{number:05}-{turn:010}"),
                ..Order::default()
            };
            match booker.book(&order, Instant::now() + PATIENCE).await {
                Outcome::Booked { id } => {
                    let cancelled = turn % 5 == 4 && booker.cancel(&id, Instant::now() + PATIENCE).await;
                    tally.accepted.push(Accepted {
                        event,
                        id,
                        seats: u64::from(order.seats),
                        cancelled,
                    });
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                }
                other => panic!("an order ended with {other:?}"),
            }
            tokio::time::sleep(self.pause).await;
        }
        tally.retries = booker.retries;
        tally
    }
}

impl Market {
    /// Opens it, once the first events can be booked at every process and what is announced will be heard.
    pub(crate) async fn open(pair: &Pair, services: Vec<Service>, customers: usize, pause: Duration) -> Self {
        pair.broker_takes_messages().await;
        let shared = Arc::new(Shared {
            services,
            events: Mutex::default(),
            pending: Mutex::default(),
            stop: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            pause,
        });
        let event_services = shared.event_services();
        for number in 0..HOT {
            let event = create(&event_services, number.try_into().unwrap()).await;
            for service in &shared.services {
                service.wait_bookable(&event, CAPACITY).await.unwrap();
            }
            shared.events.lock().push(event);
        }
        Self {
            customers: (0..customers)
                .map(|number| tokio::spawn(Arc::clone(&shared).buy(number)))
                .collect(),
            organiser: tokio::spawn(Arc::clone(&shared).organise()),
            visitor: tokio::spawn(Arc::clone(&shared).visit_while_open()),
            shared,
        }
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Waits until so many more bookings were accepted.
    pub(crate) async fn wait_accepted(&self, more: u64) {
        let wanted = self.accepted() + more;
        let start = Instant::now();
        while self.accepted() < wanted {
            assert!(start.elapsed() < PATIENCE, "customers get no bookings any more");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Ends the load, and holds what was promised: each event becomes bookable at every process (`within` this time at the full scale), each accepted booking is
    /// announced and handled once, counters and bookings agree, the outbox runs empty.
    pub(crate) async fn close(self, pair: &Pair, within: Duration) -> Counts {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        for customer in self.customers {
            tally.add(customer.await.unwrap());
        }
        self.organiser.await.unwrap();
        self.visitor.await.unwrap();
        pair.broker_takes_messages().await;
        let rest = Instant::now();
        let waited = self.shared.pending.lock().len();
        let missing = self.shared.all_seen().await;
        let all_bookable = rest.elapsed();
        let events = self.shared.events.lock().clone();
        assert!(
            missing.is_empty(),
            "{} of {} events are not bookable {all_bookable:?} after rest, when it were {waited}: {missing:?}\n{}\n{}",
            missing.len(),
            events.len(),
            pair.figures().await,
            pair.logs()
        );
        assert!(
            !full_scale() || all_bookable <= within,
            "the last of {waited} events was bookable {all_bookable:?} after rest\n{}",
            pair.logs()
        );
        for event in &events {
            for service in &self.shared.services {
                let bookable = service.is_bookable(event, CAPACITY).await;
                assert!(
                    matches!(bookable, Ok(true)),
                    "{event} was bookable once: {bookable:?}"
                );
            }
        }
        let announced: &Announced = &pair.announced;
        let ids: Vec<&str> = tally
            .accepted
            .iter()
            .map(|accepted| accepted.id.as_str())
            .collect();
        let repeats = announced.all(&ids, PATIENCE).await;
        // The organiser's lists are not for those who come by way of a proxy.
        let findings = check(&pair.service(0), &events[..HOT], &tally, PATIENCE)
            .await
            .unwrap();
        assert!(findings.faults.is_empty(), "{findings:?}");
        assert_eq!(findings.confirmed, findings.counted);
        let (fine, said) = pair.bookings[0]
            .single
            .command(&["dead-letters", "list"])
            .unwrap();
        assert!(fine && said.contains("0 dead letters"), "{said}");
        Counts {
            events: events.len(),
            bookings: ids.len(),
            all_bookable,
            repeats,
            requests_repeated: tally.retries,
        }
    }
}
