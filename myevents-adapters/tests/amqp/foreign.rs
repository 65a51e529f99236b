//! A foreign client's message that ours can't read: sound ones flow past it, and the queue's limit takes it away.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use futures_util::StreamExt as _;
use myevents_adapters::amqp::{AmqpBroker, QueueType};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::ports::{DeadLetters as _, Delivery, DeliveryStream, EventEmitter, EventListener as _};

use crate::beside::wanting;
use crate::common::{eventually, patient};

const NAME: &str = "event.created";
const SOUND: usize = 55;
/// How many are handed out at once; see `wanting`.
const PREFETCH: usize = 8;

/// The least of AMQP that publishes one message. A client library would refuse to write what this one is for: a message id
/// that is not UTF-8.
struct Foreign(TcpStream);

impl Foreign {
    fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut this = Self(stream);
        this.0.write_all(b"AMQP\x00\x00\x09\x01")?;
        this.answer(10, 10)?;
        let login = [
            &[0, 0, 0, 0][..],
            &short(b"PLAIN"),
            &[0, 0, 0, 12],
            b"\0guest\0guest",
            &short(b"en_US"),
        ];
        this.method(0, 10, 11, &login.concat())?;
        let bounds = this.answer(10, 30)?;
        // Channels and frames as the broker wants them; no heartbeats.
        this.method(0, 10, 31, &[&bounds[..6], &[0, 0]].concat())?;
        this.method(0, 10, 40, &[&short(b"/")[..], &[0, 0]].concat())?;
        this.answer(10, 41)?;
        this.method(1, 20, 10, &[0])?;
        this.answer(20, 11)?;
        this.method(1, 85, 10, &[0])?;
        this.answer(85, 11)?;
        Ok(this)
    }

    /// Returns when the broker has the message.
    fn publish(&mut self, exchange: &str, key: &str, message_id: &[u8], body: &[u8]) -> std::io::Result<()> {
        let to = [
            &[0, 0][..],
            &short(exchange.as_bytes()),
            &short(key.as_bytes()),
            &[0],
        ];
        self.method(1, 60, 40, &to.concat())?;
        let size = (body.len() as u64).to_be_bytes();
        // Bit 7 of the flags: there is a message id, and nothing else.
        let header = [&[0, 60, 0, 0][..], &size, &[0, 0x80], &short(message_id)];
        self.frame(2, 1, &header.concat())?;
        self.frame(3, 1, body)?;
        self.answer(60, 80).map(drop)
    }

    fn method(&mut self, channel: u8, class: u8, method: u8, arguments: &[u8]) -> std::io::Result<()> {
        self.frame(1, channel, &[&[0, class, 0, method], arguments].concat())
    }

    fn frame(&mut self, kind: u8, channel: u8, payload: &[u8]) -> std::io::Result<()> {
        let size = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        self.0
            .write_all(&[&[kind, 0, channel][..], &size, payload, &[0xce]].concat())
    }

    /// The arguments of the next method, which must be this one.
    fn answer(&mut self, class: u8, method: u8) -> std::io::Result<Vec<u8>> {
        let mut head = [0; 7];
        self.0.read_exact(&mut head)?;
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = vec![0; size as usize + 1];
        self.0.read_exact(&mut payload)?;
        assert_eq!(
            payload[..4],
            [0, class, 0, method],
            "{}",
            String::from_utf8_lossy(&payload)
        );
        payload.pop();
        Ok(payload.split_off(4))
    }
}

fn short(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short string");
    [&[length][..], text].concat()
}

fn sound(number: usize) -> Envelope {
    let id = MessageId::new(&format!("sound-{number}"));
    Envelope::builder(id, MessageName::from_static(NAME), format!("key-{number}"))
        .body(number.to_string())
        .build()
}

async fn emit(emitter: &dyn EventEmitter, messages: &[Envelope]) {
    for result in emitter.emit(messages).await {
        result.unwrap();
    }
}

async fn within_a_minute(stream: &mut DeliveryStream) -> Delivery {
    let next = tokio::time::timeout(Duration::from_secs(60), stream.next());
    next.await.expect("a delivery comes").expect("the stream goes on")
}

pub(crate) async fn a_message_that_cannot_be_read_stops_nothing(port: u16) {
    let mut settings = patient(port, QueueType::Quorum);
    settings.delivery_limit = 100;
    let exchange = settings.exchange.clone();
    let broker = AmqpBroker::connect(settings).unwrap();
    let (emitter, listener, letters) = (
        broker.emitter(),
        broker.listener(),
        broker.dead_letters("reading"),
    );
    drop(listener.subscribe(wanting("reading", &[NAME])).await.unwrap());
    let messages: Vec<Envelope> = (0..SOUND).map(sound).collect();
    // It stands in the middle of the first window.
    emit(&*emitter, &messages[..PREFETCH / 2]).await;
    let publishing = tokio::task::spawn_blocking(move || {
        Foreign::connect(port)?.publish(&exchange, NAME, b"\xff\xfe", b"{}")
    });
    publishing.await.unwrap().unwrap();
    emit(&*emitter, &messages[PREFETCH / 2..]).await;

    let mut stream = listener.subscribe(wanting("reading", &[NAME])).await.unwrap();
    let mut handled = BTreeMap::new();
    while handled.len() < SOUND {
        let delivery = within_a_minute(&mut stream).await;
        let (id, attempt) = (delivery.envelope.id().clone(), delivery.attempt);
        // Once with the window in which it was met. Where the broker is slow to notice the end of a connection it hands out
        // as many others first as the prefetch has, and then the message is met within a window once more.
        assert!(attempt <= 3, "{id} was counted up to {attempt}");
        // What was handed out when the connection ended comes again.
        if delivery.ack().await.is_ok() {
            handled.insert(id, attempt);
        }
    }
    let counted = handled.values().filter(|attempt| **attempt > 1).count();
    assert!(counted < 2 * PREFETCH, "{counted} sound messages were counted up");
    eventually("the limit", || async { letters.count().await.unwrap() == 1 }).await;
    // The whole prefetch is back.
    let more: Vec<Envelope> = (SOUND..SOUND + PREFETCH).map(sound).collect();
    emit(&*emitter, &more).await;
    let mut held = Vec::new();
    for _ in 0..PREFETCH {
        held.push(within_a_minute(&mut stream).await);
    }
    for delivery in held {
        delivery.ack().await.unwrap();
    }
    // What stands in `docs/amqp.md`: nobody can list letters while it is among them.
    assert!(letters.list(None, 10).await.is_err());
    listener.close().await.unwrap();
    emitter.close().await.unwrap();
}
