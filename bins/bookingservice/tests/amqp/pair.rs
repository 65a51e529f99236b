//! Two services, a broker of the test's own, and a listener beside them that notes what is announced.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use loadtest::program::Running;
use loadtest::service::Service;
use loadtest::single::Single;
use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, AmqpUrl};
use myevents_core::contract::{Envelope, EventBooked, Message as _, MessageId, MessageName};
use myevents_core::ports::{EventEmitter as _, EventListener as _, StartFrom, Subscription};
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
    pub(crate) announced: Announced,
    audit: AmqpBroker,
    _folder: TempDir,
}

/// Does something to the server that takes its time.
pub(crate) async fn with(
    server: Server,
    work: impl FnOnce(&mut Server) -> anyhow::Result<()> + Send + 'static,
) -> Server {
    let work = move || {
        let mut server = server;
        work(&mut server).expect("the server does as told");
        server
    };
    tokio::task::spawn_blocking(work)
        .await
        .expect("a task that only waits")
}

fn folder(of: &TempDir, name: &str) -> PathBuf {
    let folder = of.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    folder
}

impl Pair {
    /// Both services started and ready. `None` where there is no RabbitMQ to start, which is noted.
    pub(crate) async fn start(test: &'static str) -> Option<Self> {
        let starting = move || Server::start_or_skip(test, Kind::Amqp).expect("RabbitMQ starts");
        let server = tokio::task::spawn_blocking(starting).await.unwrap()?;
        let folders = tempfile::tempdir().unwrap();
        let own = env!("CARGO_BIN_EXE_bookingservice");
        let mut events = Single::beside(own, "eventservice", &folder(&folders, "events")).unwrap();
        let mut bookings = Single::beside(own, "bookingservice", &folder(&folders, "bookings")).unwrap();
        for single in [&mut events, &mut bookings] {
            single
                .environment
                .push(("AMQP_BROKER_URL".into(), server.url().into()));
        }
        let service = Service {
            events: events.address,
            bookings: bookings.address,
            metrics: Some(bookings.metrics),
        };
        let (audit, announced) = audit(&server).await;
        Some(Self {
            running_events: events.start_ready().await.unwrap(),
            running_bookings: bookings.start_ready().await.unwrap(),
            server,
            events,
            bookings,
            service,
            announced,
            audit,
            _folder: folders,
        })
    }

    /// Waits until the broker takes messages: from then on there is rest, if nobody kills anything.
    pub(crate) async fn broker_takes_messages(&self) {
        let message = Envelope::builder(MessageId::new("rest"), MessageName::from_static("rest"), "").build();
        let start = Instant::now();
        while self
            .audit
            .emitter()
            .emit(std::slice::from_ref(&message))
            .await
            .pop()
            .unwrap()
            .is_err()
        {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the broker does not come back"
            );
        }
    }
}

/// Subscribes to the bookings that are announced, with a queue of its own.
async fn audit(server: &Server) -> (AmqpBroker, Announced) {
    let urls = vec![AmqpUrl::parse(server.url()).unwrap()];
    let audit = AmqpBroker::connect(AmqpConfig::new(urls, "audit", "audit")).unwrap();
    let subscription = Subscription {
        group: "audit".to_owned(),
        names: vec![EventBooked::name()],
        prefetch: 256,
        from: StartFrom::Now,
    };
    let mut stream = audit.listener().subscribe(subscription).await.unwrap();
    let announced = Announced::default();
    let noting = Arc::clone(&announced);
    tokio::spawn(async move {
        while let Some(delivery) = stream.next().await {
            let booked = EventBooked::decode(&delivery.envelope).unwrap().0;
            *noting.lock().entry(booked.booking_id.unwrap()).or_default() += 1;
            // A lost acknowledgement brings it again.
            let _ = delivery.ack().await;
        }
    });
    (audit, announced)
}
