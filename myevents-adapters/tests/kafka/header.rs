//! A header whose name is no text, on a real Kafka. No client here can write one, so the request is put together by hand.

use anyhow::{Context as _, Result};
use myevents_adapters::kafka::KafkaBroker;
use myevents_core::ports::{EventEmitter as _, EventListener as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{Kafka, everything, message, next, nothing};

/// Bytes as Kafka's protocol writes them: <https://kafka.apache.org/protocol> and
/// <https://kafka.apache.org/documentation/#recordbatch>.
#[derive(Default)]
struct Wire(Vec<u8>);

impl Wire {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        let length = i16::try_from(text.len()).unwrap();
        self.bytes(&length.to_be_bytes()).bytes(text.as_bytes())
    }

    /// A whole number of few bytes, seven bits each, the sign in the lowest.
    fn short(mut self, number: usize) -> Self {
        let mut left = number << 1;
        while left > 0x7f {
            self.0.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
            left >>= 7;
        }
        self.0.push(u8::try_from(left).unwrap());
        self
    }

    fn sized(self, bytes: &[u8]) -> Self {
        self.short(bytes.len()).bytes(bytes)
    }

    fn long_sized(self, bytes: &[u8]) -> Self {
        let length = i32::try_from(bytes.len()).unwrap();
        self.bytes(&length.to_be_bytes()).bytes(bytes)
    }
}

/// Castagnoli's checksum, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ if sum & 1 == 1 { 0x82F6_3B78 } else { 0 };
        }
    }
    !sum
}

/// A batch of one record without a producer.
fn batch(value: &[u8], headers: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut record = Wire::default()
        .bytes(&[0])
        .short(0)
        .short(0)
        .sized(b"k")
        .sized(value);
    record = record.short(headers.len());
    for (name, value) in headers {
        record = record.sized(name).sized(value);
    }
    let summed = Wire::default()
        // Attributes, the last offset's distance, and two times.
        .bytes(&[0; 2 + 4])
        .bytes(&1_700_000_000_123_i64.to_be_bytes())
        .bytes(&1_700_000_000_123_i64.to_be_bytes())
        // No producer's id, epoch and sequence.
        .bytes(&[0xff; 8 + 2 + 4])
        .bytes(&1_i32.to_be_bytes())
        .sized(&record.0)
        .0;
    let rest = Wire::default()
        // No leader's epoch, and the format's number.
        .bytes(&[0xff, 0xff, 0xff, 0xff, 2])
        .bytes(&checksum(&summed).to_be_bytes())
        .bytes(&summed);
    Wire::default().bytes(&[0; 8]).long_sized(&rest.0).0
}

/// Writes the record to partition 0 of the topic, and holds that it was taken.
async fn produce(address: &str, topic: &str, batch: &[u8]) -> Result<()> {
    let request = Wire::default()
        // Produce, version 3, the request's number, no client's name.
        .bytes(&[0, 0, 0, 3, 0, 0, 0, 7, 0xff, 0xff])
        // No transaction, all copies, ten seconds.
        .bytes(&[0xff; 2 + 2])
        .bytes(&10_000_i32.to_be_bytes())
        .bytes(&1_i32.to_be_bytes())
        .text(topic)
        .bytes(&1_i32.to_be_bytes())
        .bytes(&0_i32.to_be_bytes())
        .long_sized(batch);
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(&Wire::default().long_sized(&request.0).0)
        .await?;
    let size = usize::try_from(stream.read_i32().await?)?;
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).await?;
    // The request's number, one topic, its name, one partition, its number: then what went wrong with it.
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    let code = answer.get(at..at + 2).context("a short answer")?;
    anyhow::ensure!(code == [0, 0], "refused: {answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_whose_name_is_no_text_spoils_no_message() -> Result<()> {
    let Some(kafka) = Kafka::shared("a_header_whose_name_is_no_text_spoils_no_message").await? else {
        return Ok(());
    };
    let config = kafka.config(1);
    let topic = config.topic.clone();
    let broker = KafkaBroker::new(config)?;
    let listener = broker.listener();
    let mut stream = listener.subscribe(everything("named", 4)).await?;
    let emitter = broker.emitter()?;
    emitter.emit(&[message("k", 1)]).await.remove(0)?;
    let headers: [(&[u8], &[u8]); 3] = [(b"ce_id", b"m-2"), (b"\xff\xfe", b"odd"), (b"x-own", b"kept")];
    let value = br#"{"eventName":"test.made","payload":{"number":2}}"#;
    produce(kafka.address(), &topic, &batch(value, &headers)).await?;
    emitter.emit(&[message("k", 3)]).await.remove(0)?;

    next(&mut stream).await.ack().await?;
    let odd = next(&mut stream).await;
    assert_eq!(odd.envelope.id().as_str(), "m-2");
    assert_eq!(&odd.envelope.body()[..], br#"{"number":2}"#);
    let read: Vec<_> = odd.envelope.headers().iter().collect();
    assert_eq!(read, [(&"x-own".to_owned(), &"kept".to_owned())]);
    odd.ack().await?;
    let last = next(&mut stream).await;
    assert_eq!(&last.envelope.body()[..], br#"{"number":3}"#);
    last.ack().await?;
    nothing(&mut stream).await;
    listener.close().await?;
    emitter.close().await?;
    Ok(())
}
