//! What is on the wire: our messages as the contract says, those of the original services, and the queues themselves.

use std::time::Duration;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use futures_util::StreamExt as _;
use myevents_adapters::sqs::aws_sdk_sqs;
use myevents_core::ErrorKind;
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{
    Delivery, DeliveryStream, EventEmitter as _, EventListener as _, StartFrom, Subscription,
};
use serde_json::{Value, json};

use crate::common::{broker, client, patient, queue_of};
use crate::raw::{put, take, text, url};

pub(crate) fn wanting(group: &str, names: &[&'static str]) -> Subscription {
    Subscription {
        group: group.to_owned(),
        names: names.iter().map(|name| MessageName::from_static(name)).collect(),
        prefetch: 8,
        from: StartFrom::Now,
    }
}

pub(crate) async fn next(stream: &mut DeliveryStream) -> Delivery {
    tokio::time::timeout(Duration::from_secs(60), stream.next())
        .await
        .expect("a delivery comes")
        .expect("the stream goes on")
}

fn created() -> Envelope {
    Envelope::builder(
        MessageId::new("0197-m"),
        MessageName::from_static("event.created"),
        "5a1b",
    )
    .time(UnixMillis(1_700_000_000_001))
    .header("source", "/eventservice")
    .header(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    .header("x-own", "1")
    .body(r#"{"id": "5a1b", "name": "opera äida"}"#)
    .build()
}

pub(crate) async fn our_messages_are_as_the_contract_says(endpoint: &str) {
    for (end, legacy) in [("", false), (".fifo", true)] {
        let raw = client(endpoint);
        let mut config = patient(end);
        config.legacy_names = legacy;
        let queue = config.queue.clone();
        let emitter = broker(endpoint, config).emitter();
        let plain = Envelope::builder(MessageId::new("b"), MessageName::from_static("other"), "")
            .content_type("text/plain")
            .body("plain words")
            .build();
        for message in [created(), plain] {
            emitter.emit(&[message]).await.pop().unwrap().unwrap();
        }
        let (mut first, mut second) = (
            take(&raw, &queue).await.unwrap(),
            take(&raw, &queue).await.unwrap(),
        );
        if first.body().unwrap().starts_with('"') {
            // A standard queue has no order.
            std::mem::swap(&mut first, &mut second);
        }
        assert_eq!(first.body(), Some(r#"{"id": "5a1b", "name": "opera äida"}"#));
        let attributes = first.message_attributes().unwrap();
        assert_eq!(attributes.len(), 2, "SQS has room for ten");
        let value = |name: &str| attributes[name].string_value().unwrap();
        assert_eq!(attributes["event_name"].data_type(), "String");
        assert_eq!(
            value("event_name"),
            if legacy { "eventCreated" } else { "event.created" }
        );
        let headers: Value = serde_json::from_str(value("headers")).unwrap();
        let expected = json!({
            "specversion": "1.0", "id": "0197-m", "source": "/eventservice", "type": "event.created",
            "time": "2023-11-14T22:13:20.001Z", "partitionkey": "5a1b",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x-own": "1",
        });
        assert_eq!(headers, expected);
        let system = |name| first.attributes().unwrap().get(&name).map(String::as_str);
        let fifo = !end.is_empty();
        assert_eq!(
            system(MessageSystemAttributeName::MessageGroupId),
            fifo.then_some("5a1b")
        );
        assert_eq!(
            system(MessageSystemAttributeName::MessageDeduplicationId),
            fifo.then_some("0197-m")
        );
        assert_eq!(second.body(), Some(r#""cGxhaW4gd29yZHM=""#));
        let attributes = second.message_attributes().unwrap();
        assert_eq!(attributes["encoding"].string_value(), Some("base64"));
    }
}

pub(crate) async fn messages_of_the_original_are_read(endpoint: &str) {
    let raw = client(endpoint);
    let config = patient("");
    let queue = config.queue.clone();
    let listener = broker(endpoint, config).listener();
    // The group of the service's own name has the queue itself.
    let mut stream = listener
        .subscribe(wanting("suite", &["event.created", "event.booked"]))
        .await
        .unwrap();
    let body = r#"{"eventId":"5a1b","userId":"someUserID"}"#;
    for name in ["eventBooked", "event.booked"] {
        put(&raw, &queue, body, &[("event_name", text(name))]).await;
        let delivery = next(&mut stream).await;
        let envelope = &delivery.envelope;
        assert_eq!(envelope.name().as_str(), "event.booked");
        assert_eq!(&envelope.body()[..], body.as_bytes());
        assert!(envelope.headers().is_empty() && envelope.key().is_empty());
        assert_eq!(
            envelope.id().as_str().len(),
            36,
            "SQS's own id: {}",
            envelope.id()
        );
        assert!(envelope.time().0 > 1_700_000_000_000);
        assert_eq!((delivery.attempt, delivery.origin.as_str()), (1, queue.as_str()));
        delivery.ack().await.unwrap();
    }
    listener.close().await.unwrap();
}

pub(crate) async fn queues_are_made_as_documented(endpoint: &str) {
    for end in ["", ".fifo"] {
        let raw = client(endpoint);
        let config = patient(end);
        let queue = config.queue.clone();
        let emitter = broker(endpoint, config).emitter();
        emitter.emit(&[created()]).await.pop().unwrap().unwrap();
        let found = raw
            .get_queue_attributes()
            .queue_url(url(&raw, &queue).await)
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .unwrap();
        let attributes = found.attributes().unwrap();
        let redrive: Value = serde_json::from_str(&attributes[&QueueAttributeName::RedrivePolicy]).unwrap();
        let limit = redrive["maxReceiveCount"].to_string();
        assert_eq!(limit.trim_matches('"'), "1000", "a net, no more");
        let dead = match queue.strip_suffix(".fifo") {
            Some(base) => format!("{base}-dead.fifo"),
            None => format!("{queue}-dead"),
        };
        assert!(redrive["deadLetterTargetArn"].as_str().unwrap().ends_with(&dead));
        assert_eq!(attributes[&QueueAttributeName::VisibilityTimeout], "30");
        url(&raw, &dead).await;
    }
}

pub(crate) async fn a_missing_queue_is_told_and_not_made(endpoint: &str) {
    let mut config = patient(".fifo");
    config.create_queues = false;
    let queue = config.queue.clone();
    let broker = broker(endpoint, config);
    let emitter = broker.emitter();
    let error = emitter.emit(&[created()]).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unroutable);
    let said = error.to_string();
    assert!(
        said.contains("sqs_create_queues") && said.contains(&queue),
        "{said}"
    );
    assert_eq!(emitter.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    // A listener waits for it, and works once somebody made it.
    let listener = broker.listener();
    let mut stream = listener
        .subscribe(wanting("suite", &["event.created"]))
        .await
        .unwrap();
    let raw = client(endpoint);
    let made = raw
        .create_queue()
        .queue_name(&queue)
        .attributes(QueueAttributeName::FifoQueue, "true");
    made.send().await.unwrap();
    emitter.emit(&[created()]).await.pop().unwrap().unwrap();
    next(&mut stream).await.ack().await.unwrap();
    emitter.ping().await.unwrap();
    listener.close().await.unwrap();
}

pub(crate) async fn what_a_group_does_not_want_is_deleted(endpoint: &str) {
    let mut config = patient("");
    config.destinations = vec![queue_of(&config, "picky"), queue_of(&config, "other")];
    let broker = broker(endpoint, config.clone());
    let listener = broker.listener();
    let mut picky = listener
        .subscribe(wanting("picky", &["event.cancelled"]))
        .await
        .unwrap();
    let mut other = listener.subscribe(wanting("other", &[])).await.unwrap();
    let wanted = Envelope::builder(
        MessageId::new("w"),
        MessageName::from_static("event.cancelled"),
        "k",
    )
    .body("{}")
    .build();
    for result in broker.emitter().emit(&[created(), wanted.clone()]).await {
        result.unwrap();
    }
    let delivery = next(&mut picky).await;
    assert_eq!(delivery.envelope, wanted);
    delivery.ack().await.unwrap();
    for _ in 0..2 {
        next(&mut other).await.ack().await.unwrap();
    }
    let raw = client(endpoint);
    crate::common::eventually("empty queues", || async {
        let mut left = 0;
        for queue in &config.destinations {
            let found = raw
                .get_queue_attributes()
                .queue_url(url(&raw, queue).await)
                .attribute_names(QueueAttributeName::All)
                .send()
                .await
                .unwrap();
            let number = |name| found.attributes().unwrap()[&name].parse::<u64>().unwrap();
            left += number(QueueAttributeName::ApproximateNumberOfMessages)
                + number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
        }
        left == 0
    })
    .await;
    listener.close().await.unwrap();
}
