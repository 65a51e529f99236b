//! Messages that are broken in every way, through the real projection: accepted or dead letters, and later ones flow.

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::amqp::lapin::BasicProperties;
use myevents_adapters::amqp::lapin::types::{AMQPValue, DecimalValue, FieldArray, FieldTable};
use myevents_adapters::amqp::{AmqpBroker, QueueType};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::dispatch::{Backoff, Dispatch, DispatchOptions};
use myevents_core::domain::EventId;
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{DatabaseHandler, DeadLetters, EventEmitter as _, SystemClock};
use myevents_core::{ErrorKind, projection};
use tokio_util::sync::CancellationToken;

use crate::beside::{Beside, named};
use crate::common::{eventually, patient};

/// A sound body for this event.
fn event(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"n","location_id":"","start_date":"2030-01-01T20:00:00Z","end_date":"2030-01-01T22:00:00+01:00"}}"#
    )
}

fn id(number: u32) -> String {
    format!("{number:024x}")
}

/// How a message is broken, and whether it is handled all the same.
struct Case {
    what: &'static str,
    body: Vec<u8>,
    properties: BasicProperties,
    accepted: bool,
}

fn cases() -> Vec<Case> {
    let case = |what, body: String, properties, accepted| Case {
        what,
        body: body.into(),
        properties,
        accepted,
    };
    let sound = || named("eventCreated");
    let mut odd = FieldTable::default();
    odd.insert("x-event-name".into(), AMQPValue::LongInt(7));
    odd.insert(
        "list".into(),
        AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::Void])),
    );
    odd.insert("table".into(), AMQPValue::FieldTable(FieldTable::default()));
    odd.insert("flag".into(), AMQPValue::Boolean(true));
    odd.insert(
        "price".into(),
        AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 5 }),
    );
    odd.insert(
        "cloudEvents:time".into(),
        AMQPValue::LongString("yesterday".into()),
    );
    odd.insert("cloudEvents:id".into(), AMQPValue::LongLongInt(-1));
    odd.insert("text".into(), AMQPValue::LongString(vec![0xff, 0xfe, 0].into()));
    let mut empty_name = FieldTable::default();
    empty_name.insert("x-event-name".into(), AMQPValue::LongString("".into()));
    let padded = |number, bytes: usize| {
        let mut body = event(&id(number));
        body.insert_str(body.len() - 1, &format!(r#","padding":"{}""#, "x".repeat(bytes)));
        body
    };
    vec![
        case(
            "no header at all",
            event(&id(1)),
            BasicProperties::default(),
            true,
        ),
        case(
            "headers of wrong types",
            event(&id(2)),
            BasicProperties::default().with_headers(odd),
            true,
        ),
        case(
            "an empty name",
            event(&id(3)),
            BasicProperties::default().with_headers(empty_name),
            true,
        ),
        case(
            "an empty message id",
            event(&id(4)),
            sound().with_message_id("".into()),
            true,
        ),
        case(
            "the type of something else",
            event(&id(5)),
            sound().with_content_type("image/png".into()),
            true,
        ),
        case("1 MiB", padded(6, 1 << 20), sound(), true),
        case(
            "a name nobody knows",
            event(&id(100)),
            named("no.such.thing"),
            false,
        ),
        case("not JSON", "opera aida".to_owned(), sound(), false),
        case("nothing", String::new(), sound(), false),
        case("an array", "[]".to_owned(), sound(), false),
        case("1 MiB of nothing", "\0".repeat(1 << 20), sound(), false),
        case(
            "no dates",
            format!(r#"{{"id":"{}","name":"n"}}"#, id(101)),
            sound(),
            false,
        ),
        case(
            "a date without zone",
            event(&id(102)).replace("22:00:00+01:00", "22:00:00"),
            sound(),
            false,
        ),
        case("a mangled id", event("ZJ-\u{fffd}\u{1}"), sound(), false),
        case(
            "an id of another type",
            event(&id(103)).replace(&format!(r#""{}""#, id(103)), "7"),
            sound(),
            false,
        ),
        case("no id", r#"{"name":"n"}"#.to_owned(), sound(), false),
    ]
}

pub(crate) async fn broken_messages_stop_nothing(port: u16) {
    let settings = patient(port, QueueType::Quorum);
    let beside = Beside::new(port, &settings).await;
    let broker = AmqpBroker::connect(settings).unwrap();
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let letters = broker.dead_letters("projecting");
    broker.declare("projecting", &projection::subscribe_names());
    let dispatch = projection::register(Dispatch::builder("projecting"), store.clone())
        .dead_letters(letters.clone())
        .options(DispatchOptions {
            backoff: Backoff::new(Duration::from_millis(5), Duration::from_millis(20)),
            ..DispatchOptions::default()
        })
        .build()
        .unwrap();
    let stop = CancellationToken::new();
    let (listener, stopping) = (broker.listener(), stop.clone());
    let running = tokio::spawn(async move { dispatch.run(listener, stopping).await });
    // The group is there once a required name is routed to it.
    let emitter = broker.emitter();
    let first = Envelope::builder(
        MessageId::new("first"),
        MessageName::from_static("event.created"),
        "",
    )
    .body(event(&id(50)))
    .build();
    eventually("the group", || async {
        emitter
            .emit(std::slice::from_ref(&first))
            .await
            .pop()
            .unwrap()
            .is_ok()
    })
    .await;
    let cases = cases();
    let refused = cases
        .iter()
        .filter(|case| !case.accepted && case.what != "a name nobody knows")
        .count();
    for case in &cases {
        beside
            .publish("eventCreated", &case.body, case.properties.clone())
            .await;
    }
    // The last one comes after all of them.
    beside
        .publish("eventCreated", event(&id(99)).as_bytes(), named("eventCreated"))
        .await;
    let there = async |number: u32| {
        let id = EventId::parse(&id(number)).unwrap();
        store.find_event(&id).await.unwrap().is_some()
    };
    eventually("the last event", || there(99)).await;
    for number in 1..=6 {
        assert!(there(number).await, "{}", cases[number as usize - 1].what);
    }
    assert!(!there(100).await, "the header says the name, not the routing key");
    eventually("the dead letters", || async {
        letters.count().await.unwrap() == u64::try_from(refused).unwrap()
    })
    .await;
    let listed = letters.list(None, 100).await.unwrap().items;
    for case in cases
        .iter()
        .filter(|case| !case.accepted && case.what != "a name nobody knows")
    {
        let found = listed
            .iter()
            .find(|(_, letter)| letter.envelope.body().as_ref() == case.body.as_slice());
        let (_, letter) = found.unwrap_or_else(|| panic!("{} is no dead letter", case.what));
        assert_eq!(letter.attempts, 1, "{}: no second try can cure it", case.what);
        assert!(!letter.reason.is_empty());
    }
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// Names and headers that AMQP has no room for are refused as such, and the next message goes.
pub(crate) async fn what_amqp_cannot_carry_is_refused(port: u16) {
    let broker = AmqpBroker::connect(patient(port, QueueType::Quorum)).unwrap();
    let emitter = broker.emitter();
    let long = "x".repeat(300);
    let message = |name: &str| {
        let name = MessageName::from_wire(name);
        Envelope::builder(MessageId::new("one"), name, "")
    };
    let envelopes = [
        message(&long).build(),
        message("a").content_type(&long).build(),
        message("a").header(&long, "value").build(),
        message("a").header("large", "x".repeat(200_000)).build(),
        Envelope::builder(
            MessageId::new(&long),
            MessageName::from_static("a"),
            "x".repeat(1_000),
        )
        .build(),
    ];
    let results = emitter.emit(&envelopes).await;
    let kinds: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(|error| error.kind()))
        .collect();
    let rejected = Some(ErrorKind::Rejected);
    assert_eq!(
        kinds,
        [rejected, rejected, rejected, Some(ErrorKind::TooLarge), None]
    );
    emitter.ping().await.unwrap();
    emitter.close().await.unwrap();
}
