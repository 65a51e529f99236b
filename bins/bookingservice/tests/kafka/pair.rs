//! Two services, a Kafka of the test's own, and a listener beside them that notes what is announced.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use loadtest::booker::{Booker, Holder, Order, Outcome};
use loadtest::program::Running;
use loadtest::service::{Service, ask};
use loadtest::single::Single;
use myevents_adapters::kafka::{KafkaBroker, KafkaConfig};
use myevents_core::contract::{EventBooked, Message as _};
use myevents_core::ports::{EventListener as _, StartFrom, Subscription};
use myevents_servers::{Kind, Server};
use parking_lot::Mutex;
use tempfile::TempDir;

/// How often each booking was announced.
pub(crate) type Announced = Arc<Mutex<HashMap<String, usize>>>;

pub(crate) struct Pair {
    pub(crate) server: Server,
    pub(crate) events: Single,
    pub(crate) bookings: Single,
    pub(crate) running_events: Running,
    pub(crate) running_bookings: Running,
    pub(crate) service: Service,
    _folder: TempDir,
}

fn folder(of: &TempDir, name: &str) -> PathBuf {
    let folder = of.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    folder
}

impl Pair {
    /// Both services started and ready. `None` where there is no Kafka to start, which is noted.
    pub(crate) async fn start(test: &'static str) -> Option<Self> {
        let starting = move || Server::start_or_skip(test, Kind::Kafka).expect("Kafka starts");
        let server = tokio::task::spawn_blocking(starting).await.unwrap()?;
        let folders = tempfile::tempdir().unwrap();
        let own = env!("CARGO_BIN_EXE_bookingservice");
        let mut events = Single::beside(own, "eventservice", &folder(&folders, "events")).unwrap();
        let mut bookings = Single::beside(own, "bookingservice", &folder(&folders, "bookings")).unwrap();
        for single in [&mut events, &mut bookings] {
            single
                .environment
                .push(("KAFKA_BROKERS".into(), server.url().into()));
        }
        let service = Service {
            events: events.address,
            bookings: bookings.address,
            metrics: Some(bookings.metrics),
        };
        Some(Self {
            running_events: events.start_ready().await.unwrap(),
            running_bookings: bookings.start_ready().await.unwrap(),
            server,
            events,
            bookings,
            service,
            _folder: folders,
        })
    }

    /// The test's own way to the topic of the services.
    pub(crate) fn broker(&self) -> KafkaBroker {
        KafkaBroker::new(KafkaConfig::new(&[self.server.url()])).unwrap()
    }

    /// Notes every booking that is announced, as a group of its own.
    pub(crate) async fn audit(&self) -> Announced {
        let subscription = Subscription {
            group: "audit".to_owned(),
            names: vec![EventBooked::name()],
            prefetch: 256,
            from: StartFrom::Beginning,
        };
        let listener = self.broker().listener();
        let mut stream = listener.subscribe(subscription).await.unwrap();
        let announced = Announced::default();
        let noting = Arc::clone(&announced);
        tokio::spawn(async move {
            while let Some(delivery) = stream.next().await {
                let booked = EventBooked::decode(&delivery.envelope).unwrap().0;
                *noting.lock().entry(booked.booking_id.unwrap()).or_default() += 1;
                // A lost acknowledgement brings it again.
                let _ = delivery.ack().await;
            }
            drop(listener);
        });
        announced
    }

    /// Both services say this of the broker, while they go on serving.
    pub(crate) async fn both_say(&self, state: &str) {
        self.service
            .wait_broker(state, Duration::from_secs(120))
            .await
            .unwrap();
    }

    /// The booking service starts again with none of its files.
    pub(crate) async fn lose_the_bookings(&mut self) {
        self.running_bookings.kill().unwrap();
        for file in std::fs::read_dir(&self.bookings.folder).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        self.running_bookings = self.bookings.start_ready().await.unwrap();
    }

    /// Whether the booking service knows an event.
    pub(crate) async fn knows(&self, event: &str) -> bool {
        let path = format!("/events/{event}/availability");
        let answer = ask(self.service.bookings, "GET", &path, None).await.unwrap();
        assert!(matches!(answer.status, 200 | 404), "{}", answer.status);
        answer.status == 200
    }

    pub(crate) async fn stop(self) {
        self.running_events.stop().await.unwrap();
        self.running_bookings.stop().await.unwrap();
    }
}

pub(crate) async fn until<F: Future<Output = bool>>(
    what: &str,
    within: Duration,
    mut is_so: impl FnMut() -> F,
) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < within, "{what} did not come within {within:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a sub-command that succeeds says.
pub(crate) fn told(single: &Single, arguments: &[&str]) -> String {
    let (well, said) = single.command(arguments).unwrap();
    assert!(well, "{arguments:?}: {said}");
    said
}

/// Books until it is answered; answers the booking's id.
pub(crate) async fn book(booker: &mut Booker, event: &str, seats: u32, number: u64) -> String {
    let order = Order {
        event: event.to_owned(),
        seats,
        key: format!("a-customer-of-this-test-{number}"),
        holder: Holder::Nobody,
    };
    match booker
        .book(&order, Instant::now() + Duration::from_secs(120))
        .await
    {
        Outcome::Booked { id } => id,
        other => panic!("{other:?}"),
    }
}
