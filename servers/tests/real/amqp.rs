//! RabbitMQ: persistent messages that it confirmed are in their durable queue after a kill.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

/// A connection with one open channel, 1, that confirms what is published.
struct Channel(TcpStream);

/// A method's class and number: <https://www.rabbitmq.com/resources/specs/amqp0-9-1.extended.xml>.
type Method = (u16, u16);

const QUEUE: &str = "kept";

impl Channel {
    fn open(port: u16) -> Self {
        let mut channel = Self(wire::connect(port));
        channel.0.write_all(b"AMQP\0\0\x09\x01").unwrap();
        channel.expect((10, 10));
        let mut start_ok = vec![0; 4];
        start_ok.extend_from_slice(&short_text("PLAIN"));
        start_ok.extend_from_slice(&[0, 0, 0, 12]);
        start_ok.extend_from_slice(b"\0guest\0guest");
        start_ok.extend_from_slice(&short_text("en_US"));
        channel.method(0, (10, 11), &start_ok);
        let tune = channel.expect((10, 30));
        // The server's own limits, without heartbeats.
        channel.method(0, (10, 31), &[&tune[..6], &[0, 0]].concat());
        channel.method(0, (10, 40), &[&short_text("/")[..], &[0, 0]].concat());
        channel.expect((10, 41));
        channel.method(1, (20, 10), &short_text(""));
        channel.expect((20, 11));
        channel.method(1, (85, 10), &[0]);
        channel.expect((85, 11));
        channel
    }

    /// How many messages are in the queue that is declared so.
    fn declare(&mut self, flags: u8) -> u32 {
        let arguments = [&[0, 0][..], &short_text(QUEUE), &[flags], &[0; 4]].concat();
        self.method(1, (50, 10), &arguments);
        let answer = self.expect((50, 11));
        let count = &answer[1 + QUEUE.len()..][..4];
        u32::from_be_bytes(count.try_into().unwrap())
    }

    /// Publishes and waits for the confirm.
    fn publish(&mut self, body: &[u8]) {
        self.method(
            1,
            (60, 40),
            &[&[0, 0][..], &short_text(""), &short_text(QUEUE), &[0]].concat(),
        );
        // Of the properties only the delivery mode: 2, persistent.
        let length = u64::try_from(body.len()).unwrap().to_be_bytes();
        self.frame(2, 1, &[&[0, 60, 0, 0][..], &length, &[0x10, 0, 2]].concat());
        self.frame(3, 1, body);
        self.expect((60, 80));
    }

    fn method(&mut self, channel: u16, method: Method, arguments: &[u8]) {
        let payload = [&method.0.to_be_bytes()[..], &method.1.to_be_bytes(), arguments].concat();
        self.frame(1, channel, &payload);
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&[kind][..], &channel.to_be_bytes(), &length, payload, &[0xce]].concat();
        self.0.write_all(&frame).unwrap();
    }

    /// The arguments of the next method, which is this one.
    fn expect(&mut self, method: Method) -> Vec<u8> {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(head[3..].try_into().unwrap());
        let mut payload = vec![0; usize::try_from(length).unwrap() + 1];
        self.0.read_exact(&mut payload).unwrap();
        let number = |at: usize| u16::from_be_bytes(payload[at..at + 2].try_into().unwrap());
        assert_eq!(
            (number(0), number(2)),
            method,
            "{}",
            String::from_utf8_lossy(&payload)
        );
        payload[4..payload.len() - 1].to_vec()
    }
}

fn short_text(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len()).unwrap()];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

#[test]
fn starts_and_keeps_its_data() {
    const DURABLE: u8 = 2;
    const PASSIVE: u8 = 1;
    let Some(mut server) = broker("amqp starts_and_keeps_its_data", Kind::Amqp) else {
        return;
    };
    Channel::open(server.port()).declare(DURABLE);
    // Unlike a confirmed message, a declaration of the last milliseconds may go with a kill: it is logged in the background.
    server.restart().unwrap();
    let mut channel = Channel::open(server.port());
    for _ in 0..10 {
        channel.publish(b"persistent");
    }
    starts_again_where_it_was(&mut server, |server| {
        assert_eq!(Channel::open(server.port()).declare(PASSIVE), 10);
    });

    // Erlang's name server is a process of its own.
    let epmd = server.port() + 2;
    assert!(TcpStream::connect(("127.0.0.1", epmd)).is_ok());
    leaves_nothing(server);
    // It says that it ends before it does.
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", epmd)).is_ok() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the name server runs on"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
