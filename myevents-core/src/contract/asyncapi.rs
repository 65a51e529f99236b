//! The [AsyncAPI 3](https://www.asyncapi.com/docs/reference/specification/v3.0.0) document of the messages, made from a
//! registry: what is in it is what is decoded.

use serde_json::{Map, Value, json};

use super::{
    BookingCancelled, EventBooked, EventCancelled, EventCreated, EventUpdated, LocationCreated,
    LocationDeleted, LocationUpdated, Message, MessageDescription, MessageName, Registry,
};
use crate::projection;

const ABOUT: &str = "Messages of MyEvents. Each has an envelope beside its body, under the names of CloudEvents 1.0 in binary mode: \
    on AMQP headers `cloudEvents:id` and so on beside `message_id` and `timestamp`, on Kafka headers `ce_id` and so on, on SQS one \
    attribute `headers`. On Kafka the record is `{\"eventName\", \"payload\"}`, where `payload` is the body that is described here; on \
    SQS the name is in the attribute `event_name`. Messages of one key are in order where the broker keeps any; any message may \
    come twice. Fields may be added; none is removed or changes meaning.";

/// Which messages a program sends and which it receives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The names it sends.
    pub sends: Vec<MessageName>,
    /// The names it receives.
    pub receives: Vec<MessageName>,
}

impl Traffic {
    /// What the event service sends.
    #[must_use]
    pub fn of_event_service() -> Self {
        Self {
            sends: vec![
                EventCreated::name(),
                EventUpdated::name(),
                EventCancelled::name(),
                LocationCreated::name(),
                LocationUpdated::name(),
                LocationDeleted::name(),
            ],
            receives: Vec::new(),
        }
    }

    /// What the booking service sends and receives.
    #[must_use]
    pub fn of_booking_service() -> Self {
        Self {
            sends: vec![EventBooked::name(), BookingCancelled::name()],
            receives: projection::subscribe_names(),
        }
    }

    /// Both.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.sends.extend(other.sends);
        self.receives.extend(other.receives);
        self
    }
}

/// The document of a program: the messages of `registry` that are in its `traffic`.
#[must_use]
pub fn document(title: &str, registry: &Registry, traffic: &Traffic) -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    let mut schemas = Map::new();
    for message in registry.messages() {
        let sends = traffic.sends.contains(&message.name);
        let receives = traffic.receives.contains(&message.name);
        if !sends && !receives {
            continue;
        }
        let name = message.name.as_str();
        let body = message.body_schema();
        schemas.extend(body.shared);
        messages.insert(name.to_owned(), described(message, &body.schema));
        channels.insert(name.to_owned(), channel(name));
        for (action, does) in [("send", sends), ("receive", receives)] {
            if does {
                operations.insert(format!("{action}.{name}"), operation(action, message));
            }
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas,
            "messageTraits": { "envelope": envelope() },
        },
    })
}

fn described(message: &MessageDescription, payload: &Value) -> Value {
    let mut described = json!({
        "name": message.name.as_str(),
        "summary": message.about,
        "contentType": "application/json",
        "payload": payload,
        "traits": [{ "$ref": "#/components/messageTraits/envelope" }],
        "bindings": { "kafka": { "key": { "type": "string", "description": "the id of the record that changed" } } },
    });
    if let Some(legacy) = message.legacy_name {
        described["description"] = json!(format!(
            "The original services spell it `{legacy}`: read as well, and sent with `legacy_event_names`."
        ));
        described["x-legacy-name"] = json!(legacy);
    }
    described
}

fn channel(name: &str) -> Value {
    json!({
        "address": name,
        "messages": { name: { "$ref": format!("#/components/messages/{name}") } },
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": { "name": "events", "type": "topic", "durable": true, "autoDelete": false },
            },
            "kafka": { "topic": "events" },
            "sqs": { "queue": { "name": "events", "fifoQueue": false } },
        },
    })
}

fn operation(action: &str, message: &MessageDescription) -> Value {
    let name = message.name.as_str();
    json!({
        "action": action,
        "summary": message.about,
        "channel": { "$ref": format!("#/channels/{name}") },
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
    })
}

fn envelope() -> Value {
    json!({
        "headers": {
            "type": "object",
            "required": ["id", "source", "specversion", "type", "time"],
            "properties": {
                "id": { "type": "string", "description": "a UUIDv7; the same in every repeat" },
                "source": { "type": "string", "description": "the service that sent it" },
                "specversion": { "type": "string", "const": "1.0" },
                "type": { "type": "string", "description": "the dotted name" },
                "time": { "type": "string", "format": "date-time" },
                "partitionkey": { "type": "string", "description": "the id of the record that changed" },
                "traceparent": { "type": "string", "description": "W3C Trace Context" },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_ours_is_sent_by_somebody_and_all_that_is_received_is_sent() {
        let all = Traffic::of_event_service().with(Traffic::of_booking_service());
        for message in Registry::default().messages() {
            assert!(
                all.sends.contains(&message.name),
                "{} is sent by nobody",
                message.name
            );
        }
        assert!(all.receives.iter().all(|name| all.sends.contains(name)));
    }

    #[test]
    fn a_body_refers_only_to_what_is_in_the_document() {
        let all = Traffic::of_event_service().with(Traffic::of_booking_service());
        let document = document("all", &Registry::default(), &all);
        let text = document.to_string();
        let references = text.match_indices("\"$ref\":\"#").map(|(at, found)| {
            let begin = at + found.len();
            text[begin..].split('"').next().unwrap_or_default()
        });
        let mut count = 0;
        for pointer in references {
            count += 1;
            assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
        }
        assert!(count > 24, "{count} references");
    }
}
