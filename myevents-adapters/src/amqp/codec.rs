//! Envelope ↔ AMQP message: native properties, `x-event-name`, and the names of CloudEvents 1.0 in binary mode beside them.
//!
//! Reading never fails: what an older or foreign sender left out is absent, and a body that makes no sense is told by
//! whoever decodes it.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use myevents_core::contract::{CONTENT_TYPE_JSON, Envelope, MessageId, MessageName, header};
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{IdSource, RandomIds};
use myevents_core::{Error, ErrorKind, Result};

use super::config::AmqpConfig;

/// The routing name, which the original services read from here and not from the routing key.
const EVENT_NAME: &str = "x-event-name";
/// Before the names of CloudEvents: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md>.
const CLOUD_EVENTS: &str = "cloudEvents:";
/// The other prefix that the same page allows.
const CLOUD_EVENTS_ALSO: &str = "cloudEvents_";
/// How often a quorum queue has handed a message out before this time.
const DELIVERY_COUNT: &str = "x-delivery-count";
/// Headers of an envelope that CloudEvents has names for.
const OF_CLOUD_EVENTS: [&str; 3] = [header::SOURCE, header::TRACEPARENT, "tracestate"];
/// The source of a message whose envelope names none: CloudEvents want one. It is no header of the envelope.
const NO_SOURCE: &str = "myevents:";
/// Beginnings of header names that belong to the broker or to this adapter; an envelope's header of such a name does not travel.
const RESERVED: [&str; 9] = [
    EVENT_NAME,
    DELIVERY_COUNT,
    "x-dead-",
    "x-death",
    "x-first-death-",
    "x-last-death-",
    "x-acquired-count",
    "x-opt-",
    "cloudevents",
];
/// All properties are one frame, which a broker takes up to 128 KiB by default.
const MOST_HEADER_BYTES: usize = 100_000;
/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// A message as it goes to the broker.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    /// Whether no queue taking it is an error.
    pub(super) mandatory: bool,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// What is published for an envelope.
///
/// # Errors
/// `TooLarge` for the body or all headers together, `Rejected` for a name or type that AMQP can't carry.
pub(super) fn encode(envelope: &Envelope, config: &AmqpConfig) -> Result<Outgoing> {
    if envelope.body().len() > config.max_message_bytes {
        return Err(
            Error::new(ErrorKind::TooLarge, "publish", "the message is too large")
                .with("bytes", envelope.body().len())
                .with("most", config.max_message_bytes),
        );
    }
    let name = envelope.name().on_wire(config.legacy_names);
    Ok(Outgoing {
        exchange: fits(&config.exchange)?,
        routing_key: fits(name)?,
        mandatory: config.required_names.contains(envelope.name()),
        properties: properties(envelope, name, &config.service, FieldTable::default())?,
        body: envelope.body().clone(),
    })
}

/// The properties of an envelope; `headers` are put beside its own.
///
/// # Errors
/// As [`encode`].
pub(super) fn properties(
    envelope: &Envelope,
    name: &str,
    service: &str,
    mut headers: FieldTable,
) -> Result<BasicProperties> {
    let mut put = |name: &str, value: &str| -> Result<()> {
        headers.insert(fits(name)?, AMQPValue::LongString(value.into()));
        Ok(())
    };
    put(EVENT_NAME, name)?;
    put("cloudEvents:specversion", "1.0")?;
    put("cloudEvents:id", envelope.id().as_str())?;
    put("cloudEvents:type", envelope.name().as_str())?;
    if !envelope.headers().contains_key(header::SOURCE) {
        put("cloudEvents:source", &format!("{NO_SOURCE}{service}"))?;
    }
    if !envelope.key().is_empty() {
        put("cloudEvents:partitionkey", envelope.key())?;
    }
    if let Ok(time) = Timestamp::from_millisecond(envelope.time().0) {
        put("cloudEvents:time", &time.to_string())?;
    }
    for (name, value) in envelope.headers() {
        if OF_CLOUD_EVENTS.contains(&name.as_str()) {
            put(&format!("{CLOUD_EVENTS}{name}"), value)?;
        } else if !is_reserved(name) {
            put(name, value)?;
        }
    }
    check_size(&headers)?;
    let mut properties = BasicProperties::default()
        .with_content_type(fits(envelope.content_type())?)
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers);
    // A longer one travels among the headers only.
    if let Ok(id) = ShortString::try_new(envelope.id().as_str()) {
        properties = properties.with_message_id(id);
    }
    if let Ok(seconds) = u64::try_from(envelope.time().0.div_euclid(1_000)) {
        properties = properties.with_timestamp(seconds);
    }
    Ok(properties)
}

fn fits(text: &str) -> Result<ShortString> {
    ShortString::try_new(text).map_err(|_| {
        Error::new(
            ErrorKind::Rejected,
            "publish",
            "a name, header name or content type has more than the 255 bytes that AMQP carries",
        )
    })
}

fn check_size(headers: &FieldTable) -> Result<()> {
    let bytes: usize = headers
        .into_iter()
        .map(|(name, value)| {
            let length = match value {
                AMQPValue::LongString(text) => text.len(),
                AMQPValue::ShortString(text) => text.as_str().len(),
                _ => 16,
            };
            name.as_str().len() + length
        })
        .sum();
    if bytes <= MOST_HEADER_BYTES {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TooLarge,
        "publish",
        "key and headers are too large together",
    )
    .with("bytes", bytes)
    .with("most", MOST_HEADER_BYTES))
}

fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| name.starts_with(reserved))
}

/// The envelope of what came. Without an id it gets a fresh one, so that an inbox never takes it for another.
pub(super) fn decode(properties: &BasicProperties, routing_key: &str, body: Vec<u8>) -> Envelope {
    let mut attributes = BTreeMap::new();
    let mut headers = BTreeMap::new();
    for (name, value) in properties.headers().iter().flatten() {
        let Some(value) = text(value) else { continue };
        let name = name.as_str();
        let attribute = name
            .strip_prefix(CLOUD_EVENTS)
            .or_else(|| name.strip_prefix(CLOUD_EVENTS_ALSO));
        match attribute {
            // In lower case, as they have to be; one of a name that does not travel would not come back.
            Some(attribute) => {
                let attribute = attribute.to_ascii_lowercase();
                if !is_reserved(&attribute) {
                    attributes.insert(attribute, value);
                }
            }
            None => {
                let name = name.to_ascii_lowercase();
                if !is_reserved(&name) {
                    headers.insert(name, value);
                }
            }
        }
    }
    attributes.remove("specversion");
    let id = given(properties.message_id()).or_else(|| attributes.get("id").map(String::as_str));
    let id = match id {
        Some(id) if !id.is_empty() => MessageId::new(id),
        _ => RandomIds.message_id(),
    };
    attributes.remove("id");
    let kind = attributes.remove("type");
    let name = string_header(properties, EVENT_NAME).or(kind);
    let name = match name.as_deref() {
        Some(name) if !name.is_empty() => MessageName::from_wire(name),
        _ => MessageName::from_wire(routing_key),
    };
    let key = attributes.remove("partitionkey").unwrap_or_default();
    let time = attributes
        .remove("time")
        .and_then(|time| time.parse::<Timestamp>().ok())
        .map(Timestamp::as_millisecond)
        .or_else(|| {
            let seconds = i64::try_from((*properties.timestamp())?).ok()?;
            seconds.checked_mul(1_000)
        });
    attributes.remove("datacontenttype");
    if attributes
        .get(header::SOURCE)
        .is_some_and(|source| source.starts_with(NO_SOURCE))
    {
        attributes.remove(header::SOURCE);
    }
    headers.extend(attributes);
    Envelope::builder(id, name, key)
        .time(UnixMillis(time.unwrap_or_default()))
        .headers(headers)
        .content_type(given(properties.content_type()).unwrap_or(CONTENT_TYPE_JSON))
        .body(body)
        .build()
}

fn given(text: &Option<ShortString>) -> Option<&str> {
    text.as_ref()
        .map(ShortString::as_str)
        .filter(|text| !text.is_empty())
}

/// What a returned message is known by.
pub(super) fn identity(properties: &BasicProperties) -> String {
    given(properties.message_id())
        .map(ToOwned::to_owned)
        .or_else(|| string_header(properties, "cloudEvents:id"))
        .unwrap_or_default()
}

/// Which hand-out this is: counted by a quorum queue; a classic one only tells the first from later ones.
pub(super) fn attempt(properties: &BasicProperties, redelivered: bool) -> u32 {
    match integer_header(properties, DELIVERY_COUNT) {
        Some(before) => u32::try_from(before.saturating_add(1)).unwrap_or(u32::MAX).max(1),
        None => 1 + u32::from(redelivered),
    }
}

fn value<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

/// A header that is text; one of another type is as good as none.
pub(super) fn string_header(properties: &BasicProperties, name: &str) -> Option<String> {
    match value(properties, name)? {
        AMQPValue::LongString(text) => Some(long(text)),
        _ => None,
    }
}

/// A header that is a whole number of any width.
pub(super) fn integer_header(properties: &BasicProperties, name: &str) -> Option<i64> {
    integer(value(properties, name)?)
}

pub(super) fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::Timestamp(number) => i64::try_from(*number).ok(),
        _ => None,
    }
}

fn long(text: &LongString) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// A header's value as the text that an envelope keeps; tables and lists are not kept.
fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(long(text)),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        AMQPValue::Boolean(yes) => Some(yes.to_string()),
        other => integer(other).map(|number| number.to_string()),
    }
}
