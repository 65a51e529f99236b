//! Dead letters: many of them, listed in pages, sent back to their consumer alone, dropped; and SQS's own limit.

use std::collections::BTreeSet;
use std::time::Duration;

use myevents_core::ErrorKind;
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{DeadLetter, DeadLetterId, DeadLetters, EventEmitter as _, EventListener as _};

use crate::common::{broker, client, eventually, patient, queue_of};
use crate::format::{next, wanting};
use crate::raw::url;

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

pub(crate) async fn are_kept_listed_sent_back_and_dropped(endpoint: &str, end: &str) {
    let mut config = patient(end);
    config.destinations = vec![queue_of(&config, "first"), queue_of(&config, "second")];
    let broker = broker(endpoint, config);
    let letters = broker.dead_letters("first").unwrap();
    assert_eq!(letters.count().await.unwrap(), 0, "there is no queue yet");
    assert!(letters.list(None, 10).await.unwrap().items.is_empty());
    let none = [DeadLetterId("none".into())];
    assert_eq!(letters.discard(&none).await.unwrap(), 0);
    assert_eq!(letters.resend(&none).await.unwrap(), 0);
    for number in 0..25 {
        letters.put(&letter(number)).await.unwrap();
    }
    assert_eq!(letters.count().await.unwrap(), 25);
    // Each listing takes all of them and gives them back: none is lost, their order stays.
    for limit in [7, 100] {
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
    // Sent back they reach their consumer, and not the other group that wants the same name; on a FIFO queue too, though
    // their messages were there less than five minutes ago.
    let listener = broker.listener();
    let mut first = listener
        .subscribe(wanting("first", &["event.created"]))
        .await
        .unwrap();
    let mut second = listener
        .subscribe(wanting("second", &["event.created"]))
        .await
        .unwrap();
    let published = letter(3).envelope;
    broker
        .emitter()
        .emit(std::slice::from_ref(&published))
        .await
        .pop()
        .unwrap()
        .unwrap();
    for stream in [&mut first, &mut second] {
        let delivery = next(stream).await;
        assert_eq!(delivery.envelope, published);
        delivery.ack().await.unwrap();
    }
    let listed = all(&*letters, 100).await;
    let chosen: Vec<DeadLetterId> = listed[3..6].iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(letters.resend(&chosen).await.unwrap(), 3);
    let mut came = BTreeSet::new();
    for _ in 0..3 {
        let delivery = next(&mut first).await;
        came.insert(delivery.envelope.id().to_string());
        assert_eq!(delivery.envelope.key(), "key");
        delivery.ack().await.unwrap();
    }
    let expected: BTreeSet<_> = (3..6).map(|number| format!("message-{number}")).collect();
    assert_eq!(came, expected);
    assert_eq!(
        letters.resend(&chosen).await.unwrap(),
        0,
        "they are no letters any more"
    );
    let dropped: Vec<DeadLetterId> = listed[6..20].iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(letters.discard(&dropped).await.unwrap(), 14);
    let left = all(&*letters, 100).await;
    assert_eq!(left.len(), 8);
    assert_eq!(letters.count().await.unwrap(), 8);
    // One that can't go back stops no other.
    let mut nameless = letter(30);
    nameless.envelope = Envelope::builder(
        MessageId::new("nameless"),
        MessageName::from_static("unreadable"),
        "",
    )
    .body("{}")
    .build();
    letters.put(&nameless).await.unwrap();
    letters.put(&letter(31)).await.unwrap();
    let listed = all(&*letters, 100).await;
    let both: Vec<DeadLetterId> = listed[8..].iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(both.len(), 2);
    let refused = letters.resend(&both).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Rejected);
    let delivery = next(&mut first).await;
    assert_eq!(delivery.envelope.id().as_str(), "message-31");
    delivery.ack().await.unwrap();
    assert_eq!(letters.count().await.unwrap(), 9);
    let silence = tokio::time::timeout(Duration::from_millis(300), next(&mut second)).await;
    assert!(silence.is_err(), "the other group got {silence:?}");
    listener.close().await.unwrap();
}

/// A message that kills every consumer is moved by SQS itself, far later; it is listed and can be sent back.
pub(crate) async fn the_limit_of_receives_loses_nothing(endpoint: &str, end: &str) {
    let mut config = patient(end);
    config.max_receives = 100;
    let queue = config.queue.clone();
    let broker = broker(endpoint, config);
    let sent = letter(1).envelope;
    let emitter = broker.emitter();
    emitter
        .emit(std::slice::from_ref(&sent))
        .await
        .pop()
        .unwrap()
        .unwrap();
    let raw = client(endpoint);
    let at = url(&raw, &queue).await;
    let letters = broker.dead_letters("suite").unwrap();
    let mut receives = 0;
    while receives < 110 {
        let received = raw
            .receive_message()
            .queue_url(&at)
            .visibility_timeout(0)
            .send()
            .await
            .unwrap();
        if received.messages().is_empty() {
            break;
        }
        receives += 1;
    }
    assert_eq!(receives, 100, "a net for what kills consumers, no more");
    eventually("the letter", || async { letters.count().await.unwrap() == 1 }).await;
    let (id, moved) = letters.list(None, 10).await.unwrap().items.remove(0);
    assert_eq!(moved.envelope, sent);
    assert!(moved.reason.contains("by SQS itself"), "{}", moved.reason);
    assert_eq!(
        (moved.consumer.as_str(), moved.origin.as_str()),
        ("suite", queue.as_str())
    );
    let listener = broker.listener();
    let mut stream = listener
        .subscribe(wanting("suite", &["event.created"]))
        .await
        .unwrap();
    assert_eq!(letters.resend(&[id]).await.unwrap(), 1);
    let delivery = next(&mut stream).await;
    assert_eq!((&delivery.envelope, delivery.attempt), (&sent, 1));
    delivery.ack().await.unwrap();
    assert_eq!(letters.count().await.unwrap(), 0);
    listener.close().await.unwrap();
}
