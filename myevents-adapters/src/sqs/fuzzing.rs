//! What the codec makes of any message, and of any envelope.

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use myevents_core::contract::Envelope;
use myevents_core::fuzzing::{self, Input, is_refusal};

use super::{codec, incoming, letter};

fn message(body: &str, attributes: &[(String, String)]) -> Message {
    let mut message = Message::builder().body(body).message_id("m");
    for (name, value) in attributes {
        let value = MessageAttributeValue::builder()
            .data_type(codec::STRING)
            .string_value(value)
            .build();
        if let Ok(value) = value {
            message = message.message_attributes(name, value);
        }
    }
    message.build()
}

/// Messages of SQS.
///
/// # Panics
/// When a promise is broken.
pub fn messages(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte().is_multiple_of(2) {
        comes_back(&input.envelope());
        return;
    }
    let mut attributes = Vec::new();
    for _ in 0..input.byte() % 5 {
        let name = match input.byte() {
            0 => codec::EVENT_NAME.to_owned(),
            1 => codec::HEADERS.to_owned(),
            2 => codec::ENCODING.to_owned(),
            3 => "dead_letter".to_owned(),
            _ => input.text(),
        };
        attributes.push((name, input.text()));
    }
    let system = [input.text(), input.text()];
    let mut message = message(&String::from_utf8_lossy(input.rest()), &attributes);
    message.attributes = Some(
        [
            MessageSystemAttributeName::SentTimestamp,
            MessageSystemAttributeName::ApproximateReceiveCount,
        ]
        .into_iter()
        .zip(system)
        .collect(),
    );
    assert!(incoming::attempt(&message) >= 1);
    let (_id, _letter) = letter::read(&message, "group", "queue");
    if let Ok(envelope) = incoming::decode(&message) {
        comes_back(&envelope);
    }
}

/// What was sent and read once is the same however often it is sent again.
fn comes_back(envelope: &Envelope) {
    let again = |envelope: &Envelope| match codec::write(envelope, envelope.name().as_str(), None) {
        Ok(out) => {
            let named = out
                .attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value));
            incoming::decode(&message(&out.body, &named.collect::<Vec<_>>())).ok()
        }
        Err(error) => {
            is_refusal(&error);
            None
        }
    };
    fuzzing::comes_back(envelope, again);
}
