//! What lies in the log, byte for byte, and what becomes of records that others put there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use myevents_adapters::kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use myevents_adapters::kafka::rdkafka::message::{
    Header, Headers as _, Message as _, OwnedHeaders, OwnedMessage,
};
use myevents_adapters::kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use myevents_adapters::kafka::rdkafka::{ClientConfig, Offset, TopicPartitionList};
use myevents_adapters::kafka::{KafkaBroker, KafkaConfig};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::dispatch::Dispatch;
use myevents_core::domain::{EventId, UnixMillis};
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{DatabaseHandler as _, DeadLetters, EventEmitter as _, SystemClock};
use myevents_core::projection;
use tokio_util::sync::CancellationToken;

use crate::common::{Kafka, eventually};

/// The first records of partition 0, as librdkafka alone sees them.
async fn raw(kafka: &Kafka, topic: &str, count: usize) -> Result<Vec<OwnedMessage>> {
    let mut client = kafka.client();
    client.set("group.id", "raw").set("enable.auto.commit", "false");
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = client.create()?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Beginning)?;
        consumer.assign(&list)?;
        let mut records = Vec::new();
        while records.len() < count {
            match consumer.poll(Duration::from_secs(20)) {
                Some(record) => records.push(record?.detach()),
                None => anyhow::bail!("{} records of {count}", records.len()),
            }
        }
        Ok(records)
    })
    .await?
}

fn producer(kafka: &Kafka) -> Result<FutureProducer> {
    let mut client: ClientConfig = kafka.client();
    client.set("message.max.bytes", "2000000");
    Ok(client.create()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_is_as_the_contract_says() -> Result<()> {
    let Some(kafka) = Kafka::shared("the_record_is_as_the_contract_says").await? else {
        return Ok(());
    };
    let config = kafka.config(1);
    let mut legacy = config.clone();
    legacy.legacy_names = true;
    let envelope = Envelope::builder(
        MessageId::new("m-1"),
        MessageName::from_wire("event.created"),
        "5a00",
    )
    .time(UnixMillis(1_700_000_000_001))
    .header("source", "/eventservice")
    .header(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    .body(r#"{"id":"5a00","name":"opera"}"#)
    .build();
    for config in [&config, &legacy] {
        for result in KafkaBroker::new(config.clone())?
            .emitter()?
            .emit(std::slice::from_ref(&envelope))
            .await
        {
            result?;
        }
    }
    let records = raw(&kafka, &config.topic, 2).await?;
    for (record, name) in records.iter().zip(["event.created", "eventCreated"]) {
        assert_eq!(record.key(), Some(&b"5a00"[..]));
        let value = format!(r#"{{"eventName":"{name}","payload":{{"id":"5a00","name":"opera"}}}}"#);
        assert_eq!(std::str::from_utf8(record.payload().unwrap())?, value);
        let headers: Vec<(&str, &str)> = record
            .headers()
            .unwrap()
            .iter()
            .map(|header| (header.key, std::str::from_utf8(header.value.unwrap()).unwrap()))
            .collect();
        let expected = [
            ("ce_specversion", "1.0"),
            ("ce_id", "m-1"),
            ("ce_type", "event.created"),
            ("content-type", "application/json"),
            ("ce_source", "/eventservice"),
            ("ce_time", "2023-11-14T22:13:20.001Z"),
            ("ce_partitionkey", "5a00"),
            (
                "ce_traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ),
        ];
        assert_eq!(headers, expected);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topic_is_made_to_keep_everything() -> Result<()> {
    use myevents_adapters::kafka::rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
    use myevents_adapters::kafka::rdkafka::client::DefaultClientContext;
    let Some(kafka) = Kafka::shared("the_topic_is_made_to_keep_everything").await? else {
        return Ok(());
    };
    let config = kafka.config(7);
    let emitter = KafkaBroker::new(config.clone())?.emitter()?;
    emitter.ping().await?;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let asked = [ResourceSpecifier::Topic(&config.topic)];
    let settings = admin
        .describe_configs(&asked, &AdminOptions::new())
        .await?
        .remove(0)
        .unwrap();
    let value = |name| settings.get(name).unwrap().value.clone().unwrap();
    assert_eq!(
        (value("cleanup.policy"), value("retention.ms")),
        ("delete".to_owned(), "-1".to_owned())
    );
    let metadata = admin
        .inner()
        .fetch_metadata(Some(&config.topic), Duration::from_secs(5))?;
    assert_eq!(metadata.topics()[0].partitions().len(), 7);
    Ok(())
}

/// A dispatch of the projection over `config`, until the token is cancelled.
fn project(config: &KafkaConfig) -> Result<(Arc<MemoryStore>, Arc<dyn DeadLetters>, CancellationToken)> {
    let broker = KafkaBroker::new(config.clone())?;
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let letters: Arc<dyn DeadLetters> = Arc::new(broker.dead_letters("projection")?);
    let builder = Dispatch::builder("projection").dead_letters(Arc::clone(&letters));
    let options = myevents_core::dispatch::DispatchOptions {
        from: myevents_core::ports::StartFrom::Beginning,
        ..Default::default()
    };
    let dispatch = projection::register(builder, store.clone())
        .options(options)
        .build()?;
    let stop = CancellationToken::new();
    let (listener, stopped) = (Arc::new(broker.listener()), stop.clone());
    tokio::spawn(async move { dispatch.run(listener, stopped).await });
    Ok((store, letters, stop))
}

async fn put(
    producer: &FutureProducer,
    topic: &str,
    key: Option<&str>,
    value: Option<&[u8]>,
    headers: Option<OwnedHeaders>,
) {
    let mut record = FutureRecord::<str, [u8]>::to(topic);
    (record.key, record.payload, record.headers) = (key, value, headers);
    producer.send(record, Duration::from_secs(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_the_original_services_are_understood() -> Result<()> {
    let Some(kafka) = Kafka::shared("records_of_the_original_services_are_understood").await? else {
        return Ok(());
    };
    let config = kafka.config(3);
    KafkaBroker::new(config.clone())?.emitter()?.ping().await?;
    let producer = producer(&kafka)?;
    // As its producer writes them: no key, no headers, its own spelling, a mangled or empty location.
    for id in ["5a0000000000000000000001", "5a0000000000000000000002"] {
        let value = format!(
            r#"{{"eventName":"eventCreated","payload":{{"id":"{id}","name":"opera aida","location_id":"\u001b\ufffd","start_date":"1994-05-08T18:26:24+01:00","end_date":"1994-05-08T20:26:24+01:00"}}}}"#
        );
        put(&producer, &config.topic, None, Some(value.as_bytes()), None).await;
    }
    let (store, letters, stop) = project(&config)?;
    for id in ["5a0000000000000000000001", "5a0000000000000000000002"] {
        let id = EventId::parse(id)?;
        eventually("the event", || async {
            store.find_event(&id).await.unwrap().is_some()
        })
        .await;
    }
    assert_eq!(letters.count().await?, 0);
    stop.cancel();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_records_are_dead_letters_or_passed_over_and_later_ones_flow() -> Result<()> {
    let Some(kafka) =
        Kafka::shared("broken_records_are_dead_letters_or_passed_over_and_later_ones_flow").await?
    else {
        return Ok(());
    };
    // One partition: every record has the broken ones before it.
    let config = kafka.config(1);
    KafkaBroker::new(config.clone())?.emitter()?.ping().await?;
    let producer = producer(&kafka)?;
    let (topic, large) = (config.topic.as_str(), vec![b'x'; 1_000_000]);
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "ce_id",
            value: Some(&b"\xff\xfe"[..]),
        })
        .insert(Header {
            key: "ce_time",
            value: Some(&b"\x00"[..]),
        })
        .insert(Header {
            key: "ce_partitionkey",
            value: None::<&[u8]>,
        });
    let no_dates = br#"{"eventName":"event.created","payload":{"id":"5a","name":"x"}}"#;
    let in_large = format!(
        r#"{{"eventName":"event.created","payload":"{}"}}"#,
        "y".repeat(1_000_000)
    );
    let bad: [Option<&[u8]>; 9] = [
        None,
        Some(b""),
        Some(b"plain words"),
        Some(b"\xff\x00\xfe"),
        Some(br#"{"payload":{}}"#),
        Some(br#"{"eventName":[]}"#),
        Some(&large),
        Some(no_dates),
        Some(in_large.as_bytes()),
    ];
    for value in bad {
        put(&producer, topic, Some("k"), value, None).await;
    }
    // Nobody handles it, so it is passed over.
    put(
        &producer,
        topic,
        Some("k"),
        Some(br#"{"eventName":"unheard.of","payload":1}"#),
        None,
    )
    .await;
    let good = br#"{"eventName":"event.created","payload":{"id":"5a0000000000000000000009","name":"good","start_date":"2030-01-01T00:00:00Z","end_date":"2030-01-01T01:00:00Z"}}"#;
    put(&producer, topic, Some("k"), Some(good), Some(headers)).await;

    let (store, letters, stop) = project(&config)?;
    let id = EventId::parse("5a0000000000000000000009")?;
    eventually("the good event", || async {
        store.find_event(&id).await.unwrap().is_some()
    })
    .await;
    eventually("the dead letters", || async {
        letters.count().await.unwrap() == 9
    })
    .await;
    let page = letters.list(None, 20).await?;
    let found = |origin: usize| {
        let origin = format!("{topic}/0/{origin}");
        page.items
            .iter()
            .map(|(_, letter)| letter)
            .find(|letter| letter.origin == origin)
            .unwrap()
    };
    for (offset, value) in bad.iter().enumerate().take(7) {
        let letter = found(offset);
        assert_eq!(
            &letter.envelope.body()[..],
            value.unwrap_or_default(),
            "{}",
            letter.reason
        );
        assert_eq!(letter.envelope.id().as_str(), letter.origin);
        assert_eq!(letter.envelope.key(), "k");
        assert_eq!((letter.attempts, letter.consumer.as_str()), (1, "projection"));
        assert!(!letter.reason.is_empty());
    }
    assert!(found(7).reason.contains("start_date"), "{}", found(7).reason);
    assert_eq!(found(8).envelope.name().as_str(), "event.created");

    // Sent back as it is, it is given up on again.
    let (first, _) = page
        .items
        .iter()
        .find(|(_, letter)| letter.origin.ends_with("/0/2"))
        .unwrap();
    assert_eq!(letters.resend(std::slice::from_ref(first)).await?, 1);
    let retry = format!("{topic}.projection.retry/0/0");
    eventually("the letter again", || async {
        let page = letters.list(None, 20).await.unwrap();
        page.items.len() == 9
            && page
                .items
                .iter()
                .any(|(_, letter)| letter.origin == retry && &letter.envelope.body()[..] == b"plain words")
    })
    .await;
    stop.cancel();
    Ok(())
}
