//! Kafka: records that it acknowledged are in their topic after a kill.

use std::io::{Read, Write};

use super::*;

const TOPIC: &str = "kept";

/// Asks and answers what comes after the answer's id: <https://kafka.apache.org/protocol.html>.
fn ask(server: &Server, key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut stream = wire::connect(server.port());
    // Key, version, the request's id, no client id.
    let head = [
        &key.to_be_bytes()[..],
        &version.to_be_bytes(),
        &[0, 0, 0, 1, 0xff, 0xff],
    ]
    .concat();
    let length = i32::try_from(head.len() + body.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, &head[..], body].concat()).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut answer).unwrap();
    answer.split_off(4)
}

/// A list of one.
const ONE: [u8; 4] = [0, 0, 0, 1];

fn text(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).unwrap().to_be_bytes();
    [&length, text.as_bytes()].concat()
}

/// The answer once it is neither "unknown topic" nor "not leader": for a moment after a topic was made or the broker has started,
/// the broker does not know what it leads. `error` is where the answer has its error.
fn ask_the_leader(server: &Server, key: i16, version: i16, body: &[u8], error: usize) -> Vec<u8> {
    let start = Instant::now();
    loop {
        let answer = ask(server, key, version, body);
        match answer[error..error + 2] {
            [0, 0] => return answer,
            [0, 3 | 6] if start.elapsed() < Duration::from_secs(20) => {}
            _ => panic!("request {key}: {answer:?}"),
        }
    }
}

/// `CreateTopics`, version 2: one partition, one replica, no assignments, no settings, 10 s, not only a check.
fn create_topic(server: &Server) {
    let body = [
        &ONE[..],
        &text(TOPIC),
        &[0, 0, 0, 1, 0, 1],
        &[0; 8],
        &10_000_i32.to_be_bytes(),
        &[0],
    ];
    let answer = ask(server, 19, 2, &body.concat());
    let error = &answer[8 + 2 + TOPIC.len()..][..2];
    assert_eq!(error, [0, 0], "CreateTopics: {answer:?}");
}

/// A batch with one record of this value.
fn batch(value: &[u8]) -> Vec<u8> {
    // Numbers in a record are zigzag: twice the number, here below 64.
    let number = |number: usize| u8::try_from(number * 2).unwrap();
    // No attributes, no time, first in its batch, no key (length -1), the value, no headers.
    let record = [&[0, 0, 0, 1, number(value.len())][..], value, &[0]].concat();
    let checked = [
        // Attributes, last record, first and last time, no producer (id, epoch, sequence), how many records.
        &[0, 0, 0, 0, 0, 0][..],
        &[0; 16],
        &[0xff; 14],
        &ONE,
        &[number(record.len())],
        &record,
    ]
    .concat();
    // Leader's epoch, format 2, the checksum.
    let rest = [&[0xff; 4][..], &[2], &crc32c(&checked).to_be_bytes(), &checked].concat();
    let length = i32::try_from(rest.len()).unwrap().to_be_bytes();
    [&[0; 8][..], &length, &rest].concat()
}

/// The checksum of RFC 3720, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    });
    !crc
}

/// `Produce`, version 3: no transaction, acknowledged by all, 10 s.
fn produce(server: &Server, value: &[u8]) {
    let records = batch(value);
    let length = i32::try_from(records.len()).unwrap().to_be_bytes();
    let body = [
        &[0xff, 0xff, 0xff, 0xff][..],
        &10_000_i32.to_be_bytes(),
        &ONE,
        &text(TOPIC),
        &ONE,
        &[0; 4],
        &length,
        &records,
    ];
    ask_the_leader(server, 0, 3, &body.concat(), 4 + 2 + TOPIC.len() + 4 + 4);
}

/// `ListOffsets`, version 1: where the next record of the partition would go.
fn end(server: &Server) -> i64 {
    let body = [&[0xff; 4][..], &ONE, &text(TOPIC), &ONE, &[0; 4], &[0xff; 8]];
    let at = 4 + 2 + TOPIC.len() + 4 + 4;
    let answer = ask_the_leader(server, 2, 1, &body.concat(), at);
    i64::from_be_bytes(answer[at + 2 + 8..][..8].try_into().unwrap())
}

#[test]
fn starts_and_keeps_its_data() {
    let Some(mut server) = broker("kafka starts_and_keeps_its_data", Kind::Kafka) else {
        return;
    };
    create_topic(&server);
    for _ in 0..10 {
        produce(&server, b"acknowledged");
    }
    starts_again_where_it_was(&mut server, |server| assert_eq!(end(server), 10));
    leaves_nothing(server);
}
