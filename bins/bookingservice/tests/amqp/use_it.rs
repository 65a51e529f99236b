//! What a user and an operator do with the two services: create, book, cancel, look at readiness and dead letters, republish.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Holder, Order, Outcome};
use loadtest::service::{ask, event_body};
use loadtest::single::Single;
use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, AmqpUrl};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::ports::EventEmitter as _;

use crate::pair::{Pair, with};

async fn until<F: Future<Output = bool>>(what: &str, within: Duration, mut is_so: impl FnMut() -> F) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < within, "{what} did not come within {within:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What `/readyz` says of the broker, with the status that it must not change.
async fn broker_state(address: SocketAddr) -> String {
    let answer = ask(address, "GET", "/readyz", None).await.unwrap();
    assert_eq!(answer.status, 200, "bookings go on without the broker");
    answer.json().unwrap()["broker"].as_str().unwrap().to_owned()
}

fn order(event: &str, seats: u32, number: u32) -> Order {
    Order {
        event: event.to_owned(),
        seats,
        key: format!("a-customer-of-this-test-{number}"),
        holder: Holder::Nobody,
    }
}

async fn book(booker: &mut Booker, order: &Order) -> String {
    match booker.book(order, Instant::now() + Duration::from_secs(20)).await {
        Outcome::Booked { id } => id,
        other => panic!("{other:?}"),
    }
}

fn told(single: &Single, arguments: &[&str]) -> String {
    let (well, said) = single.command(arguments).unwrap();
    assert!(well, "{arguments:?}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_serve_over_rabbitmq() {
    let Some(mut pair) = Pair::start("two_processes_serve_over_rabbitmq").await else {
        return;
    };
    let service = pair.service;
    let event = service.new_event("joined by RabbitMQ", 100).await.unwrap();
    let mut booker = Booker::new(service.bookings);
    let first = book(&mut booker, &order(&event, 2, 1)).await;
    let second = book(&mut booker, &order(&event, 3, 2)).await;
    assert!(
        booker
            .cancel(&first, Instant::now() + Duration::from_secs(20))
            .await
    );
    assert_eq!(service.availability(&event).await.unwrap(), (100, 97));
    until("the announcements", Duration::from_secs(20), || async {
        let announced = pair.announced.lock();
        announced.contains_key(&first) && announced.contains_key(&second)
    })
    .await;
    for address in [service.events, service.bookings] {
        until("connected", Duration::from_secs(20), || async {
            broker_state(address).await == "connected"
        })
        .await;
    }

    // The broker goes away: it is told, and customers notice nothing.
    pair.server = with(pair.server, |server| server.kill()).await;
    for address in [service.events, service.bookings] {
        until("away", Duration::from_secs(30), || async {
            broker_state(address).await == "away"
        })
        .await;
    }
    let third = book(&mut booker, &order(&event, 1, 3)).await;
    let created = ask(
        service.events,
        "POST",
        "/events",
        Some(&event_body("made meanwhile", 10)),
    )
    .await
    .unwrap();
    assert_eq!(created.status, 201);
    let meanwhile = created.json().unwrap()["ID"].as_str().unwrap().to_owned();
    assert!(!pair.announced.lock().contains_key(&third));
    pair.server = with(pair.server, |server| server.restart()).await;
    until("what waited", Duration::from_secs(30), || async {
        pair.announced.lock().contains_key(&third)
    })
    .await;
    service.wait_bookable(&meanwhile, 10).await.unwrap();
    for address in [service.events, service.bookings] {
        until("connected again", Duration::from_secs(30), || async {
            broker_state(address).await == "connected"
        })
        .await;
    }
    dead_letters(&pair).await;
    a_new_booking_service_learns_all(&mut pair, &event).await;
    pair.running_events.stop().await.unwrap();
    pair.running_bookings.stop().await.unwrap();
}

/// A message that can't be read is a dead letter at the broker, for the operator to see.
async fn dead_letters(pair: &Pair) {
    let urls = vec![AmqpUrl::parse(pair.server.url()).unwrap()];
    let sender = AmqpBroker::connect(AmqpConfig::new(urls, "sender", "sender")).unwrap();
    let broken = Envelope::builder(
        MessageId::new("broken-1"),
        MessageName::from_static("event.created"),
        "",
    )
    .body("no JSON")
    .build();
    sender.emitter().emit(&[broken]).await.pop().unwrap().unwrap();
    until("the dead letter", Duration::from_secs(20), || async {
        told(&pair.bookings, &["dead-letters"]).contains("1 dead letters")
    })
    .await;
    let said = told(&pair.bookings, &["dead-letters", "list"]);
    assert!(
        said.contains("event.created  1 tries  broken-1") && said.contains("bookingservice/"),
        "{said}"
    );
    assert_eq!(
        told(&pair.events, &["dead-letters", "list"]).trim(),
        "0 dead letters",
        "it consumes nothing"
    );
    let id = said.split_whitespace().next().unwrap().to_owned();
    // Sent back it fails again, and is one letter again.
    assert!(told(&pair.bookings, &["dead-letters", "resend", &id]).contains("1 sent back to their consumer"));
    until("the letter again", Duration::from_secs(20), || async {
        let said = told(&pair.bookings, &["dead-letters", "list"]);
        said.contains("1 dead letters") && !said.contains(&id)
    })
    .await;
    let (well, said) = pair.bookings.command(&["dead-letters", "resend", &id]).unwrap();
    assert!(!well && said.contains("no dead letter has these ids"), "{said}");
    assert!(told(&pair.bookings, &["dead-letters", "drop", "--all"]).contains("1 deleted"));
    assert!(told(&pair.bookings, &["dead-letters"]).contains("0 dead letters"));
}

/// A booking service that lost its file knows nothing, until the event service announces everything again.
async fn a_new_booking_service_learns_all(pair: &mut Pair, event: &str) {
    pair.running_bookings.kill().unwrap();
    for file in std::fs::read_dir(&pair.bookings.folder).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    pair.running_bookings = pair.bookings.start_ready().await.unwrap();
    let path = format!("/events/{event}/availability");
    assert_eq!(
        ask(pair.service.bookings, "GET", &path, None)
            .await
            .unwrap()
            .status,
        404
    );
    let said = told(&pair.events, &["republish"]);
    assert!(said.contains("2 events will be announced"), "{said}");
    pair.service.wait_bookable(event, 100).await.unwrap();
}
