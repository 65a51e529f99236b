//! The emitter: a full queue is waited for, closing flushes, and the caller's own producer or settings are used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use myevents_adapters::kafka::rdkafka::admin::{AdminClient, AdminOptions};
use myevents_adapters::kafka::rdkafka::client::DefaultClientContext;
use myevents_adapters::kafka::rdkafka::producer::FutureProducer;
use myevents_adapters::kafka::{KafkaBroker, KafkaConfig, KafkaEmitter};
use myevents_core::ErrorKind;
use myevents_core::contract::Envelope;
use myevents_core::ports::{EventEmitter, EventListener as _};

use crate::common::{Kafka, eventually, everything, message, next, number};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_waited_for_and_order_kept() -> Result<()> {
    let Some(kafka) = Kafka::shared("a_full_queue_is_waited_for_and_order_kept").await? else {
        return Ok(());
    };
    let mut client = kafka.client();
    client.set("queue.buffering.max.messages", "20");
    let mut config = KafkaConfig::from_client_config(client);
    config.topic = crate::common::new_topic();
    let broker = KafkaBroker::new(config)?;
    let (emitter, listener) = (broker.emitter()?, broker.listener());
    let mut stream = listener.subscribe(everything("all", 2_000)).await?;
    let sent: Vec<Envelope> = (0..2_000).map(|number| message("one key", number)).collect();
    for result in emitter.emit(&sent).await {
        result?;
    }
    for expected in 0..2_000 {
        let delivery = next(&mut stream).await;
        assert_eq!(number(&delivery.envelope), expected);
        delivery.ack().await?;
    }
    listener.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_what_is_under_way() -> Result<()> {
    let Some(kafka) = Kafka::shared("closing_waits_for_what_is_under_way").await? else {
        return Ok(());
    };
    let mut client = kafka.client();
    // Nothing would go out by itself before the close.
    client.set("linger.ms", "60000");
    let mut config = KafkaConfig::from_client_config(client);
    config.topic = crate::common::new_topic();
    config.delivery_timeout = Duration::from_secs(120);
    config.close_timeout = Duration::from_secs(20);
    let emitter = Arc::new(KafkaBroker::new(config)?.emitter()?);
    emitter.ping().await?;
    let sent: Vec<Envelope> = (0..100).map(|number| message("k", number)).collect();
    let emitting = {
        let emitter = Arc::clone(&emitter);
        tokio::spawn(async move { emitter.emit(&sent).await })
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!emitting.is_finished());
    emitter.close().await?;
    for result in emitting.await? {
        result?;
    }
    let late = emitter.emit(&[message("k", 0)]).await.remove(0);
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callers_own_producer_is_used_and_left_open() -> Result<()> {
    let Some(kafka) = Kafka::shared("the_callers_own_producer_is_used_and_left_open").await? else {
        return Ok(());
    };
    let config = kafka.config(2);
    let broker = KafkaBroker::new(config.clone())?;
    let listener = broker.listener();
    let mut stream = listener.subscribe(everything("all", 8)).await?;
    let producer: FutureProducer = kafka.client().set("enable.idempotence", "true").create()?;
    for round in 0..2 {
        let emitter = KafkaEmitter::from_producer(producer.clone(), config.clone());
        emitter.ping().await?;
        emitter.emit(&[message("k", round)]).await.remove(0)?;
        let delivery = next(&mut stream).await;
        assert_eq!(number(&delivery.envelope), round);
        delivery.ack().await?;
        emitter.close().await?;
    }
    listener.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_not_there_is_an_error_in_time() -> Result<()> {
    let Some(kafka) = Kafka::shared("a_topic_that_is_not_there_is_an_error_in_time").await? else {
        return Ok(());
    };
    let mut config = kafka.config(1);
    config.create_topics = false;
    let started = Instant::now();
    let answer = KafkaBroker::new(config.clone())?
        .emitter()?
        .emit(&[message("k", 0)])
        .await
        .remove(0);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unroutable);
    // The caller's own producer finds it out by itself, when the message's time is over.
    let mut client = kafka.client();
    client
        .set("message.timeout.ms", "2000")
        .set("enable.idempotence", "true");
    let own = KafkaEmitter::from_producer(client.create::<FutureProducer>()?, config);
    let answer = own.emit(&[message("k", 0)]).await.remove(0);
    let kind = answer.unwrap_err().kind();
    assert!(
        matches!(kind, ErrorKind::Unroutable | ErrorKind::OutcomeUnknown),
        "{kind:?}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_deleted_is_made_anew() -> Result<()> {
    let Some(kafka) = Kafka::shared("a_topic_that_was_deleted_is_made_anew").await? else {
        return Ok(());
    };
    let config = kafka.config(2);
    let topic = config.topic.clone();
    let emitter = KafkaBroker::new(config)?.emitter()?;
    emitter.emit(&[message("k", 0)]).await.remove(0)?;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    for deleted in admin.delete_topics(&[&topic], &AdminOptions::new()).await? {
        assert!(deleted.is_ok(), "{deleted:?}");
    }
    // What was under way to the old topic is refused or unknown; the relay repeats it.
    eventually("a publish to the new topic", || async {
        emitter.emit(&[message("k", 1)]).await.remove(0).is_ok()
    })
    .await;
    let metadata = admin
        .inner()
        .fetch_metadata(Some(&topic), Duration::from_secs(5))?;
    assert_eq!(metadata.topics()[0].partitions().len(), 2, "as it is configured");
    Ok(())
}
