//! What a user and an operator do with the two services: create, book, cancel, look at readiness and dead letters, republish.

use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Holder, Order, Outcome};
use loadtest::service::{ask, event_body};
use loadtest::single::Single;
use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, AmqpUrl};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::ports::EventEmitter as _;

use crate::away::NOTICED;
use crate::common::{Stores, with};
use crate::pair::{Pair, rabbitmq};

async fn until<F: Future<Output = bool>>(what: &str, within: Duration, mut is_so: impl FnMut() -> F) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < within, "{what} did not come within {within:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
    match booker
        .book(order, Instant::now() + Duration::from_secs(120))
        .await
    {
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
    let Some(server) = rabbitmq("two_processes_serve_over_rabbitmq").await else {
        return;
    };
    let mut pair = Pair::start(server, Stores::sqlite(), 1).await;
    pair.broker_takes_messages().await;
    let service = pair.service(0);
    let event = service.new_event("joined by RabbitMQ", 100).await.unwrap();
    let mut booker = Booker::new(service.bookings);
    let first = book(&mut booker, &order(&event, 2, 1)).await;
    let second = book(&mut booker, &order(&event, 3, 2)).await;
    assert!(
        booker
            .cancel(&first, Instant::now() + Duration::from_secs(120))
            .await
    );
    assert_eq!(service.availability(&event).await.unwrap(), (100, 97));
    until("the announcements", Duration::from_secs(120), || async {
        pair.announced.has(&first) && pair.announced.has(&second)
    })
    .await;
    service.wait_broker("connected", NOTICED).await.unwrap();

    // The broker goes away: it is told, and customers notice nothing.
    pair.queues_have_settled().await;
    pair.server = with(pair.server, |server| server.kill()).await;
    service.wait_broker("away", NOTICED).await.unwrap();
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
    assert!(!pair.announced.has(&third));
    pair.server = with(pair.server, |server| server.restart()).await;
    until("what waited", Duration::from_secs(120), || async {
        pair.announced.has(&third)
    })
    .await;
    let bookable = service.wait_bookable(&meanwhile, 10).await;
    assert!(bookable.is_ok(), "{bookable:?}\n{}", pair.logs());
    service.wait_broker("connected", NOTICED).await.unwrap();
    dead_letters(&pair).await;
    a_new_booking_service_learns_all(&mut pair, &event).await;
    pair.stop().await;
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
    .body(r#"{"id": "00ff", "version": "private@example.org"}"#)
    .build();
    sender.emitter().emit(&[broken]).await.pop().unwrap().unwrap();
    until("the dead letter", Duration::from_secs(120), || async {
        told(&pair.bookings[0].single, &["dead-letters"]).contains("1 dead letters")
    })
    .await;
    let said = told(&pair.bookings[0].single, &["dead-letters", "list"]);
    assert!(
        said.contains("event.created  1 tries  broken-1") && said.contains("bookingservice/"),
        "{said}"
    );
    // Why it can't be read is told without a piece of it.
    assert!(
        said.contains("a value has another form (line 1, column"),
        "{said}"
    );
    assert!(
        !said.contains("private@") && !pair.logs().contains("private@"),
        "{said}"
    );
    assert_eq!(
        told(&pair.events[0].single, &["dead-letters", "list"]).trim(),
        "0 dead letters",
        "it consumes nothing"
    );
    let id = said.split_whitespace().next().unwrap().to_owned();
    // Sent back it fails again, and is one letter again.
    assert!(
        told(&pair.bookings[0].single, &["dead-letters", "resend", &id])
            .contains("1 sent back to their consumer")
    );
    until("the letter again", Duration::from_secs(120), || async {
        let said = told(&pair.bookings[0].single, &["dead-letters", "list"]);
        said.contains("1 dead letters") && !said.contains(&id)
    })
    .await;
    let (well, said) = pair.bookings[0]
        .single
        .command(&["dead-letters", "resend", &id])
        .unwrap();
    assert!(!well && said.contains("no dead letter has these ids"), "{said}");
    assert!(told(&pair.bookings[0].single, &["dead-letters", "drop", "--all"]).contains("1 deleted"));
    assert!(told(&pair.bookings[0].single, &["dead-letters"]).contains("0 dead letters"));
}

/// A booking service that lost its file knows nothing, until the event service announces everything again.
async fn a_new_booking_service_learns_all(pair: &mut Pair, event: &str) {
    let process = &mut pair.bookings[0];
    process.running.kill().unwrap();
    for file in std::fs::read_dir(&process.single.folder).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    process.running = process.single.start_ready().await.unwrap();
    let service = pair.service(0);
    let path = format!("/events/{event}/availability");
    assert_eq!(
        ask(service.bookings, "GET", &path, None).await.unwrap().status,
        404
    );
    let said = told(&pair.events[0].single, &["republish"]);
    assert!(said.contains("2 events will be announced"), "{said}");
    service.wait_bookable(event, 100).await.unwrap();
}
