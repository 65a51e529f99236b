//! Messages that are broken in every way, through the real projection: accepted or dead letters, and later ones flow.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;
use myevents_adapters::sqs::aws_sdk_sqs;
use myevents_core::ErrorKind;
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::dispatch::{Backoff, Dispatch, DispatchOptions};
use myevents_core::domain::EventId;
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{DatabaseHandler, DeadLetters, EventEmitter as _, SystemClock};
use myevents_core::projection;
use tokio_util::sync::CancellationToken;

use crate::common::{broker, client, eventually, patient};
use crate::raw::{put, text};

/// A sound body for this event.
fn event(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"n","location_id":"","start_date":"2030-01-01T20:00:00Z","end_date":"2030-01-01T22:00:00+01:00"}}"#
    )
}

fn id(number: u32) -> String {
    format!("{number:024x}")
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Handled,
    Letter,
    /// Nobody wants such a name.
    Ignored,
}

struct Case {
    what: &'static str,
    body: String,
    attributes: Vec<(&'static str, MessageAttributeValue)>,
    fate: Fate,
}

fn cases() -> Vec<Case> {
    use Fate::{Handled, Ignored, Letter};
    let case = |what, body: String, attributes, fate| Case {
        what,
        body,
        attributes,
        fate,
    };
    let sound = || ("event_name", text("eventCreated"));
    let of_type = |kind: &str, value: &str| {
        MessageAttributeValue::builder()
            .data_type(kind)
            .string_value(value)
            .build()
            .unwrap()
    };
    let binary = MessageAttributeValue::builder()
        .data_type("Binary")
        .binary_value(Blob::new([0xff, 0xfe, 0]))
        .build()
        .unwrap();
    let padding = "x".repeat(900_000);
    let mut padded = event(&id(3));
    padded.insert_str(padded.len() - 1, &format!(r#","padding":"{padding}""#));
    vec![
        case(
            "mangled headers",
            event(&id(1)),
            vec![
                sound(),
                ("headers", text(r#"{"id":7,"time":"yesterday","source":null}"#)),
            ],
            Handled,
        ),
        case(
            "headers that are no JSON, and others of wrong types",
            event(&id(2)),
            vec![
                sound(),
                ("headers", text("{")),
                ("number", of_type("Number", "7")),
                ("binary", binary.clone()),
            ],
            Handled,
        ),
        case("almost 1 MiB", padded, vec![sound()], Handled),
        case(
            "the name in the headers only",
            event(&id(4)),
            vec![("headers", text(r#"{"type":"event.created"}"#))],
            Handled,
        ),
        case(
            "marked as base64 and none",
            event(&id(5)),
            vec![sound(), ("encoding", text("base64"))],
            Handled,
        ),
        case("no attribute at all", event(&id(100)), vec![], Letter),
        case(
            "a name of another type",
            event(&id(101)),
            vec![("event_name", binary)],
            Letter,
        ),
        case(
            "a name nobody knows",
            event(&id(102)),
            vec![("event_name", text("no.such"))],
            Ignored,
        ),
        case("not JSON", "opera aida".to_owned(), vec![sound()], Letter),
        case(
            "as large as they come",
            "y".repeat(1_048_576 - 28),
            vec![sound()],
            Letter,
        ),
        case("an array", "[]".to_owned(), vec![sound()], Letter),
        case("1 MiB of nothing", "z".repeat(1_000_000), vec![sound()], Letter),
        case(
            "no dates",
            format!(r#"{{"id":"{}","name":"n"}}"#, id(103)),
            vec![sound()],
            Letter,
        ),
        case("a mangled id", event("ZJ-\u{fffd}"), vec![sound()], Letter),
        case("no id", r#"{"name":"n"}"#.to_owned(), vec![sound()], Letter),
    ]
}

pub(crate) async fn broken_messages_stop_nothing(endpoint: &str) {
    let config = patient("");
    let queue = config.queue.clone();
    let broker = broker(endpoint, config);
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let letters = broker.dead_letters("suite").unwrap();
    broker.declare("suite");
    let dispatch = projection::register(Dispatch::builder("suite"), store.clone())
        .dead_letters(letters.clone())
        .options(DispatchOptions {
            backoff: Backoff::new(Duration::from_millis(5), Duration::from_millis(20)),
            ..DispatchOptions::default()
        })
        .build()
        .unwrap();
    let raw = client(endpoint);
    eventually("the queue", || async {
        raw.get_queue_url().queue_name(&queue).send().await.is_ok()
    })
    .await;
    let stop = CancellationToken::new();
    let (listener, stopping) = (broker.listener(), stop.clone());
    let running = tokio::spawn(async move { dispatch.run(listener, stopping).await });
    let cases = cases();
    for case in &cases {
        put(&raw, &queue, &case.body, &case.attributes).await;
    }
    let there = async |number: u32| {
        let id = EventId::parse(&id(number)).unwrap();
        store.find_event(&id).await.unwrap().is_some()
    };
    for (number, case) in (1..).zip(cases.iter().filter(|case| case.fate == Fate::Handled)) {
        eventually(case.what, || there(number)).await;
    }
    let given_up: Vec<&Case> = cases.iter().filter(|case| case.fate == Fate::Letter).collect();
    eventually("the dead letters", || async {
        letters.count().await.unwrap() == u64::try_from(given_up.len()).unwrap()
    })
    .await;
    let listed = letters.list(None, 100).await.unwrap().items;
    for case in given_up {
        let found = listed
            .iter()
            .find(|(_, letter)| letter.envelope.body().as_ref() == case.body.as_bytes());
        let (_, letter) = found.unwrap_or_else(|| panic!("{} is no dead letter", case.what));
        assert_eq!(letter.attempts, 1, "{}: no second try can cure it", case.what);
        assert!(!letter.reason.is_empty());
    }
    for number in [100, 101, 102, 103] {
        assert!(!there(number).await, "{number}");
    }
    stop.cancel();
    running.await.unwrap().unwrap();
    what_sqs_does_not_carry_is_refused(&broker).await;
}

/// Names and sizes that SQS has no room for are refused as such, and the next message goes.
async fn what_sqs_does_not_carry_is_refused(broker: &myevents_adapters::sqs::SqsBroker) {
    let emitter = broker.emitter();
    let message = |name: &str| {
        let name = MessageName::from_wire(name);
        Envelope::builder(MessageId::new("one"), name, "").body("{}")
    };
    let envelopes = [
        message("a\u{1}").build(),
        message("").build(),
        message("a").header("large", "x".repeat(1_100_000)).build(),
        message("a").body(vec![b'1'; 204_801]).build(),
        Envelope::builder(
            MessageId::new(&"é ".repeat(200)),
            MessageName::from_static("a"),
            "key with spaces".repeat(100),
        )
        .header("odd\u{ffff}", "\u{fffe}\u{0}")
        .build(),
    ];
    let results = emitter.emit(&envelopes).await;
    let kinds: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(|error| error.kind()))
        .collect();
    let (rejected, large) = (Some(ErrorKind::Rejected), Some(ErrorKind::TooLarge));
    assert_eq!(kinds, [rejected, rejected, large, large, None]);
    emitter.close().await.unwrap();
}
