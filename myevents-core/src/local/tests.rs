//! The local broker on its own, against the promises of its ports.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::ErrorKind;
use crate::contract::{Envelope, MessageId};
use crate::memory::MemoryStore;
use crate::observe::NoObserver;
use crate::ports::{
    DeadLetter, DeliveryStream, EventEmitter, EventListener, StartFrom, Subscription, SystemClock,
};

fn broker() -> LocalBroker {
    LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver))
}

fn message(id: &str, key: &str) -> Envelope {
    Envelope::builder(
        MessageId::new(id),
        MessageName::from_static("event.created"),
        key.to_owned(),
    )
    .build()
}

async fn subscribe(broker: &LocalBroker, group: &str, prefetch: usize) -> DeliveryStream {
    let subscription = Subscription {
        group: group.to_owned(),
        names: Vec::new(),
        prefetch,
        from: StartFrom::Now,
    };
    broker.subscribe(subscription).await.unwrap()
}

/// Publishes in the background, as a relay does.
fn publish(broker: &LocalBroker, messages: Vec<Envelope>) -> tokio::task::JoinHandle<Vec<crate::Result<()>>> {
    let broker = broker.clone();
    tokio::spawn(async move { broker.emit(&messages).await })
}

#[tokio::test]
async fn a_publish_answers_when_every_group_has_acknowledged() {
    let broker = broker();
    let (mut first, mut second) = (subscribe(&broker, "a", 8).await, subscribe(&broker, "b", 8).await);
    let published = publish(&broker, vec![message("1", "k")]);
    first.next().await.unwrap().ack().await.unwrap();
    let later = second.next().await.unwrap();
    tokio::task::yield_now().await;
    assert!(!published.is_finished());
    later.ack().await.unwrap();
    assert!(published.await.unwrap()[0].is_ok());
}

#[tokio::test]
async fn a_key_waits_for_the_message_before_and_other_keys_go_on() {
    let broker = broker();
    let mut stream = subscribe(&broker, "a", 8).await;
    let published = publish(
        &broker,
        vec![message("1", "k"), message("2", "k"), message("3", "other")],
    );
    let first = stream.next().await.unwrap();
    assert_eq!((first.envelope.id().as_str(), first.attempt), ("1", 1));
    let other = stream.next().await.unwrap();
    assert_eq!(other.envelope.id().as_str(), "3");
    assert!(
        stream.next().now_or_never().is_none(),
        "the second of the key waits"
    );
    first.nack(Duration::ZERO).await.unwrap();
    let again = stream.next().await.unwrap();
    assert_eq!((again.envelope.id().as_str(), again.attempt), ("1", 2));
    drop(again);
    let third = stream.next().await.unwrap();
    assert_eq!((third.envelope.id().as_str(), third.attempt), ("1", 3));
    third.ack().await.unwrap();
    let second = stream.next().await.unwrap();
    assert_eq!((second.envelope.id().as_str(), second.attempt), ("2", 1));
    second.ack().await.unwrap();
    other.ack().await.unwrap();
    assert!(published.await.unwrap().iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_does_not_come_before_its_time() {
    let broker = broker();
    let mut stream = subscribe(&broker, "a", 8).await;
    let _published = publish(&broker, vec![message("1", "k")]);
    let started = tokio::time::Instant::now();
    let delivery = stream.next().await.unwrap();
    delivery.nack(Duration::from_secs(3)).await.unwrap();
    stream.next().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn no_more_than_the_prefetch_is_handed_out() {
    let broker = broker();
    let mut stream = subscribe(&broker, "a", 2).await;
    let _published = publish(&broker, (0..5).map(|n| message(&n.to_string(), "")).collect());
    let first = stream.next().await.unwrap();
    let _second = stream.next().await.unwrap();
    assert!(stream.next().now_or_never().is_none());
    first.ack().await.unwrap();
    assert!(stream.next().now_or_never().is_some());
}

#[tokio::test]
async fn a_needed_message_without_group_is_an_error_and_a_declared_group_makes_it_wait() {
    let broker = broker();
    let refused = broker.emit(&[message("1", "k")]).await;
    assert_eq!(refused[0].as_ref().unwrap_err().kind(), ErrorKind::Unroutable);
    let free = Envelope::builder(MessageId::new("2"), MessageName::from_static("event.booked"), "k").build();
    assert!(broker.emit(&[free]).await[0].is_ok());
    broker.declare("late", &default_required_names());
    let published = publish(&broker, vec![message("1", "k")]);
    tokio::task::yield_now().await;
    assert!(!published.is_finished());
    subscribe(&broker, "late", 1)
        .await
        .next()
        .await
        .unwrap()
        .ack()
        .await
        .unwrap();
    assert!(published.await.unwrap()[0].is_ok());
}

#[tokio::test]
async fn closing_leaves_no_publisher_waiting_and_later_calls_say_closed() {
    let broker = broker();
    let mut stream = subscribe(&broker, "a", 1).await;
    let handed_out = publish(&broker, vec![message("1", "k")]);
    let delivery = stream.next().await.unwrap();
    let waiting = publish(&broker, vec![message("2", "k")]);
    tokio::task::yield_now().await;
    EventListener::close(&broker).await.unwrap();
    assert!(stream.next().await.is_none());
    assert_eq!(
        waiting.await.unwrap()[0].as_ref().unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    let closing = broker.clone();
    let closed = tokio::spawn(async move { EventEmitter::close(&closing).await });
    tokio::task::yield_now().await;
    delivery.ack().await.unwrap();
    closed.await.unwrap().unwrap();
    assert!(handed_out.await.unwrap()[0].is_ok());
    let refused = broker.emit(&[message("3", "k")]).await;
    assert_eq!(refused[0].as_ref().unwrap_err().kind(), ErrorKind::Closed);
    let subscription = Subscription {
        group: "b".to_owned(),
        names: Vec::new(),
        prefetch: 1,
        from: StartFrom::Now,
    };
    let refused = broker.subscribe(subscription).await.map(drop);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_delivery_dropped_after_the_close_is_an_unknown_outcome() {
    let broker = broker();
    let mut stream = subscribe(&broker, "a", 1).await;
    let published = publish(&broker, vec![message("1", "k")]);
    let delivery = stream.next().await.unwrap();
    EventListener::close(&broker).await.unwrap();
    drop(delivery);
    let kind = published.await.unwrap()[0].as_ref().unwrap_err().kind();
    assert_eq!(kind, ErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn a_larger_body_than_allowed_is_refused() {
    let broker = broker();
    let body = |bytes: usize| {
        Envelope::builder(MessageId::new("1"), MessageName::from_static("event.booked"), "k")
            .body(vec![0; bytes])
            .build()
    };
    let results = broker.emit(&[body(204_800), body(204_801)]).await;
    assert!(results[0].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_letter_sent_back_goes_to_its_group_alone_and_stays_one_letter_when_it_fails_again() {
    let broker = broker();
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let letters = broker.dead_letters("a", store.clone());
    let (mut stream, mut other) = (subscribe(&broker, "a", 4).await, subscribe(&broker, "b", 4).await);
    let letter = DeadLetter {
        consumer: "a".to_owned(),
        origin: "local:a".to_owned(),
        reason: "first".to_owned(),
        attempts: 5,
        at: crate::domain::UnixMillis(1),
        envelope: message("1", "k"),
    };
    letters.put(&letter).await.unwrap();
    let ids = || async {
        let page = letters.list(None, 10).await.unwrap();
        page.items
    };
    let listed = ids().await;
    assert_eq!(letters.resend(&[listed[0].0.clone()]).await.unwrap(), 1);

    let again = stream.next().await.unwrap();
    assert_eq!(again.envelope, letter.envelope);
    let failed = DeadLetter {
        reason: "second".to_owned(),
        attempts: 2,
        ..letter.clone()
    };
    letters.put(&failed).await.unwrap();
    again.ack().await.unwrap();
    let listed = ids().await;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].1.reason.as_str(), listed[0].1.attempts), ("second", 7));

    letters.resend(&[listed[0].0.clone()]).await.unwrap();
    stream.next().await.unwrap().ack().await.unwrap();
    assert_eq!(letters.count().await.unwrap(), 0);
    assert!(other.next().now_or_never().is_none());
}

#[tokio::test]
async fn handles_close_alone_and_their_group_keeps_what_waits() {
    let broker = broker();
    let (first, second) = (broker.listener(), broker.listener());
    let subscription = || Subscription {
        group: "a".to_owned(),
        names: Vec::new(),
        prefetch: 1,
        from: StartFrom::Now,
    };
    let mut ending = first.subscribe(subscription()).await.unwrap();
    first.close().await.unwrap();
    assert!(ending.next().await.is_none());
    assert!(first.subscribe(subscription()).await.is_err());

    let (closing, staying) = (Arc::new(broker.emitter()), broker.emitter());
    let emitter = closing.clone();
    let published = tokio::spawn(async move { emitter.emit(&[message("1", "k")]).await });
    tokio::task::yield_now().await;
    let mut stream = second.subscribe(subscription()).await.unwrap();
    let delivery = stream.next().await.unwrap();
    let emitter = closing.clone();
    let closed = tokio::spawn(async move { emitter.close().await });
    tokio::task::yield_now().await;
    assert!(!closed.is_finished(), "a publish is open");
    delivery.ack().await.unwrap();
    assert!(published.await.unwrap()[0].is_ok());
    closed.await.unwrap().unwrap();
    let refused = closing.emit(&[message("2", "k")]).await;
    assert_eq!(refused[0].as_ref().unwrap_err().kind(), ErrorKind::Closed);
    let published = tokio::spawn(async move { staying.emit(&[message("3", "k")]).await });
    stream.next().await.unwrap().ack().await.unwrap();
    assert!(published.await.unwrap()[0].is_ok());
}
