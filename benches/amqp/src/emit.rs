//! Publishing with confirms to one quorum queue: as the relay does, in batches of 100 with about 1,000 messages open, beside
//! bare `lapin` with as many open on one channel, and on as many channels as ours uses.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use futures_util::future::try_join_all;
use myevents_adapters::amqp::lapin::Connection;
use myevents_adapters::amqp::{AmqpBroker, AmqpEmitter};
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::ports::{EventEmitter as _, EventListener as _, StartFrom, Subscription};

use crate::bare::{self, Raw};
use crate::{NAME, Sizes, config, line, messages, paired};

const BATCH: usize = 100;
const CALLS: usize = 10;
const QUEUE: &str = "emit";

async fn ours(emitter: &Arc<AmqpEmitter>, messages: &[Arc<Vec<Envelope>>]) -> Result<f64> {
    let started = Instant::now();
    let calls = messages.iter().map(|part| {
        let (emitter, part) = (Arc::clone(emitter), Arc::clone(part));
        tokio::spawn(async move {
            for batch in part.chunks(BATCH) {
                for result in emitter.emit(batch).await {
                    result?;
                }
            }
            anyhow::Ok(part.len())
        })
    });
    rate(try_join_all(calls).await?, started)
}

async fn bare(connection: &Connection, messages: &[Arc<Vec<Raw>>], channels: usize) -> Result<f64> {
    let started = Instant::now();
    let mut publishing = Vec::new();
    for part in messages {
        let channel = bare::confirming(connection).await?;
        publishing.push(tokio::spawn(bare::publish(
            channel,
            QUEUE.to_owned(),
            NAME.to_owned(),
            Arc::clone(part),
            BATCH * CALLS / channels,
        )));
    }
    rate(try_join_all(publishing).await?, started)
}

fn rate(counts: Vec<Result<usize>>, started: Instant) -> Result<f64> {
    let mut sum = 0;
    for count in counts {
        sum += count?;
    }
    Ok(sum as f64 / started.elapsed().as_secs_f64())
}

fn parts<T: Clone>(of: &[T], count: usize) -> Vec<Arc<Vec<T>>> {
    of.chunks(of.len().div_ceil(count))
        .map(|part| Arc::new(part.to_vec()))
        .collect()
}

pub(crate) async fn measure(url: &str, sizes: &Sizes) -> Result<Vec<String>> {
    let settings = config(url, QUEUE)?;
    let channels = settings.publish_channels;
    let broker = AmqpBroker::connect(settings)?;
    // The queue and its binding.
    let listener = broker.listener();
    let subscription = Subscription {
        group: "figures".to_owned(),
        names: vec![MessageName::from_static(NAME)],
        prefetch: 1,
        from: StartFrom::Now,
    };
    drop(listener.subscribe(subscription).await?);
    listener.close().await?;
    let emitter = broker.emitter();
    let connection = bare::connect(url).await?;
    let side = connection.create_channel().await?;
    let envelopes = messages(sizes.messages);
    let raw: Vec<Raw> = envelopes.iter().map(Raw::new).collect();
    let envelopes = parts(&envelopes, CALLS);
    let mut lines = Vec::new();
    for (channels, of) in [
        (1, "bare lapin, one channel"),
        (channels, "bare lapin, as many channels"),
    ] {
        let raw = parts(&raw, channels);
        let (ours, bare) = paired(
            &format!("emit beside {channels} channels"),
            sizes.rounds,
            async || {
                bare::purge(&side, QUEUE).await?;
                ours(&emitter, &envelopes).await
            },
            async || {
                bare::purge(&side, QUEUE).await?;
                bare(&connection, &raw, channels).await
            },
        )
        .await?;
        lines.push(line("emit with confirm, quorum queue", 0.95, of, &ours, &bare));
    }
    bare::purge(&side, QUEUE).await?;
    emitter.close().await?;
    Ok(lines)
}
