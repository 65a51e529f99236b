//! What the codec makes of any message, and of any envelope.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use myevents_core::contract::Envelope;
use myevents_core::fuzzing::{Input, is_refusal};

use super::codec;

/// Messages of AMQP.
///
/// # Panics
/// When a promise is broken.
pub fn messages(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte().is_multiple_of(2) {
        comes_back(&input.envelope());
        return;
    }
    let short = |text: String| ShortString::try_new(text).unwrap_or_default();
    let mut properties = BasicProperties::default();
    let given = input.byte();
    if given & 1 != 0 {
        properties = properties.with_message_id(short(input.text()));
    }
    if given & 2 != 0 {
        properties = properties.with_content_type(short(input.text()));
    }
    if given & 4 != 0 {
        properties = properties.with_timestamp(input.number().cast_unsigned());
    }
    let mut headers = FieldTable::default();
    for _ in 0..input.byte() % 8 {
        let name = match input.byte() {
            0 => short("x-event-name".to_owned()),
            1 => short("cloudEvents:time".to_owned()),
            2 => short("cloudEvents:id".to_owned()),
            3 => short("x-delivery-count".to_owned()),
            _ => short(input.text()),
        };
        headers.insert(name, value(&mut input));
    }
    properties = properties.with_headers(headers);
    let key = input.text();
    assert!(codec::attempt(&properties, given & 8 != 0) >= 1);
    let _id = codec::identity(&properties);
    comes_back(&codec::decode(&properties, &key, input.rest().to_vec()));
}

fn value(input: &mut Input<'_>) -> AMQPValue {
    match input.byte() % 8 {
        0 => AMQPValue::Boolean(input.byte().is_multiple_of(2)),
        1 => AMQPValue::LongLongInt(input.number()),
        2 => AMQPValue::Timestamp(input.number().cast_unsigned()),
        3 => AMQPValue::Void,
        4 => AMQPValue::FieldTable(FieldTable::default()),
        5 => AMQPValue::ByteArray(input.bytes().to_vec().into()),
        _ => AMQPValue::LongString(input.bytes().to_vec().into()),
    }
}

/// What was sent and read once is the same however often it is sent again.
fn comes_back(envelope: &Envelope) {
    let again = |envelope: &Envelope| {
        let name = envelope.name().as_str();
        match codec::properties(envelope, name, "fuzz", FieldTable::default()) {
            Ok(properties) => Some(codec::decode(&properties, name, envelope.body().to_vec())),
            Err(error) => {
                is_refusal(&error);
                None
            }
        }
    };
    if let Some(first) = again(envelope) {
        let second = again(&first);
        // Without an id each reading makes one.
        if !envelope.id().as_str().is_empty() {
            assert_eq!(first.body(), envelope.body());
            assert!(second == Some(first), "a message changes on its way");
        }
    }
}
