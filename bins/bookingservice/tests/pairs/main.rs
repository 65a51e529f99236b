//! Every store with every broker, through the programs: create, book, cancel, and both sides agree.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Order, Outcome};
use loadtest::http::Answer;
use loadtest::service::{Service, ask, event_body};
use myevents_servers::{Kind, Server, require};
use serde_json::{Value, json};

use crate::common::{Process, Settings, Stores};

/// Makes each line a test: its name, the broker's kind, and how the programs are told of a server at `url`.
macro_rules! with_broker {
    ($($test:ident: $kind:ident, $settings:expr;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                every_store(stringify!($test), Kind::$kind, $settings).await;
            }
        )+
    };
}

with_broker! {
    every_store_with_rabbitmq: Amqp, |url| vec![("AMQP_BROKER_URL", url.to_owned())];
    every_store_with_kafka: Kafka, |url| vec![("KAFKA_BROKERS", url.to_owned())];
    every_store_with_sqs_fifo: Sqs, |url| sqs(url, "events.fifo");
    every_store_with_sqs_standard: Sqs, |url| sqs(url, "events");
    every_store_with_sns: Sns, |url| {
        let mut settings = sqs(url, "events.fifo");
        settings.push(("AWS_ENDPOINT_URL_SNS", url.to_owned()));
        settings.push(("MYEVENTS_SQS_TOPIC", "events.fifo".to_owned()));
        settings.push(("MYEVENTS_SQS_POLICY_WAIT", "0s".to_owned()));
        settings
    };
}

fn sqs(url: &str, queue: &str) -> Settings {
    let variables = [
        ("SQS_QUEUE", queue),
        // DynamoDB has an endpoint of its own.
        ("AWS_ENDPOINT_URL_SQS", url),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-central-1"),
        ("MYEVENTS_SQS_WAIT_TIME", "1s"),
    ];
    variables.map(|(name, value)| (name, value.to_owned())).into()
}

/// Makes the stores of a pair on a server.
type Make = fn(&str) -> Stores;

/// How long a message may take to the other side. The first one waits for the broker's own set-up too.
const PATIENCE: Duration = Duration::from_secs(120);

async fn every_store(test: &'static str, kind: Kind, settings: fn(&str) -> Settings) {
    let starting = move || Server::start_or_skip(test, kind).expect("the broker starts");
    let Some(server) = tokio::task::spawn_blocking(starting).await.unwrap() else {
        return;
    };
    agree(&Stores::sqlite(), &settings(server.url())).await;
    // The services of one store at a time: they share the exchange and the queue. Nothing is left in them, as the next
    // would see.
    let stores: [(Kind, Make); 2] = [
        (Kind::Mongodb, Stores::mongodb),
        (Kind::Dynamodb, Stores::dynamodb),
    ];
    for (kind, stores) in stores {
        let url = tokio::task::spawn_blocking(move || require(&format!("{test} and {kind}"), kind));
        if let Some(url) = url.await.unwrap() {
            agree(&stores(&url), &settings(server.url())).await;
        }
    }
}

async fn send(address: std::net::SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Answer {
    ask(address, method, path, body).await.unwrap()
}

/// Waits until the booking service answers so.
async fn until(service: Service, what: &str, path: &str, is_so: impl Fn(&Answer) -> bool) {
    let start = Instant::now();
    loop {
        let answer = send(service.bookings, "GET", path, None).await;
        if is_so(&answer) {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{what} did not come: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn book(booker: &mut Booker, event: &str, seats: u32, number: u32) -> Outcome {
    let order = Order {
        event: event.to_owned(),
        seats,
        key: format!("a-customer-of-this-pair-{number}"),
        ..Order::default()
    };
    booker.book(&order, Instant::now() + PATIENCE).await
}

/// An event that a queue would take and a topic does not: it is stored by nobody, as nobody could hear of it.
async fn what_a_topic_does_not_take_is_refused(service: Service) {
    let mut large = event_body("large", 10);
    let hall = |number: usize| json!({"name": format!("{number:01900}"), "capacity": 1});
    large["Location"]["Halls"] = (0..98).map(hall).collect();
    let refused = send(service.events, "POST", "/events", Some(&large)).await;
    assert_eq!(refused.status, 413, "{:?}", refused.json());
}

/// What the organiser is told of an event is what customers can book, from its making to its end.
async fn agree(stores: &Stores, broker: &Settings) {
    let kind = stores.kind;
    let events = Process::start(stores.event_service(broker)).await;
    let bookings = Process::start(stores.booking_service(broker)).await;
    let service = Service {
        events: events.single.address,
        bookings: bookings.single.address,
        metrics: None,
    };
    let mut body = event_body("a pair", 10);
    let created = send(service.events, "POST", "/events", Some(&body)).await;
    assert_eq!(created.status, 201, "{kind}: {:?}", created.json());
    if broker.iter().any(|(name, _)| *name == "MYEVENTS_SQS_TOPIC") {
        what_a_topic_does_not_take_is_refused(service).await;
    }
    let event = created.json().unwrap()["ID"].as_str().unwrap().to_owned();
    let availability = format!("/events/{event}/availability");
    let seats = |capacity: u64, available: u64| {
        move |answer: &Answer| {
            answer.status == 200
                && answer
                    .json()
                    .is_ok_and(|body| body["Capacity"] == capacity && body["Available"] == available)
        }
    };
    until(service, "the event", &availability, seats(10, 10)).await;
    service.wait_bookable(&event, 10).await.unwrap();

    let mut booker = Booker::new(service.bookings);
    let mut ids = Vec::new();
    for (number, seats) in [(1, 2), (2, 3)] {
        match book(&mut booker, &event, seats, number).await {
            Outcome::Booked { id } => ids.push(id),
            other => panic!("{kind}: {other:?}"),
        }
    }
    assert!(booker.cancel(&ids[0], Instant::now() + PATIENCE).await, "{kind}");
    until(service, "the cancelled seats", &availability, seats(10, 7)).await;
    let stored = service.bookings(&event).await.unwrap();
    assert_eq!(stored.len(), 2, "{kind}");
    assert!(
        !stored[&ids[0]].confirmed && stored[&ids[1]].confirmed,
        "{kind}: {stored:?}"
    );

    // A larger hall at the one side is a larger hall at the other, and a cancelled event is cancelled at both.
    body["Location"]["Halls"][0]["capacity"] = 12.into();
    let path = format!("/events/{event}");
    let changed = send(service.events, "PUT", &path, Some(&body)).await;
    assert_eq!(changed.status, 200, "{kind}: {:?}", changed.json());
    until(service, "the larger hall", &availability, seats(12, 9)).await;
    let told = send(service.events, "GET", &path, None).await.json().unwrap();
    assert_eq!(told["Location"]["Halls"][0]["capacity"], 12, "{kind}");
    assert_eq!(send(service.events, "DELETE", &path, None).await.status, 204);
    until(service, "the end of the event", &availability, seats(12, 0)).await;
    let refused = book(&mut booker, &event, 1, 3).await;
    assert!(
        matches!(refused, Outcome::Refused { status: 409, .. }),
        "{kind}: {refused:?}"
    );

    for process in [&events, &bookings] {
        let outbox = Service {
            metrics: Some(process.single.metrics),
            ..service
        };
        outbox.wait_outbox_empty(PATIENCE).await.unwrap();
        let (fine, said) = process.single.command(&["dead-letters", "list"]).unwrap();
        assert!(fine && said.contains("0 dead letters"), "{kind}: {said}");
    }
    events.running.stop().await.unwrap();
    bookings.running.stop().await.unwrap();
}
