//! Services in processes of their own, a broker of the test's own, and a listener beside them that notes what is announced.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use loadtest::service::{Service, ask};
use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, AmqpUrl};
use myevents_core::contract::{Envelope, EventBooked, Message as _, MessageId, MessageName};
use myevents_core::dispatch::{Context, Dispatch};
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{
    BrokerCapabilities, DeliveryStream, EventEmitter as _, EventListener, Subscription, SystemClock,
};
use myevents_servers::{Kind, Server};
use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::common::{Process, Stores};

/// A message that only says that messages are taken.
const REST: MessageName = MessageName::from_static("rest");

/// How often the announcement of each booking came, and how often it was handled.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    came: Mutex<HashMap<String, usize>>,
    handled: Mutex<HashMap<String, usize>>,
}

impl Announced {
    /// Whether this booking's announcement was handled.
    pub(crate) fn has(&self, booking: &str) -> bool {
        self.handled.lock().contains_key(booking)
    }

    /// Waits until all of these bookings are announced, and holds against "handled once". Answers how many announcements
    /// came again.
    pub(crate) async fn all(&self, bookings: &[&str], within: Duration) -> usize {
        let start = Instant::now();
        loop {
            let missing = self.missing(bookings);
            if missing == 0 {
                break;
            }
            assert!(
                start.elapsed() < within,
                "{missing} of {} bookings were not announced",
                bookings.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.handled_again(), None);
        self.came.lock().values().map(|times| times - 1).sum()
    }

    fn missing(&self, bookings: &[&str]) -> usize {
        let handled = self.handled.lock();
        bookings.iter().filter(|id| !handled.contains_key(**id)).count()
    }

    fn handled_again(&self) -> Option<(String, usize)> {
        let handled = self.handled.lock();
        let again = handled.iter().find(|(_, times)| **times > 1);
        again.map(|(id, times)| (id.clone(), *times))
    }
}

/// Notes what comes, repeats included, before the inbox absorbs them.
#[derive(Debug)]
struct Noting {
    inner: Arc<dyn EventListener>,
    announced: Arc<Announced>,
}

#[async_trait]
impl EventListener for Noting {
    fn capabilities(&self) -> BrokerCapabilities {
        self.inner.capabilities()
    }

    async fn subscribe(&self, subscription: Subscription) -> myevents_core::Result<DeliveryStream> {
        let announced = Arc::clone(&self.announced);
        let noting = self
            .inner
            .subscribe(subscription)
            .await?
            .inspect(move |delivery| {
                if let Ok(booked) = EventBooked::decode(&delivery.envelope)
                    && let Some(id) = booked.0.booking_id
                {
                    *announced.came.lock().entry(id).or_default() += 1;
                }
            });
        Ok(Box::pin(noting))
    }

    async fn close(&self) -> myevents_core::Result<()> {
        self.inner.close().await
    }
}

pub(crate) struct Pair {
    pub(crate) server: Server,
    pub(crate) events: Vec<Process>,
    pub(crate) bookings: Vec<Process>,
    pub(crate) announced: Arc<Announced>,
    audit: AmqpBroker,
    _auditing: DropGuard,
    _stores: Stores,
}

/// A RabbitMQ of the test's own. `None` where there is none to start, which is noted.
pub(crate) async fn rabbitmq(test: &'static str) -> Option<Server> {
    let starting = move || Server::start_or_skip(test, Kind::Amqp).expect("RabbitMQ starts");
    tokio::task::spawn_blocking(starting).await.unwrap()
}

impl Pair {
    /// So many processes of each service, started and ready. The broker may be away; then only [`Pair::audit`] waits for it.
    pub(crate) async fn start(server: Server, stores: Stores, processes: usize) -> Self {
        let broker = vec![("AMQP_BROKER_URL", server.url().to_owned())];
        let (audit, announced, auditing) = audit(&server);
        let (mut events, mut bookings) = (Vec::new(), Vec::new());
        for _ in 0..processes {
            events.push(Process::start(stores.event_service(&broker)).await);
            bookings.push(Process::start(stores.booking_service(&broker)).await);
        }
        Self {
            server,
            events,
            bookings,
            announced,
            audit,
            _auditing: auditing,
            _stores: stores,
        }
    }

    /// The event and booking services of this number.
    pub(crate) fn service(&self, number: usize) -> Service {
        Service {
            events: self.events[number].single.address,
            bookings: self.bookings[number].single.address,
            metrics: Some(self.bookings[number].single.metrics),
        }
    }

    /// Waits until the queues are some seconds old: RabbitMQ writes the directory of its quorum queues now and then only, and
    /// one that is killed before it did does not find a new queue's leader again.
    pub(crate) async fn queues_have_settled(&self) {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }

    /// Waits until the broker takes messages and the listener's queue is there: RabbitMQ drops announcements that nobody asked
    /// for yet, as it should. From then on there is rest, if nobody kills anything.
    pub(crate) async fn broker_takes_messages(&self) {
        let message = Envelope::builder(MessageId::new("rest"), REST, "").build();
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
                start.elapsed() < Duration::from_secs(120),
                "the broker does not come back"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the services printed, for a test that fails.
    pub(crate) fn logs(&self) -> String {
        let processes = self.events.iter().chain(&self.bookings);
        let logs: Vec<String> = processes.map(|process| process.running.log()).collect();
        logs.join("\n")
    }

    /// What waits in the outboxes and what was handled, for a test that fails.
    pub(crate) async fn figures(&self) -> String {
        let mut figures = Vec::new();
        for process in self.events.iter().chain(&self.bookings) {
            let answer = ask(process.single.metrics, "GET", "/metrics", None).await;
            let text = answer.map_or_else(
                |error| format!("{error:#}"),
                |answer| String::from_utf8_lossy(&answer.body).into_owned(),
            );
            let told = ["outbox", "messages", "dead_letter", "inbox", "dispatch"];
            let told = |line: &&str| !line.starts_with('#') && told.iter().any(|name| line.contains(name));
            figures.push(text.lines().filter(told).collect::<Vec<_>>().join("\n"));
        }
        figures.join("\n\n")
    }

    /// Stops all services, which has to go well.
    pub(crate) async fn stop(self) {
        for process in self.events.into_iter().chain(self.bookings) {
            process.running.stop().await.unwrap();
        }
    }
}

/// Handles the bookings that are announced, each once, with a queue of its own.
fn audit(server: &Server) -> (AmqpBroker, Arc<Announced>, DropGuard) {
    let urls = vec![AmqpUrl::parse(server.url()).unwrap()];
    let mut config = AmqpConfig::new(urls, "audit", "audit");
    config.required_names = vec![REST];
    let audit = AmqpBroker::connect(config).unwrap();
    let announced = Arc::new(Announced::default());
    let noting = Arc::clone(&announced);
    let handler = move |booked: EventBooked, _: Context| {
        *noting
            .handled
            .lock()
            .entry(booked.0.booking_id.unwrap())
            .or_default() += 1;
        std::future::ready(Ok(()))
    };
    let inbox = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let dispatch = Dispatch::builder("audit")
        .on(handler)
        .with_inbox(inbox, Duration::from_secs(60))
        .dead_letters(audit.dead_letters("audit"))
        .build()
        .unwrap();
    // Bound in this order: where the last is taken, the first is.
    audit.declare("audit", &[EventBooked::name(), REST]);
    let listener = Arc::new(Noting {
        inner: audit.listener(),
        announced: Arc::clone(&announced),
    });
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move { dispatch.run(listener, stopping).await });
    (audit, announced, stop.drop_guard())
}
