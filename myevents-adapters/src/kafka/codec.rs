//! Envelope ↔ Kafka record: the value as the original services write it, metadata in headers named by CloudEvents.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use jiff::Timestamp;
use myevents_core::contract::{CONTENT_TYPE_JSON, Envelope, MessageId, MessageName, header, why_unreadable};
use myevents_core::domain::UnixMillis;
use myevents_core::{Error, ErrorKind, Result};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

const ID: &str = "ce_id";
const TYPE: &str = "ce_type";
const TIME: &str = "ce_time";
const SOURCE: &str = "ce_source";
const SPEC: &str = "ce_specversion";
const KEY: &str = "ce_partitionkey";
const TRACE: &str = "ce_traceparent";
/// That of the record's value, which is JSON whatever the body is.
const VALUE_TYPE: &str = "content-type";
/// Sent where a message names no source, as CloudEvents wants one. Not shown to readers.
const NO_SOURCE: &str = "urn:myevents:none";
/// Headers of ours, which a message's own headers can't be named as.
const RESERVED: [&str; 8] = [ID, TYPE, TIME, SOURCE, SPEC, KEY, TRACE, VALUE_TYPE];

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with(super::letters::PREFIX)
}

/// The value of a record.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Value<'a> {
    #[serde(borrow, default)]
    event_name: Cow<'a, str>,
    /// The body's media type, where it is not JSON's usual one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    payload_type: Option<Cow<'a, str>>,
    /// `base64` where the body is not JSON.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    payload_encoding: Option<Cow<'a, str>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    payload: Option<&'a RawValue>,
}

/// `null` is a body too.
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A record's value and headers; its key is the envelope's.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) value: Vec<u8>,
    pub(super) headers: OwnedHeaders,
}

/// What a record holds that is no message of ours nor of the original services, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) Cow<'static, str>);

pub(super) fn encode(envelope: &Envelope, legacy_names: bool) -> Result<Encoded> {
    let fault = |error: serde_json::Error| {
        Error::new(
            ErrorKind::Rejected,
            "publish",
            "the message can't be written as JSON",
        )
        .with("message", envelope.id())
        .caused_by(error)
    };
    let body = envelope.body();
    // JSON with white space around it would come back without: it goes byte for byte.
    let json: Option<&RawValue> = serde_json::from_slice(body)
        .ok()
        .filter(|raw: &&RawValue| raw.get().len() == body.len());
    let text;
    let (payload, encoding) = match json {
        Some(raw) => (raw, None),
        None => {
            text = RawValue::from_string(format!("\"{}\"", BASE64.encode(body))).map_err(fault)?;
            (&*text, Some("base64".into()))
        }
    };
    let content_type = envelope.content_type();
    let value = serde_json::to_vec(&Value {
        event_name: envelope.name().on_wire(legacy_names).into(),
        payload_type: (content_type != CONTENT_TYPE_JSON).then(|| content_type.into()),
        payload_encoding: encoding,
        payload: Some(payload),
    })
    .map_err(fault)?;
    Ok(Encoded {
        value,
        headers: headers(envelope),
    })
}

fn headers(envelope: &Envelope) -> OwnedHeaders {
    let own = envelope.headers();
    let add = |headers: OwnedHeaders, key: &str, value: &str| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    };
    let mut headers = OwnedHeaders::new_with_capacity(own.len() + RESERVED.len());
    headers = add(headers, SPEC, "1.0");
    headers = add(headers, ID, envelope.id().as_str());
    headers = add(headers, TYPE, envelope.name().as_str());
    headers = add(headers, VALUE_TYPE, CONTENT_TYPE_JSON);
    let source = own.get(header::SOURCE).map_or(NO_SOURCE, String::as_str);
    headers = add(headers, SOURCE, source);
    if let Ok(time) = Timestamp::from_millisecond(envelope.time().0) {
        headers = add(headers, TIME, &time.to_string());
    }
    if !envelope.key().is_empty() {
        headers = add(headers, KEY, envelope.key());
    }
    for (name, value) in own {
        match name.as_str() {
            header::SOURCE => {}
            header::TRACEPARENT => headers = add(headers, TRACE, value),
            // Kafka's names end at a NUL, and ours are taken.
            name if name.contains('\0') || is_reserved(name) => {}
            name => headers = add(headers, name, value),
        }
    }
    headers
}

/// Where a record lies, for people, and as the id of a message that has none.
pub(super) fn origin(record: &impl Message) -> String {
    format!("{}/{}/{}", record.topic(), record.partition(), record.offset())
}

/// The message in a record; `key` instead of the record's own, where that means something else.
pub(super) fn decode(record: &impl Message, key: Option<&str>) -> std::result::Result<Envelope, Unreadable> {
    let unreadable = |why: &'static str| Err(Unreadable(why.into()));
    let Some(value) = record.payload() else {
        return unreadable("the record has no value");
    };
    let value: Value<'_> = match serde_json::from_slice(value) {
        Ok(value) => value,
        Err(error) => {
            let why = why_unreadable(&error);
            return Err(Unreadable(format!("the value is no message: {why}").into()));
        }
    };
    if value.event_name.is_empty() {
        return unreadable("the value has no eventName");
    }
    let payload = value.payload.map_or("", RawValue::get);
    let body = match value.payload_encoding.as_deref() {
        None => Bytes::copy_from_slice(payload.as_bytes()),
        Some("base64") => match serde_json::from_str::<Cow<'_, str>>(payload)
            .ok()
            .and_then(|text| BASE64.decode(text.as_bytes()).ok())
        {
            Some(body) => body.into(),
            None => return unreadable("the payload is not base64"),
        },
        Some(_) => return unreadable("the payload is encoded in a way nobody knows"),
    };
    let meta = Meta::read(record);
    let name = MessageName::from_wire(&value.event_name);
    let key = match key {
        Some(key) => Cow::Borrowed(key),
        None => record.key().map_or(Cow::Borrowed(""), String::from_utf8_lossy),
    };
    let mut builder = meta.builder(record, name, &key);
    if let Some(content_type) = &value.payload_type {
        builder = builder.content_type(content_type);
    }
    Ok(builder.body(body).build())
}

/// A record that holds no message, as an envelope for people to look at: its bytes are the body.
pub(super) fn as_it_is(record: &impl Message, key: &str) -> Envelope {
    Meta::read(record)
        .builder(record, MessageName::from_static("unreadable"), key)
        .content_type("application/octet-stream")
        .body(Bytes::copy_from_slice(record.payload().unwrap_or_default()))
        .build()
}

/// The headers of a record that can be read.
pub(super) fn headers_of(record: &impl Message) -> impl Iterator<Item = Header<'_, &[u8]>> {
    record.headers().into_iter().flat_map(readable)
}

/// All but those whose name is not UTF-8: other clients write such names, and ours panics at them.
fn readable(headers: &impl Headers) -> impl Iterator<Item = Header<'_, &[u8]>> {
    (0..headers.count()).filter_map(|at| {
        let read = AssertUnwindSafe(|| headers.try_get(at));
        catch_unwind(read).ok().flatten()
    })
}

/// The text of a header.
pub(super) fn text<'a>(record: &'a impl Message, name: &str) -> Option<&'a str> {
    let found = headers_of(record).find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}

/// What the headers say.
#[derive(Default)]
struct Meta<'a> {
    id: Option<&'a str>,
    time: Option<UnixMillis>,
    others: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Meta<'a> {
    fn read(record: &'a impl Message) -> Self {
        let mut meta = Self::default();
        for found in headers_of(record) {
            // Most are looked at once: ours are all text, and some are not needed.
            if matches!(found.key, TYPE | SPEC | KEY | VALUE_TYPE) {
                continue;
            }
            let text = found.value.and_then(|value| std::str::from_utf8(value).ok());
            let value = match text {
                Some(text) => Cow::Borrowed(text),
                None => String::from_utf8_lossy(found.value.unwrap_or_default()),
            };
            match found.key {
                ID => meta.id = text.filter(|id| !id.is_empty()),
                TIME => {
                    let time = text.and_then(|text| text.parse::<Timestamp>().ok());
                    meta.time = time.map(|time| UnixMillis(time.as_millisecond()));
                }
                SOURCE if text == Some(NO_SOURCE) => {}
                SOURCE => meta.others.push((header::SOURCE, value)),
                TRACE => meta.others.push((header::TRACEPARENT, value)),
                key if is_reserved(key) => {}
                key => meta.others.push((key, value)),
            }
        }
        meta
    }

    fn builder(
        self,
        record: &impl Message,
        name: MessageName,
        key: &str,
    ) -> myevents_core::contract::EnvelopeBuilder {
        let id = match self.id {
            Some(id) => MessageId::new(id),
            None => MessageId::new(&origin(record)),
        };
        let stored = record.timestamp().to_millis().map(UnixMillis);
        let mut builder = Envelope::builder(id, name, key).time(self.time.or(stored).unwrap_or_default());
        for (name, value) in self.others {
            builder = builder.header(name, value);
        }
        builder
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rdkafka::Timestamp as Stamp;
    use rdkafka::message::OwnedMessage;

    use super::*;

    fn record(value: Option<&[u8]>, key: Option<&str>, headers: Option<OwnedHeaders>) -> OwnedMessage {
        OwnedMessage::new(
            value.map(<[u8]>::to_vec),
            key.map(|key| key.as_bytes().to_vec()),
            "events".into(),
            Stamp::CreateTime(1_700_000_000_123),
            3,
            17,
            headers,
        )
    }

    fn there_and_back(envelope: &Envelope, legacy: bool) -> Envelope {
        let encoded = encode(envelope, legacy).unwrap();
        let key = Some(envelope.key()).filter(|key| !key.is_empty());
        decode(&record(Some(&encoded.value), key, Some(encoded.headers)), None).unwrap()
    }

    fn envelope(body: &[u8]) -> Envelope {
        Envelope::builder(
            MessageId::new("m-1"),
            MessageName::from_wire("event.created"),
            "k",
        )
        .time(UnixMillis(1_700_000_000_001))
        .header("traceparent", "00-aa-bb-01")
        .header("source", "/eventservice")
        .header("x-own", "a, b")
        .body(body.to_vec())
        .build()
    }

    #[test]
    fn json_travels_as_it_is_and_the_headers_are_those_of_cloudevents() {
        let encoded = encode(&envelope(br#"{"id":"a"}"#), true).unwrap();
        assert_eq!(
            String::from_utf8(encoded.value).unwrap(),
            r#"{"eventName":"eventCreated","payload":{"id":"a"}}"#
        );
        let headers: Vec<(String, String)> = encoded
            .headers
            .iter()
            .map(|header| {
                (
                    header.key.to_owned(),
                    String::from_utf8_lossy(header.value.unwrap()).into_owned(),
                )
            })
            .collect();
        let expected = [
            ("ce_specversion", "1.0"),
            ("ce_id", "m-1"),
            ("ce_type", "event.created"),
            ("content-type", "application/json"),
            ("ce_source", "/eventservice"),
            ("ce_time", "2023-11-14T22:13:20.001Z"),
            ("ce_partitionkey", "k"),
            ("ce_traceparent", "00-aa-bb-01"),
            ("x-own", "a, b"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers, expected);
    }

    #[test]
    fn what_is_not_json_travels_as_base64_with_a_marker() {
        let plain = Envelope::builder(MessageId::new("m"), MessageName::from_wire("x"), "")
            .content_type("text/plain")
            .body("plain words")
            .build();
        let encoded = encode(&plain, false).unwrap();
        assert_eq!(
            String::from_utf8(encoded.value).unwrap(),
            r#"{"eventName":"x","payloadType":"text/plain","payloadEncoding":"base64","payload":"cGxhaW4gd29yZHM="}"#
        );
        assert_eq!(there_and_back(&plain, false), plain);
    }

    #[test]
    fn a_record_of_the_original_services_is_read() {
        let value = br#"{"eventName":"eventBooked","payload":{"eventId":"5a","userId":"someUserID"}}"#;
        let read = decode(&record(Some(value), None, None), None).unwrap();
        assert_eq!(read.name().as_str(), "event.booked");
        assert_eq!(read.id().as_str(), "events/3/17");
        assert_eq!(read.key(), "");
        assert_eq!(read.time(), UnixMillis(1_700_000_000_123));
        assert_eq!(&read.body()[..], br#"{"eventId":"5a","userId":"someUserID"}"#);
        assert!(read.headers().is_empty());
    }

    #[test]
    fn broken_records_are_told_from_messages() {
        let why = |value: Option<&[u8]>| decode(&record(value, None, None), None).unwrap_err().0;
        assert!(why(None).contains("no value"));
        assert!(why(Some(b"plain words")).contains("no message"));
        assert!(why(Some(b"\xff\xfe")).contains("no message"));
        assert!(why(Some(b"[1,2]")).contains("no message"));
        assert!(why(Some(br#"{"payload":{}}"#)).contains("no eventName"));
        assert!(why(Some(br#"{"eventName":""}"#)).contains("no eventName"));
        assert!(why(Some(br#"{"eventName":7}"#)).contains("no message"));
        let encoded = br#"{"eventName":"x","payloadEncoding":"base64","payload":"%%"}"#;
        assert!(why(Some(encoded)).contains("not base64"));
        let unknown = br#"{"eventName":"x","payloadEncoding":"zip","payload":"eA=="}"#;
        assert!(why(Some(unknown)).contains("nobody knows"));
        // Its bytes are kept.
        let kept = as_it_is(&record(Some(b"\xff\xfe"), Some("k"), None), "k");
        assert_eq!((&kept.body()[..], kept.key()), (&b"\xff\xfe"[..], "k"));
    }

    #[test]
    fn mangled_metadata_spoils_no_message() {
        let headers = OwnedHeaders::new()
            .insert(Header {
                key: "ce_id",
                value: Some(&b"\xff"[..]),
            })
            .insert(Header {
                key: "ce_time",
                value: Some(&b"yesterday"[..]),
            })
            .insert(Header {
                key: "X-Own",
                value: None::<&[u8]>,
            });
        let value = br#"{"eventName":"x","payload":{"deep":[1]},"more":true}"#;
        let read = decode(&record(Some(value), Some("k"), Some(headers)), None).unwrap();
        assert_eq!(read.id().as_str(), "events/3/17");
        assert_eq!(read.time(), UnixMillis(1_700_000_000_123));
        assert_eq!(read.headers().get("x-own").map(String::as_str), Some(""));
    }

    proptest! {
        #[test]
        fn every_message_comes_back(
            id in "[^\\x00]{1,20}", name in "[a-z.]{1,20}", key in ".{0,20}", time in -62_000_000_000_000_i64..253_000_000_000_000,
            headers in prop::collection::btree_map("x-[a-z]{1,8}", ".{0,20}", 0..4),
            body in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), Just(b"null".to_vec()), "[ \\n]{0,3}\\{\"a\": ?[0-9]{1,5}\\}[ ]{0,2}".prop_map(String::into_bytes)],
            kind in prop_oneof![Just("application/json".to_owned()), "[a-z]{1,8}/[a-z]{1,8}"],
        ) {
            let sent = Envelope::builder(MessageId::new(&id), MessageName::from_wire(&name), key)
                .time(UnixMillis(time)).headers(headers).content_type(&kind).body(body).build();
            prop_assert_eq!(there_and_back(&sent, false), sent);
        }
    }

    /// Headers as the client gives them: it panics at a name that is not UTF-8.
    struct Foreign;

    impl Headers for Foreign {
        fn count(&self) -> usize {
            3
        }

        fn try_get(&self, at: usize) -> Option<Header<'_, &[u8]>> {
            assert_ne!(at, 1, "a name that is not UTF-8");
            let key = if at == 0 { ID } else { "x-own" };
            let value = Some(b"value".as_slice());
            (at < 3).then_some(Header { key, value })
        }
    }

    #[test]
    fn a_header_whose_name_is_not_text_is_passed_over_and_the_others_are_read() {
        let names: Vec<&str> = readable(&Foreign).map(|header| header.key).collect();
        assert_eq!(names, [ID, "x-own"]);
    }
}
