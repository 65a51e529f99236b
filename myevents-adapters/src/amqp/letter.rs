//! Dead letter ↔ AMQP message: the message as it was, and beside it why it was given up.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, message};
use myevents_core::Result;
use myevents_core::contract::Envelope;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{DeadLetter, DeadLetterId, IdSource, RandomIds};

use super::codec;

const ID: &str = "x-dead-id";
const CONSUMER: &str = "x-dead-consumer";
const ORIGIN: &str = "x-dead-origin";
const REASON: &str = "x-dead-reason";
const ATTEMPTS: &str = "x-dead-attempts";
const AT: &str = "x-dead-at";
/// What the broker writes when it gives up a message by itself: <https://www.rabbitmq.com/docs/dlx#effects>.
const BROKERS_OWN: &str = "x-death";
/// A reason is for people, and headers have a bound.
const LONGEST_REASON: usize = 8_000;
const LONGEST_KEY: usize = 8_000;

/// The properties of a letter. Each put is a letter of its own, with an id that is higher than those before it.
pub(super) fn properties(letter: &DeadLetter, service: &str) -> Result<BasicProperties> {
    let mut headers = FieldTable::default();
    let mut put = |name: &'static str, value: AMQPValue| {
        headers.insert(name.into(), value);
    };
    let text = |text: &str| AMQPValue::LongString(text.into());
    put(ID, text(RandomIds.message_id().as_str()));
    put(CONSUMER, text(&letter.consumer));
    put(ORIGIN, text(&letter.origin));
    put(REASON, text(shortened(&letter.reason)));
    put(ATTEMPTS, AMQPValue::LongLongInt(letter.attempts.into()));
    put(AT, AMQPValue::LongLongInt(letter.at.0));
    let name = letter.envelope.name().as_str();
    codec::properties(&letter.envelope, name, service, headers)
}

/// The letter without the headers of its message, and without a key that is as large, where they are more than AMQP carries.
pub(super) fn bare(letter: &DeadLetter) -> DeadLetter {
    let whole = &letter.envelope;
    let key = if whole.key().len() <= LONGEST_KEY {
        whole.key()
    } else {
        ""
    };
    let envelope = Envelope::builder(whole.id().clone(), whole.name().clone(), key)
        .time(whole.time())
        .content_type(whole.content_type())
        .body(whole.body().clone())
        .build();
    DeadLetter {
        envelope,
        ..letter.clone()
    }
}

fn shortened(reason: &str) -> &str {
    let mut end = reason.len().min(LONGEST_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// The letter that a message in the dead letters of `group` is, whoever put it there.
pub(super) fn read(delivery: &message::Delivery, group: &str, queue: &str) -> (DeadLetterId, DeadLetter) {
    let properties = &delivery.properties;
    let envelope = codec::decode(properties, delivery.routing_key.as_str(), delivery.data.clone());
    if let Some(id) = codec::string_header(properties, ID) {
        let text = |name| codec::string_header(properties, name).unwrap_or_default();
        let letter = DeadLetter {
            consumer: codec::string_header(properties, CONSUMER).unwrap_or_else(|| group.to_owned()),
            origin: text(ORIGIN),
            reason: text(REASON),
            attempts: number(properties, ATTEMPTS),
            at: UnixMillis(codec::integer_header(properties, AT).unwrap_or_default()),
            envelope,
        };
        return (DeadLetterId(id.into()), letter);
    }
    let (reason, at) = brokers_own(properties).unwrap_or_else(|| {
        let unknown = "put here by somebody else, without a reason".to_owned();
        (unknown, envelope.time())
    });
    let letter = DeadLetter {
        consumer: group.to_owned(),
        origin: queue.to_owned(),
        reason,
        attempts: number(properties, "x-delivery-count"),
        at,
        envelope,
    };
    (foreign_id(delivery, at), letter)
}

fn number(properties: &BasicProperties, name: &str) -> u32 {
    let number = codec::integer_header(properties, name).unwrap_or_default();
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// Why and when the broker itself gave a message up.
fn brokers_own(properties: &BasicProperties) -> Option<(String, UnixMillis)> {
    let deaths = properties.headers().as_ref()?.inner().get(BROKERS_OWN)?;
    let AMQPValue::FieldArray(deaths) = deaths else {
        return None;
    };
    let Some(AMQPValue::FieldTable(last)) = deaths.as_slice().first() else {
        return None;
    };
    let reason = match last.inner().get("reason") {
        Some(AMQPValue::LongString(reason)) => reason.to_string(),
        _ => "unknown".to_owned(),
    };
    let seconds = last
        .inner()
        .get("time")
        .and_then(codec::integer)
        .unwrap_or_default();
    let reason = format!("given up by the broker itself: {reason}");
    Some((reason, UnixMillis(seconds.saturating_mul(1_000))))
}

/// An id for a letter that has none: the same at each reading, and in the order of time among the others.
fn foreign_id(delivery: &message::Delivery, at: UnixMillis) -> DeadLetterId {
    let mut hasher = DefaultHasher::new();
    delivery
        .properties
        .message_id()
        .as_ref()
        .map(ShortString::as_str)
        .hash(&mut hasher);
    delivery.data.hash(&mut hasher);
    let millis = u64::try_from(at.0).unwrap_or_default();
    // The first 48 bits of a UUID of version 7 are these milliseconds too.
    let (high, low) = (millis >> 16, millis & 0xffff);
    let id = format!("{high:08x}-{low:04x}-{:016x}", hasher.finish());
    DeadLetterId(Arc::from(id))
}
