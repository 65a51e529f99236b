//! What a user and an operator do with the two services: create, book, cancel, look at readiness and dead letters.

use std::time::{Duration, Instant};

use loadtest::booker::Booker;
use loadtest::service::{ask, event_body};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::ports::EventEmitter as _;

use crate::common::with;
use crate::pair::{Pair, book, told, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_serve_over_kafka() {
    let Some(mut pair) = Pair::start("two_processes_serve_over_kafka").await else {
        return;
    };
    let service = pair.service;
    let event = service.new_event("joined by Kafka", 100).await.unwrap();
    let announced = pair.audit().await;
    let mut booker = Booker::new(service.bookings);
    let first = book(&mut booker, &event, 2, 1).await;
    let second = book(&mut booker, &event, 3, 2).await;
    assert!(
        booker
            .cancel(&first, Instant::now() + Duration::from_secs(120))
            .await
    );
    assert_eq!(service.availability(&event).await.unwrap(), (100, 97));
    until("the announcements", Duration::from_secs(120), || async {
        let announced = announced.lock();
        announced.contains_key(&first) && announced.contains_key(&second)
    })
    .await;
    pair.both_say("connected").await;

    // The broker goes away: it is told, and customers notice nothing.
    pair.server = with(pair.server, |server| server.kill()).await;
    pair.both_say("away").await;
    let third = book(&mut booker, &event, 1, 3).await;
    let body = event_body("made meanwhile", 10);
    let created = ask(service.events, "POST", "/events", Some(&body)).await.unwrap();
    assert_eq!(created.status, 201);
    let meanwhile = created.json().unwrap()["ID"].as_str().unwrap().to_owned();
    assert!(!announced.lock().contains_key(&third));
    pair.server = with(pair.server, |server| server.restart()).await;
    until("what waited", Duration::from_secs(120), || async {
        let told = announced.lock().contains_key(&third);
        told && pair.knows(&meanwhile).await
    })
    .await;
    service.wait_bookable(&meanwhile, 10).await.unwrap();
    pair.both_say("connected").await;

    dead_letters(&pair).await;

    // A booking service that lost its file knows nothing, until the event service announces everything again.
    pair.lose_the_bookings().await;
    assert!(!pair.knows(&event).await);
    let said = told(&pair.events, &["republish"]);
    assert!(said.contains("2 events will be announced"), "{said}");
    service.wait_bookable(&event, 100).await.unwrap();
    service.wait_bookable(&meanwhile, 10).await.unwrap();
    pair.stop().await;
}

/// A message that can't be read is a dead letter at the broker, for the operator to see.
async fn dead_letters(pair: &Pair) {
    let broken = Envelope::builder(
        MessageId::new("broken-1"),
        MessageName::from_static("event.created"),
        "",
    )
    .body("no JSON")
    .build();
    let sender = pair.broker().emitter().unwrap();
    sender.emit(&[broken]).await.pop().unwrap().unwrap();
    until("the dead letter", Duration::from_secs(120), || async {
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
    until("the letter again", Duration::from_secs(120), || async {
        let said = told(&pair.bookings, &["dead-letters", "list"]);
        said.contains("1 dead letters") && !said.contains(&id)
    })
    .await;
    let (well, said) = pair.bookings.command(&["dead-letters", "resend", &id]).unwrap();
    assert!(!well && said.contains("no dead letter has these ids"), "{said}");
    assert!(told(&pair.bookings, &["dead-letters", "drop", "--all"]).contains("1 deleted"));
    assert!(told(&pair.bookings, &["dead-letters"]).contains("0 dead letters"));
}
