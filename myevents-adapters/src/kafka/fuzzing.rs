//! What the codec makes of any record, and of any envelope.

use myevents_core::contract::Envelope;
use myevents_core::fuzzing::{self, Input, is_refusal};
use rdkafka::Timestamp;
use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

use super::{codec, letters};

fn record(value: &[u8], key: Option<&[u8]>, headers: OwnedHeaders) -> OwnedMessage {
    let key = key.map(<[u8]>::to_vec);
    let time = Timestamp::CreateTime(1_700_000_000_123);
    OwnedMessage::new(
        Some(value.to_vec()),
        key,
        "events".into(),
        time,
        3,
        17,
        Some(headers),
    )
}

/// Records of Kafka.
///
/// # Panics
/// When a promise is broken.
pub fn records(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte().is_multiple_of(2) {
        comes_back(&input.envelope());
        return;
    }
    let mut headers = OwnedHeaders::new();
    for _ in 0..input.byte() % 6 {
        // The name is a string of C.
        let key = input.text().replace('\0', "");
        let value = input.bytes();
        headers = headers.insert(Header {
            key: &key,
            value: Some(value),
        });
    }
    let key = input.bytes();
    let record = record(input.rest(), (!key.is_empty()).then_some(key), headers);
    let _letter = letters::read(&record);
    let _kept = codec::as_it_is(&record, "k");
    if let Ok(envelope) = codec::decode(&record, None) {
        comes_back(&envelope);
    }
}

/// What was sent and read once is the same however often it is sent again.
fn comes_back(envelope: &Envelope) {
    let again = |envelope: &Envelope| match codec::encode(envelope, false) {
        Ok(encoded) => {
            let key = Some(envelope.key().as_bytes()).filter(|key| !key.is_empty());
            codec::decode(&record(&encoded.value, key, encoded.headers), None).ok()
        }
        Err(error) => {
            is_refusal(&error);
            None
        }
    };
    fuzzing::comes_back(envelope, again);
}
