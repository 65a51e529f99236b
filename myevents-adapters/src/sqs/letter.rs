//! Dead letter ↔ SQS message: the message as it was, and in one more attribute why it was given up.

use std::sync::Arc;

use aws_sdk_sqs::types::Message;
use data_encoding::HEXLOWER;
use myevents_core::Result;
use myevents_core::domain::{Fingerprint, UnixMillis};
use myevents_core::ports::{DeadLetter, DeadLetterId, IdSource as _, RandomIds};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::codec::{self, Fifo, Outgoing};
use super::config::MOST_BYTES;
use super::incoming;

/// JSON: what is known of the letter.
const LETTER: &str = "dead_letter";
/// A reason is for people, and attributes count towards the size of a message.
const LONGEST_REASON: usize = 8_000;
/// Where there is little room.
const SHORT_REASON: usize = 200;

/// The value of the attribute [`LETTER`].
#[derive(Serialize, Deserialize)]
struct Known {
    id: String,
    consumer: String,
    origin: String,
    reason: String,
    attempts: u32,
    at: i64,
}

/// The message for a letter. Each put is a letter of its own, with an id that is higher than those before it; the repeat
/// of a put whose answer was lost is absorbed by a FIFO queue.
pub(super) fn write(letter: &DeadLetter, is_fifo: bool) -> Result<Outgoing> {
    let id = RandomIds.message_id();
    let fifo = is_fifo.then(|| {
        let once = Fingerprint::of("dead letter")
            .field(letter.consumer.as_bytes())
            .field(letter.envelope.id().as_str().as_bytes())
            .number(letter.at.0)
            .number(letter.attempts.into())
            .finish();
        Fifo {
            // Letters do not wait for each other, or a reader could hold only one of a key.
            group: id.to_string(),
            once: HEXLOWER.encode(once.as_bytes()),
        }
    });
    let mut message = codec::write(&letter.envelope, letter.envelope.name().as_str(), fifo)?;
    let known = |longest| {
        let known = json!(Known {
            id: id.to_string(),
            consumer: letter.consumer.clone(),
            origin: letter.origin.clone(),
            reason: shortened(&letter.reason, longest).to_owned(),
            attempts: letter.attempts,
            at: letter.at.0,
        });
        (LETTER, codec::json(&known))
    };
    message.attributes.push(known(LONGEST_REASON));
    if message.bytes() > MOST_BYTES {
        message.attributes.pop();
        message.attributes.push(known(SHORT_REASON));
    }
    // A foreign message as large as they come has no room for anything beside it: it is kept as a letter that says nothing.
    while message.bytes() > MOST_BYTES && message.attributes.pop().is_some() {}
    Ok(message)
}

fn shortened(reason: &str, longest: usize) -> &str {
    let mut end = reason.len().min(longest);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// The letter that a message in the dead letters of `group` is, whoever put it there.
pub(super) fn read(message: &Message, group: &str, queue: &str) -> (DeadLetterId, DeadLetter) {
    let envelope = incoming::decode(message).unwrap_or_else(|unreadable| unreadable);
    let known =
        incoming::attribute(message, LETTER).and_then(|text| serde_json::from_str::<Known>(text).ok());
    if let Some(known) = known {
        let letter = DeadLetter {
            consumer: known.consumer,
            origin: known.origin,
            reason: known.reason,
            attempts: known.attempts,
            at: UnixMillis(known.at),
            envelope,
        };
        return (DeadLetterId(known.id.into()), letter);
    }
    let at = incoming::sent(message);
    let letter = DeadLetter {
        consumer: group.to_owned(),
        origin: queue.to_owned(),
        reason: "given up by SQS itself, after too many receives, or put here by somebody else".to_owned(),
        attempts: incoming::attempt(message),
        at,
        envelope,
    };
    (foreign_id(message, at), letter)
}

/// An id for a letter that has none: the same at each reading, and in the order of time among the others.
fn foreign_id(message: &Message, at: UnixMillis) -> DeadLetterId {
    let millis = u64::try_from(at.0).unwrap_or_default();
    // The first 48 bits of a UUID of version 7 are these milliseconds too.
    let (high, low) = (millis >> 16, millis & 0xffff);
    let own = message.message_id().unwrap_or_default();
    DeadLetterId(Arc::from(format!("{high:08x}-{low:04x}-{own}")))
}

#[cfg(test)]
mod tests {
    use myevents_core::contract::Envelope;
    use myevents_core::testkit::fixture::dead_letter;

    use super::*;

    #[test]
    fn the_repeat_of_a_put_has_the_same_deduplication_id_and_another_letter_has_not() {
        let letter = dead_letter(
            "bookingservice",
            &format!("because \u{ffff} {}", "ü".repeat(8_000)),
        );
        let once = |letter: &DeadLetter| write(letter, true).unwrap().fifo.unwrap().once;
        assert_eq!(once(&letter), once(&letter));
        let mut later = letter.clone();
        later.at = UnixMillis(letter.at.0 + 1);
        assert_ne!(once(&letter), once(&later));
        let message = write(&letter, false).unwrap();
        assert_eq!(message.fifo, None);
        assert!(message.attributes[2].1.contains(r"because \uffff"));
        assert!(message.bytes() < 10_000);
    }

    #[test]
    fn the_largest_message_there_is_still_becomes_a_letter() {
        for (spare, attributes) in [(9_000, 3), (1_000, 3), (100, 1), (0, 0)] {
            let mut letter = dead_letter("bookingservice", &"because ".repeat(1_000));
            let envelope = &letter.envelope;
            letter.envelope = Envelope::builder(envelope.id().clone(), envelope.name().clone(), "")
                .body(vec![b'z'; MOST_BYTES - spare])
                .build();
            let message = write(&letter, false).unwrap();
            assert_eq!(message.attributes.len(), attributes, "{spare} bytes are left");
            assert!(message.bytes() <= MOST_BYTES);
            assert_eq!(message.body.len(), MOST_BYTES - spare);
        }
    }
}
