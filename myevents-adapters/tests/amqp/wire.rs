//! What is on the wire: recorded messages of the original Go services are read, ours are written byte for byte as the
//! contract says, in both spellings; and the queue `booking` as the original declares it is taken as it is.

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::amqp::lapin::message;
use myevents_adapters::amqp::lapin::types::AMQPValue;
use myevents_adapters::amqp::{AmqpBroker, QueueType};
use myevents_core::contract::{Envelope, EventCreated, Message as _, MessageId, MessageName, header};
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{DeadLetters as _, EventEmitter as _, EventListener as _};

use crate::beside::{Beside, named, next, wanting};
use crate::common::{patient, raw, unique};

/// The body as the original event service's encoder writes it: no spaces, dates with a zone, an id that Go printed from
/// raw bytes, so that it is no hex and holds U+FFFD.
const ORIGINAL_BODY: &str = "{\"id\":\"5a4a2d8b0000000000000001\",\"name\":\"opera aida\",\"location_id\":\"ZJ-\u{fffd}\\u0000\u{fffd}\",\"start_date\":\"1994-05-08T01:33:04Z\",\"end_date\":\"1994-05-08T03:32:24+02:00\"}";

pub(crate) async fn messages_of_the_original_are_read(port: u16) {
    let settings = patient(port, QueueType::Quorum);
    let beside = Beside::new(port, &settings).await;
    let broker = AmqpBroker::connect(settings).unwrap();
    let listener = broker.listener();
    let names = ["event.created", "location.created", "event.booked"];
    let mut stream = listener.subscribe(wanting("reading", &names)).await.unwrap();
    let bodies = [
        ("eventCreated", "event.created", ORIGINAL_BODY.to_owned()),
        (
            "locationCreated",
            "location.created",
            r#"{"id":"59ac","name":"hall","address":"a","country":"c","halls":null}"#.to_owned(),
        ),
        (
            "eventBooked",
            "event.booked",
            r#"{"eventId":"5a4a2d8b0000000000000001","userId":"someUserID"}"#.to_owned(),
        ),
    ];
    let mut ids = Vec::new();
    for (old, dotted, body) in &bodies {
        for spelling in [old, dotted] {
            beside.publish(spelling, body.as_bytes(), named(spelling)).await;
            let delivery = next(&mut stream).await;
            let envelope = &delivery.envelope;
            assert_eq!(envelope.name().as_str(), *dotted, "{spelling}");
            assert_eq!(
                envelope.body().as_ref(),
                body.as_bytes(),
                "the body is never changed"
            );
            assert_eq!((envelope.key(), envelope.time()), ("", UnixMillis(0)));
            assert!(envelope.headers().is_empty(), "{:?}", envelope.headers());
            assert_eq!(envelope.content_type(), "application/json");
            ids.push(envelope.id().clone());
            delivery.ack().await.unwrap();
        }
    }
    let first = EventCreated::decode(
        &Envelope::builder(ids[0].clone(), EventCreated::name(), "")
            .body(ORIGINAL_BODY)
            .build(),
    );
    let first = first.unwrap().0;
    assert_eq!(first.name, "opera aida");
    assert!(first.location_id.contains('\u{fffd}') && first.version.is_none());
    ids.sort();
    ids.dedup();
    assert_eq!(
        ids.len(),
        6,
        "a message without id gets a fresh one each time: two equal bookings are two"
    );
    listener.close().await.unwrap();
}

/// The whole of what the original's consumer looks at, and what CloudEvents' and RabbitMQ's own tools look at.
pub(crate) async fn legacy_names_send_what_the_original_needs(port: u16) {
    let mut settings = patient(port, QueueType::Quorum);
    settings.legacy_names = true;
    settings.required_names.clear();
    let beside = Beside::new(port, &settings).await;
    let queue = unique("original");
    beside.queue(&queue, "eventCreated").await;
    let broker = AmqpBroker::connect(settings).unwrap();
    let sent = ours("event.created");
    broker
        .emitter()
        .emit(std::slice::from_ref(&sent))
        .await
        .pop()
        .unwrap()
        .unwrap();
    let got = beside.get(&queue).await;
    assert_eq!(got.routing_key.as_str(), "eventCreated");
    assert_eq!(header_of(&got, "x-event-name"), "eventCreated");
    assert_eq!(
        header_of(&got, "cloudEvents:type"),
        "event.created",
        "the type is the dotted name"
    );
    assert_eq!(got.data, sent.body().as_ref());
    // One that the original does not know keeps its name.
    beside.queue(&queue, "event.updated").await;
    let sent = ours("event.updated");
    broker.emitter().emit(&[sent]).await.pop().unwrap().unwrap();
    assert_eq!(beside.get(&queue).await.routing_key.as_str(), "event.updated");
    broker.emitter().close().await.unwrap();
}

fn ours(name: &str) -> Envelope {
    Envelope::builder(
        MessageId::new("0198c2f0-0000-7000-8000-000000000001"),
        MessageName::from_wire(name),
        "5a4a2d8b0000000000000001",
    )
    .time(UnixMillis(1_500_000_000_123))
    .header(header::SOURCE, "/eventservice")
    .header(
        header::TRACEPARENT,
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    .header("x-mine", "1")
    .body(r#"{"id":"5a4a2d8b0000000000000001"}"#)
    .build()
}

fn header_of(got: &message::Delivery, name: &str) -> String {
    match got.properties.headers().as_ref().unwrap().inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("{name} is {other:?}"),
    }
}

pub(crate) async fn our_messages_are_as_the_contract_says(port: u16) {
    let settings = patient(port, QueueType::Quorum);
    let beside = Beside::new(port, &settings).await;
    let queue = unique("looking");
    beside.queue(&queue, "#").await;
    let broker = AmqpBroker::connect(settings).unwrap();
    let sent = ours("event.cancelled");
    broker
        .emitter()
        .emit(std::slice::from_ref(&sent))
        .await
        .pop()
        .unwrap()
        .unwrap();
    let got = beside.get(&queue).await;
    assert_eq!(got.routing_key.as_str(), "event.cancelled");
    let expected = [
        ("cloudEvents:id", "0198c2f0-0000-7000-8000-000000000001"),
        ("cloudEvents:partitionkey", "5a4a2d8b0000000000000001"),
        ("cloudEvents:source", "/eventservice"),
        ("cloudEvents:specversion", "1.0"),
        ("cloudEvents:time", "2017-07-14T02:40:00.123Z"),
        (
            "cloudEvents:traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        ("cloudEvents:type", "event.cancelled"),
        ("x-event-name", "event.cancelled"),
        ("x-mine", "1"),
    ];
    let headers: Vec<(String, String)> = got
        .properties
        .headers()
        .iter()
        .flat_map(|table| table.inner().keys())
        .map(|name| (name.to_string(), header_of(&got, name.as_str())))
        .collect();
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(headers, expected);
    let properties = &got.properties;
    assert_eq!(
        properties.message_id().as_ref().unwrap().as_str(),
        sent.id().as_str()
    );
    assert_eq!(*properties.timestamp(), Some(1_500_000_000));
    assert_eq!(*properties.delivery_mode(), Some(2), "persistent");
    assert_eq!(
        properties.content_type().as_ref().unwrap().as_str(),
        "application/json"
    );
    assert_eq!(got.data, sent.body().as_ref());
    // What carries no source, as CloudEvents want one, says whose it is, and comes back without.
    let bare = Envelope::builder(MessageId::new("bare"), MessageName::from_static("mine"), "").build();
    broker.emitter().emit(&[bare]).await.pop().unwrap().unwrap();
    assert_eq!(
        header_of(&beside.get(&queue).await, "cloudEvents:source"),
        "myevents:suite"
    );
    broker.emitter().close().await.unwrap();
}

pub(crate) async fn the_originals_queue_is_taken_as_it_is(port: u16) {
    let mut settings = patient(port, QueueType::Quorum);
    settings.queue = unique("booking");
    settings.service = "bookingservice".to_owned();
    let queue = settings.queue.clone();
    let beside = Beside::new(port, &settings).await;
    beside.queue(&queue, "eventCreated").await;
    // Left there by the original, and read by ours.
    beside
        .publish("eventCreated", ORIGINAL_BODY.as_bytes(), named("eventCreated"))
        .await;
    let broker = AmqpBroker::connect(settings.clone()).unwrap();
    let listener = broker.listener();
    let mut stream = listener
        .subscribe(wanting("bookingservice", &["event.created"]))
        .await
        .unwrap();
    let delivery = next(&mut stream).await;
    assert_eq!(delivery.envelope.body().as_ref(), ORIGINAL_BODY.as_bytes());
    assert_eq!((delivery.attempt, delivery.origin.as_str()), (1, queue.as_str()));
    // A classic queue tells only that it is not the first time.
    delivery.nack(Duration::ZERO).await.unwrap();
    let delivery = next(&mut stream).await;
    assert_eq!(delivery.attempt, 2);
    delivery.ack().await.unwrap();
    // The original declares exchange and queue anew at its every start: neither may have changed.
    let again = Beside::new(port, &settings).await;
    again.queue(&queue, "eventCreated").await;
    listener.close().await.unwrap();
}

pub(crate) async fn a_callers_own_connection_serves(port: u16) {
    let connection = raw(port).await;
    let settings = patient(port, QueueType::Quorum);
    let broker =
        AmqpBroker::from_connections(Arc::clone(&connection), Arc::clone(&connection), settings).unwrap();
    let (emitter, listener) = (broker.emitter(), broker.listener());
    let mut stream = listener
        .subscribe(wanting("own", &["event.created"]))
        .await
        .unwrap();
    let sent = ours("event.created");
    emitter
        .emit(std::slice::from_ref(&sent))
        .await
        .pop()
        .unwrap()
        .unwrap();
    let delivery = next(&mut stream).await;
    assert_eq!(delivery.envelope, sent);
    delivery.ack().await.unwrap();
    assert_eq!(broker.dead_letters("own").count().await.unwrap(), 0);
    listener.close().await.unwrap();
    emitter.close().await.unwrap();
    assert!(connection.status().connected(), "it is the caller's to close");
    // Gone, it is told as a broker that is away.
    let broker = AmqpBroker::from_connections(
        Arc::clone(&connection),
        Arc::clone(&connection),
        patient(port, QueueType::Quorum),
    );
    let emitter = broker.unwrap().emitter();
    // Closing is refused while one of its channels is still closing.
    while connection.status().connected() {
        let _refused = connection.close(200, "OK".into()).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = emitter.emit(&[sent]).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind(), myevents_core::ErrorKind::Unavailable, "{error}");
}
