//! Dead letters: many of them, listed in pages, sent back to their consumer alone, dropped; and the broker's own limit.

use std::collections::BTreeSet;
use std::time::Duration;

use myevents_adapters::amqp::{AmqpBroker, QueueType};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{DeadLetter, DeadLetterId, DeadLetters, EventEmitter as _, EventListener as _};

use crate::beside::{next, wanting};
use crate::common::{eventually, patient};

fn letter(number: usize) -> DeadLetter {
    DeadLetter {
        consumer: "first".to_owned(),
        origin: "somewhere".to_owned(),
        reason: format!("reason {number} — {}", "ü".repeat(6_000)),
        attempts: 3,
        at: UnixMillis(1_700_000_000_000),
        envelope: Envelope::builder(
            MessageId::new(&format!("message-{number}")),
            MessageName::from_static("event.created"),
            "key",
        )
        .time(UnixMillis(5))
        .header("x-odd", "1")
        .body(format!("{number}"))
        .build(),
    }
}

async fn all(letters: &dyn DeadLetters, limit: usize) -> Vec<(DeadLetterId, DeadLetter)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = letters.list(after.as_ref(), limit).await.unwrap();
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

pub(crate) async fn are_kept_listed_sent_back_and_dropped(port: u16) {
    for queue_type in [QueueType::Quorum, QueueType::Classic] {
        let broker = AmqpBroker::connect(patient(port, queue_type)).unwrap();
        let letters = broker.dead_letters("first");
        assert_eq!(letters.count().await.unwrap(), 0, "there is no queue yet");
        assert!(letters.list(None, 10).await.unwrap().items.is_empty());
        assert_eq!(letters.discard(&[DeadLetterId("none".into())]).await.unwrap(), 0);
        for number in 0..25 {
            letters.put(&letter(number)).await.unwrap();
        }
        assert_eq!(letters.count().await.unwrap(), 25);
        // Each listing takes all of them and gives them back: none is lost, their order stays, and it can go on for ever.
        for limit in [1, 7, 100] {
            let listed = all(&*letters, limit).await;
            let numbers: Vec<_> = listed
                .iter()
                .map(|(_, letter)| letter.envelope.body().clone())
                .collect();
            let expected: Vec<_> = (0..25).map(|number| number.to_string()).collect();
            assert_eq!(numbers, expected, "pages of {limit}");
            let ids: BTreeSet<_> = listed.iter().map(|(id, _)| id.clone()).collect();
            assert_eq!(ids.len(), 25, "every letter has an id of its own");
            let (_, first) = &listed[0];
            let mut shortened = letter(0);
            shortened.reason = first.reason.clone();
            assert_eq!(first, &shortened);
            assert!(first.reason.starts_with("reason 0 — ü") && first.reason.len() > 7_000);
        }
        // Sent back they reach their consumer, and not the other group that wants the same name.
        let listener = broker.listener();
        let mut first = listener
            .subscribe(wanting("first", &["event.created"]))
            .await
            .unwrap();
        let mut second = listener
            .subscribe(wanting("second", &["event.created"]))
            .await
            .unwrap();
        let listed = all(&*letters, 100).await;
        let wanted: Vec<_> = [3, 7, 24].map(|place| listed[place].0.clone()).to_vec();
        assert_eq!(letters.resend(&wanted).await.unwrap(), 3);
        assert_eq!(letters.count().await.unwrap(), 22);
        let mut back = BTreeSet::new();
        for _ in 0..3 {
            let delivery = next(&mut first).await;
            assert_eq!((delivery.attempt, delivery.envelope.key()), (1, "key"));
            assert_eq!(
                delivery.envelope.headers().len(),
                1,
                "{:?}",
                delivery.envelope.headers()
            );
            back.insert(delivery.envelope.body().clone());
            delivery.ack().await.unwrap();
        }
        assert_eq!(back, ["24", "3", "7"].map(Into::into).into());
        assert_eq!(
            letters.resend(&wanted).await.unwrap(),
            0,
            "they are not there any more"
        );
        let rest: Vec<_> = all(&*letters, 100).await.into_iter().map(|(id, _)| id).collect();
        assert_eq!(letters.discard(&rest[..20]).await.unwrap(), 20);
        assert_eq!(letters.count().await.unwrap(), 2);
        let sent = letter(100).envelope;
        broker
            .emitter()
            .emit(std::slice::from_ref(&sent))
            .await
            .pop()
            .unwrap()
            .unwrap();
        assert_eq!(
            next(&mut second).await.envelope,
            sent,
            "nothing else came before it"
        );
        listener.close().await.unwrap();
        broker.emitter().close().await.unwrap();
    }
}

/// A consumer that gives a message back again and again: the broker's own limit makes it a dead letter, readable as one.
pub(crate) async fn the_brokers_own_limit_loses_nothing(port: u16) {
    let mut settings = patient(port, QueueType::Quorum);
    settings.delivery_limit = 100;
    let broker = AmqpBroker::connect(settings).unwrap();
    let letters = broker.dead_letters("stubborn");
    let listener = broker.listener();
    let mut stream = listener
        .subscribe(wanting("stubborn", &["event.created"]))
        .await
        .unwrap();
    let sent = letter(1).envelope;
    broker
        .emitter()
        .emit(std::slice::from_ref(&sent))
        .await
        .pop()
        .unwrap()
        .unwrap();
    for attempt in 1..=101 {
        let delivery = next(&mut stream).await;
        assert_eq!(delivery.attempt, attempt);
        delivery.nack(Duration::ZERO).await.unwrap();
    }
    eventually("the dead letter", || async {
        letters.count().await.unwrap() == 1
    })
    .await;
    let first = all(&*letters, 10).await;
    let (id, letter) = &first[0];
    assert_eq!(letter.envelope, sent);
    assert!(letter.reason.contains("delivery_limit"), "{}", letter.reason);
    assert_eq!(letter.consumer, "stubborn");
    assert_eq!(all(&*letters, 10).await[0].0, *id, "it keeps its id");
    assert_eq!(letters.resend(std::slice::from_ref(id)).await.unwrap(), 1);
    let delivery = next(&mut stream).await;
    assert_eq!(
        (&delivery.envelope, delivery.attempt),
        (&sent, 1),
        "sent back it starts over"
    );
    delivery.ack().await.unwrap();
    listener.close().await.unwrap();
}
