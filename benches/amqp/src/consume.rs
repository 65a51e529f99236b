//! Consuming a full quorum queue with prefetch 256, each message acknowledged by itself; from the first to the last.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use myevents_adapters::amqp::AmqpBroker;
use myevents_adapters::amqp::lapin::Connection;
use myevents_adapters::amqp::lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use myevents_adapters::amqp::lapin::types::FieldTable;
use myevents_core::contract::MessageName;
use myevents_core::ports::{EventListener as _, StartFrom, Subscription};

use crate::bare::{self, Raw};
use crate::{NAME, Sizes, config, line, messages, paired};

const QUEUE: &str = "consume";
const PREFETCH: u16 = 256;

async fn ours(url: &str, count: usize) -> Result<f64> {
    let broker = AmqpBroker::connect(config(url, QUEUE)?)?;
    let listener = broker.listener();
    let subscription = Subscription {
        group: "figures".to_owned(),
        names: vec![MessageName::from_static(NAME)],
        prefetch: PREFETCH.into(),
        from: StartFrom::Now,
    };
    let mut stream = listener.subscribe(subscription).await?;
    // In a task of its own, as the bare one is and as dispatch is.
    let consuming = tokio::spawn(async move {
        let mut started = None;
        for _ in 0..count {
            let delivery = stream.next().await.context("the stream ended")?;
            started.get_or_insert_with(Instant::now);
            delivery.ack().await?;
        }
        rate(count, started)
    });
    let rate = consuming.await??;
    listener.close().await?;
    Ok(rate)
}

async fn bare(connection: &Connection, count: usize) -> Result<f64> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel
        .basic_consume(QUEUE.into(), "bare".into(), options, none)
        .await?;
    let consuming = tokio::spawn(async move {
        let mut started = None;
        for _ in 0..count {
            let delivery = consumer.next().await.context("the consumer ended")??;
            started.get_or_insert_with(Instant::now);
            delivery.acker.ack(BasicAckOptions::default()).await?;
        }
        rate(count, started)
    });
    let rate = consuming.await??;
    channel.close(200, "OK".into()).await?;
    Ok(rate)
}

fn rate(count: usize, started: Option<Instant>) -> Result<f64> {
    let started = started.context("nothing came")?;
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

pub(crate) async fn measure(url: &str, sizes: &Sizes) -> Result<String> {
    let connection = bare::connect(url).await?;
    let side = bare::confirming(&connection).await?;
    bare::quorum_queue(&side, QUEUE).await?;
    let raw: Arc<Vec<Raw>> = Arc::new(messages(sizes.messages).iter().map(Raw::new).collect());
    // Filled before each, and not measured.
    let fill = async || -> Result<()> {
        bare::purge(&side, QUEUE).await?;
        let (exchange, key) = (String::new(), QUEUE.to_owned());
        bare::publish(side.clone(), exchange, key, Arc::clone(&raw), 1_000).await?;
        Ok(())
    };
    let (ours, bare) = paired(
        "consume",
        sizes.rounds,
        async || {
            fill().await?;
            ours(url, raw.len()).await
        },
        async || {
            fill().await?;
            bare(&connection, raw.len()).await
        },
    )
    .await?;
    let what = format!("consume and ack, prefetch {PREFETCH}, quorum queue");
    Ok(line(&what, 0.9, "bare lapin", &ours, &bare))
}
