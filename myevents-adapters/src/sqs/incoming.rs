//! SQS message → envelope.
//!
//! Reading fails only where there is no name: what an older or foreign sender left out is absent, and a body that makes no
//! sense is told by whoever decodes it.

use std::collections::HashMap;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use jiff::Timestamp;
use myevents_core::contract::{Envelope, MessageId, MessageName, header};
use myevents_core::domain::UnixMillis;
use serde_json::{Map, Value};

use super::codec::{BASE64_WORD, ENCODING, EVENT_NAME, HEADERS, NAMELESS, NO_SOURCE};

/// The text of an attribute.
pub(super) fn attribute<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.message_attributes()?.get(name)?.string_value()
}

/// What SQS itself says of a message.
fn system(message: &Message, name: &MessageSystemAttributeName) -> Option<i64> {
    message.attributes()?.get(name)?.parse().ok()
}

/// How often a message was received, this time included.
pub(super) fn attempt(message: &Message) -> u32 {
    let count = system(message, &MessageSystemAttributeName::ApproximateReceiveCount);
    count
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(1)
        .max(1)
}

/// When a message was sent.
pub(super) fn sent(message: &Message) -> UnixMillis {
    UnixMillis(system(message, &MessageSystemAttributeName::SentTimestamp).unwrap_or_default())
}

/// The envelope of a message; an error is a message that nobody could be given, with its bytes as they are.
pub(super) fn decode(message: &Message) -> std::result::Result<Envelope, Envelope> {
    let meta = Meta::read(message);
    let name = attribute(message, EVENT_NAME)
        .or(meta.name.as_deref())
        .filter(|name| !name.is_empty())
        .map(MessageName::from_wire);
    match name {
        Some(name) => Ok(meta.envelope(message, name)),
        None => Err(meta.envelope(message, MessageName::from_static(NAMELESS))),
    }
}

/// What the attribute [`HEADERS`] says.
#[derive(Default)]
struct Meta {
    id: Option<String>,
    name: Option<String>,
    time: Option<UnixMillis>,
    key: Option<String>,
    content_type: Option<String>,
    others: HashMap<String, String>,
}

impl Meta {
    fn read(message: &Message) -> Self {
        let all: Option<Map<String, Value>> =
            attribute(message, HEADERS).and_then(|text| serde_json::from_str(text).ok());
        let Some(all) = all else {
            // A foreign message of a FIFO queue: its group is what it belongs to.
            let group = message
                .attributes()
                .and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
            return Self {
                key: group.cloned(),
                ..Self::default()
            };
        };
        let mut meta = Self::default();
        for (name, value) in all {
            let Value::String(value) = value else { continue };
            match name.as_str() {
                "id" => meta.id = Some(value).filter(|id| !id.is_empty()),
                "type" => meta.name = Some(value),
                "time" => {
                    let time = value.parse::<Timestamp>().ok();
                    meta.time = time.map(|time| UnixMillis(time.as_millisecond()));
                }
                "partitionkey" => meta.key = Some(value),
                "datacontenttype" => meta.content_type = Some(value),
                "specversion" => {}
                header::SOURCE if value == NO_SOURCE => {}
                _ => {
                    meta.others.insert(name, value);
                }
            }
        }
        meta
    }

    fn envelope(self, message: &Message, name: MessageName) -> Envelope {
        let id = self.id.as_deref().or(message.message_id()).unwrap_or_default();
        let mut builder = Envelope::builder(MessageId::new(id), name, self.key.unwrap_or_default())
            .time(self.time.unwrap_or_else(|| sent(message)));
        for (name, value) in self.others {
            builder = builder.header(&name, value);
        }
        if let Some(content_type) = &self.content_type {
            builder = builder.content_type(content_type);
        }
        builder.body(body(message)).build()
    }
}

fn body(message: &Message) -> Bytes {
    let text = message.body().unwrap_or_default();
    if attribute(message, ENCODING) == Some(BASE64_WORD)
        && let Ok(encoded) = serde_json::from_str::<String>(text)
        && let Ok(body) = BASE64.decode(encoded)
    {
        return body.into();
    }
    // What is marked so and is not: whoever decodes it says so.
    Bytes::copy_from_slice(text.as_bytes())
}
