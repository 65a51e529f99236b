//! Envelope → SQS message: the body as it is, the routing name and the metadata in two attributes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use myevents_core::contract::{CONTENT_TYPE_JSON, Envelope, header};
use myevents_core::domain::Fingerprint;
use myevents_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::config::SqsConfig;

/// The name of a message that has none.
pub(super) const NAMELESS: &str = "unreadable";
/// The routing name; the original services use this attribute too.
pub(super) const EVENT_NAME: &str = "event_name";
/// JSON: metadata under the names of CloudEvents, and the headers of the message.
pub(super) const HEADERS: &str = "headers";
/// `base64` where the body is no JSON: the body is then a JSON string of it.
pub(super) const ENCODING: &str = "encoding";
pub(super) const BASE64_WORD: &str = "base64";
/// The most that a body may become as base64, so that the attributes have room beside it.
const MOST_ENCODED: usize = 1_000_000;
/// What each attribute says of its value.
pub(crate) const STRING: &str = "String";

/// Names in [`HEADERS`] that are ours; a header of the message that is named so does not travel.
const RESERVED: [&str; 6] = [
    "id",
    "type",
    "time",
    "specversion",
    "partitionkey",
    "datacontenttype",
];
/// Sent where a message names no source, as CloudEvents wants one. Not shown to readers.
pub(super) const NO_SOURCE: &str = "urn:myevents:none";
/// The longest group and deduplication id.
const LONGEST_ID: usize = 128;
/// Group of bytes that are hashed, so that they do not run together with those of others.
const LONG_ID: &str = "sqs id";

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) body: String,
    pub(crate) attributes: Vec<(&'static str, String)>,
    /// For FIFO queues.
    pub(crate) fifo: Option<Fifo>,
    /// Whether nobody listening is an error.
    pub(crate) required: bool,
}

/// What a FIFO queue wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fifo {
    /// Messages of one group keep their order.
    pub(crate) group: String,
    /// A second message of this id within five minutes is taken and not delivered.
    pub(crate) once: String,
}

impl Outgoing {
    /// What counts towards the limit of a request.
    pub(crate) fn bytes(&self) -> usize {
        let attribute = |(name, value): &(&'static str, String)| name.len() + STRING.len() + value.len();
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }
}

/// What is sent for an envelope.
///
/// # Errors
/// `TooLarge` for the body, or all together; `Rejected` for a name that SQS does not carry.
pub(super) fn encode(envelope: &Envelope, config: &SqsConfig, most_bytes: usize) -> Result<Outgoing> {
    let too_large = |bytes, most| {
        Error::new(ErrorKind::TooLarge, "publish", "the message is too large")
            .with("bytes", bytes)
            .with("most", most)
    };
    let largest = config.largest_body();
    if envelope.body().len() > largest {
        return Err(too_large(envelope.body().len(), largest));
    }
    let name = envelope.name().on_wire(config.legacy_names);
    let fifo = config.is_fifo().then(|| fifo(envelope));
    let message = Outgoing {
        required: config.required_names.contains(envelope.name()),
        ..write(envelope, name, fifo)?
    };
    if message.bytes() > most_bytes {
        return Err(too_large(message.bytes(), most_bytes));
    }
    Ok(message)
}

/// The group and the id of an envelope that is published.
fn fifo(envelope: &Envelope) -> Fifo {
    let once = id_of(envelope.id().as_str());
    let group = match envelope.key() {
        // Nothing has to wait for a message that belongs to nothing.
        "" => once.clone(),
        key => id_of(key),
    };
    Fifo { group, once }
}

/// The group of an envelope's key, for messages that are sent again.
pub(super) fn fifo_again(envelope: &Envelope, once: &str) -> Fifo {
    Fifo {
        once: id_of(once),
        ..fifo(envelope)
    }
}

/// `text` where it can be a group's or deduplication id, else a digest of it.
pub(super) fn id_of(text: &str) -> String {
    let fits = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return text.to_owned();
    }
    let digest = Fingerprint::of(LONG_ID).field(text.as_bytes()).finish();
    format!("sha-{}", HEXLOWER.encode(digest.as_bytes()))
}

/// The message for an envelope under this name.
///
/// # Errors
/// `Rejected` for a name that SQS does not carry.
pub(super) fn write(envelope: &Envelope, name: &str, fifo: Option<Fifo>) -> Result<Outgoing> {
    if name.is_empty() || !name.chars().all(is_carried) {
        return Err(Error::new(
            ErrorKind::Rejected,
            "publish",
            "SQS does not carry this message's name",
        ));
    }
    let mut attributes = vec![(EVENT_NAME, name.to_owned()), (HEADERS, headers(envelope))];
    let body = match as_json(envelope.body()) {
        Some(json) => json.to_owned(),
        None => {
            // A string of JSON is never empty, as the body of a message must not be.
            let encoded = format!("\"{}\"", BASE64.encode(envelope.body()));
            match carried(envelope.body()) {
                // It came so from somebody else, and goes to the dead letters.
                Some(text) if encoded.len() > MOST_ENCODED && !text.is_empty() => text.to_owned(),
                _ => {
                    attributes.push((ENCODING, BASE64_WORD.to_owned()));
                    encoded
                }
            }
        }
    };
    Ok(Outgoing {
        body,
        attributes,
        fifo,
        required: false,
    })
}

/// The body where it can travel as it is.
fn as_json(body: &[u8]) -> Option<&str> {
    let text = carried(body)?;
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    is_json.then_some(text)
}

/// The body where it is text that SQS carries.
fn carried(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    text.chars().all(is_carried).then_some(text)
}

/// What bodies and values may hold: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>.
fn is_carried(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// JSON of which every character is carried.
pub(super) fn json(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().all(is_carried) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 12);
    for c in text.chars() {
        if is_carried(c) {
            escaped.push(c);
        } else {
            // Such a character stands inside a string, and has one unit.
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    escaped
}

fn headers(envelope: &Envelope) -> String {
    let mut all = Map::new();
    let mut put = |name: &str, value: &str| all.insert(name.to_owned(), Value::from(value));
    put("specversion", "1.0");
    put("id", envelope.id().as_str());
    put("type", envelope.name().as_str());
    put(header::SOURCE, NO_SOURCE);
    if let Ok(time) = Timestamp::from_millisecond(envelope.time().0) {
        put("time", &time.to_string());
    }
    if !envelope.key().is_empty() {
        put("partitionkey", envelope.key());
    }
    if envelope.content_type() != CONTENT_TYPE_JSON {
        put("datacontenttype", envelope.content_type());
    }
    for (name, value) in envelope.headers() {
        if !RESERVED.contains(&name.as_str()) {
            put(name, value);
        }
    }
    json(&Value::Object(all))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
    use bytes::Bytes;
    use myevents_core::contract::{MessageId, MessageName};
    use myevents_core::domain::UnixMillis;
    use proptest::prelude::*;

    use super::super::incoming::{attempt, decode};
    use super::*;

    fn received(sent: &Outgoing) -> Message {
        let mut message = Message::builder().message_id("sqs-1").body(&sent.body);
        for (name, value) in &sent.attributes {
            let value = MessageAttributeValue::builder()
                .data_type(STRING)
                .string_value(value)
                .build()
                .unwrap();
            message = message.message_attributes(*name, value);
        }
        message
            .attributes(MessageSystemAttributeName::SentTimestamp, "1700000000123")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "3")
            .attributes(MessageSystemAttributeName::MessageGroupId, "g")
            .build()
    }

    fn envelope(body: impl Into<Bytes>) -> Envelope {
        Envelope::builder(
            MessageId::new("m-1"),
            MessageName::from_wire("event.created"),
            "k",
        )
        .time(UnixMillis(1_700_000_000_001))
        .header("traceparent", "00-aa-bb-01")
        .header("source", "/eventservice")
        .header("x-own", "a, b")
        .body(body)
        .build()
    }

    fn config(queue: &str) -> SqsConfig {
        SqsConfig::new("suite", queue)
    }

    #[test]
    fn the_body_travels_as_it_is_and_the_metadata_in_one_attribute() {
        let mut legacy = config("events.fifo");
        legacy.legacy_names = true;
        let sent = encode(&envelope(r#"{ "id":"a" }"#), &legacy, 1_000_000).unwrap();
        assert_eq!(sent.body, r#"{ "id":"a" }"#);
        assert_eq!(
            sent.attributes,
            [
                ("event_name", "eventCreated".to_owned()),
                (
                    "headers",
                    concat!(
                        r#"{"id":"m-1","partitionkey":"k","source":"/eventservice","specversion":"1.0","#,
                        r#""time":"2023-11-14T22:13:20.001Z","traceparent":"00-aa-bb-01","#,
                        r#""type":"event.created","x-own":"a, b"}"#
                    )
                    .to_owned()
                ),
            ]
        );
        assert_eq!(
            sent.fifo,
            Some(Fifo {
                group: "k".to_owned(),
                once: "m-1".to_owned()
            })
        );
        let plain = encode(&envelope("{}"), &config("events"), 1_000_000).unwrap();
        assert_eq!(plain.fifo, None);
        assert_eq!(decode(&received(&sent)).unwrap(), envelope(r#"{ "id":"a" }"#));
        assert_eq!(attempt(&received(&sent)), 3);
    }

    #[test]
    fn what_is_not_json_travels_as_base64_with_a_marker() {
        for (body, text) in [
            (&b"plain words"[..], r#""cGxhaW4gd29yZHM=""#),
            (b"", r#""""#),
            (b"\xff\xfe", r#""//4=""#),
            // JSON, with a character that SQS does not carry.
            ("\"\u{ffff}\"".as_bytes(), r#""Iu+/vyI=""#),
        ] {
            let sent = write(&envelope(body.to_vec()), "x", None).unwrap();
            assert_eq!(sent.body, text);
            assert_eq!(sent.attributes[2], ("encoding", "base64".to_owned()));
            let mut got = sent.clone();
            got.attributes[0].1 = "event.created".to_owned();
            assert_eq!(decode(&received(&got)).unwrap(), envelope(body.to_vec()));
        }
    }

    #[test]
    fn a_message_of_the_original_services_is_read() {
        let sent = Outgoing {
            body: r#"{"eventId":"5a","userId":"someUserID"}"#.to_owned(),
            attributes: vec![("event_name", "eventBooked".to_owned())],
            fifo: None,
            required: false,
        };
        let read = decode(&received(&sent)).unwrap();
        assert_eq!(read.name().as_str(), "event.booked");
        assert_eq!(read.id().as_str(), "sqs-1");
        assert_eq!(read.key(), "g");
        assert_eq!(read.time(), UnixMillis(1_700_000_000_123));
        assert!(read.headers().is_empty());
    }

    #[test]
    fn mangled_metadata_spoils_no_message_and_one_without_a_name_is_told() {
        let mut sent = Outgoing {
            body: "{}".to_owned(),
            attributes: vec![("headers", "not JSON".to_owned())],
            fifo: None,
            required: false,
        };
        let unreadable = decode(&received(&sent)).unwrap_err();
        assert_eq!(
            (unreadable.name().as_str(), &unreadable.body()[..]),
            ("unreadable", &b"{}"[..])
        );
        sent.attributes[0].1 = r#"{"type":"eventCreated","id":"","time":"yesterday","n":7}"#.to_owned();
        let read = decode(&received(&sent)).unwrap();
        assert_eq!(
            (read.name().as_str(), read.id().as_str()),
            ("event.created", "sqs-1")
        );
        assert_eq!(read.time(), UnixMillis(1_700_000_000_123));
        sent.attributes.push(("encoding", "base64".to_owned()));
        sent.body = "%%".to_owned();
        assert_eq!(&decode(&received(&sent)).unwrap().body()[..], b"%%");
    }

    #[test]
    fn what_can_not_be_an_id_is_hashed() {
        assert_eq!(id_of("a1-_b/c"), "a1-_b/c");
        for odd in ["", "with space", "é", &"x".repeat(129)] {
            let id = id_of(odd);
            assert!(id.starts_with("sha-") && id.len() == 36, "{id}");
            assert_eq!(id, id_of(odd));
        }
        assert_ne!(id_of("a b"), id_of("a c"));
        let keyless = Envelope::builder(MessageId::new("m"), MessageName::from_static("x"), "").build();
        assert_eq!(fifo(&keyless).group, "m", "it waits for nothing");
        assert_eq!(fifo_again(&keyless, "n").once, "n");
    }

    #[test]
    fn names_that_sqs_does_not_carry_and_what_is_too_large_are_refused() {
        for name in ["", "a\u{1}b", "a\u{ffff}"] {
            let error = write(&envelope("{}"), name, None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
        }
        let large = envelope(vec![b'1'; 204_801]);
        let kind = |envelope, most| encode(envelope, &config("q"), most).unwrap_err().kind();
        assert_eq!(kind(&large, 1_000_000), ErrorKind::TooLarge);
        let padded = Envelope::builder(MessageId::new("m"), MessageName::from_static("x"), "")
            .header("large", "x".repeat(2_000))
            .body("{}")
            .build();
        assert_eq!(kind(&padded, 1_000), ErrorKind::TooLarge);
    }

    proptest! {
        #[test]
        fn every_message_comes_back(
            body in prop::collection::vec(any::<u8>(), 0..200),
            text in any::<String>(),
            key in any::<String>(),
            value in any::<String>(),
        ) {
            for body in [body, text.into_bytes()] {
                let sent = Envelope::builder(MessageId::new("m"), MessageName::from_static("x.y"), key.as_str())
                    .time(UnixMillis(1))
                    .header("x-own", value.as_str())
                    .content_type("text/plain")
                    .body(body)
                    .build();
                let wire = write(&sent, "x.y", None).unwrap();
                prop_assert!(!wire.body.is_empty());
                let all = wire.attributes.iter().map(|(_, value)| value).chain([&wire.body]);
                prop_assert!(all.flat_map(|text| text.chars()).all(is_carried));
                prop_assert_eq!(decode(&received(&wire)).unwrap(), sent);
            }
        }
    }
}
