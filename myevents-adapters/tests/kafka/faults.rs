//! The broker killed, stopped and away under load: losses are 0, duplicates are counted and shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::StreamExt as _;
use myevents_adapters::kafka::KafkaBroker;
use myevents_core::ErrorKind;
use myevents_core::ports::{EventEmitter, EventListener as _};
use parking_lot::Mutex;

use crate::common::{DELIVERY, Kafka, PATIENCE, eventually, everything, message, new_topic, number, publish};

const KEYS: usize = 30;
const EACH: usize = 40;

/// What happens to the broker while messages flow.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Stop,
    Away,
}

#[allow(clippy::print_stdout, reason = "duplicates are counted and shown")]
async fn under_load(kafka: &Arc<Kafka>, fault: Fault) -> Result<()> {
    let broker = KafkaBroker::new(kafka.named(&new_topic(), 6))?;
    let emitter: Arc<dyn EventEmitter> = Arc::new(broker.emitter()?);
    let listener = broker.listener();
    let mut stream = listener.subscribe(everything("load", 64)).await?;
    let seen: Arc<Mutex<BTreeMap<(String, usize), usize>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let handling = tokio::spawn(async move {
        while let Some(delivery) = stream.next().await {
            let place = (delivery.envelope.key().to_owned(), number(&delivery.envelope));
            *noted.lock().entry(place).or_default() += 1;
            // A lost one brings the message again.
            let _ = delivery.ack().await;
        }
    });
    let sent = (0..EACH).flat_map(|number| (0..KEYS).map(move |key| message(&format!("k{key}"), number)));
    let publishing = tokio::spawn(publish(
        Arc::clone(&emitter),
        sent.collect(),
        Duration::from_millis(20),
    ));
    let at = |count: usize| {
        let seen = Arc::clone(&seen);
        move || {
            let enough = seen.lock().len() >= count;
            async move { enough }
        }
    };
    eventually("a third", at(KEYS * EACH / 3)).await;
    let began = Instant::now();
    match fault {
        Fault::Kill => kafka.kill().await?,
        Fault::Stop => kafka.stop().await?,
        Fault::Away => {
            kafka.proxy().refuse().await;
            kafka.proxy().cut();
        }
    }
    // Nobody answers, and that is told in time; nothing of it is believed to be stored.
    let asked = Instant::now();
    let answer = emitter.emit(&[message("away", 0)]).await.remove(0);
    if let Err(error) = answer {
        assert!(error.is_retryable(), "{error:?}");
    }
    assert!(asked.elapsed() < DELIVERY * 20, "{:?}", asked.elapsed());
    match fault {
        Fault::Kill | Fault::Stop => kafka.restart().await?,
        Fault::Away => kafka.proxy().accept_again().await?,
    }
    let back = began.elapsed();
    let again = tokio::time::timeout(PATIENCE, publishing).await???;
    eventually("everything", || {
        let count = seen.lock().keys().filter(|(key, _)| key != "away").count();
        async move { count == KEYS * EACH }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    listener.close().await?;
    handling.await?;
    let repeats: usize = seen.lock().values().map(|count| count - 1).sum();
    println!(
        "{fault:?}: {} messages, 0 lost, {repeats} repeats, {again} publishes repeated, away for {} ms",
        KEYS * EACH,
        back.as_millis()
    );
    emitter.close().await?;
    Ok(())
}

/// One after the other on one server. A restart of the only node is a change of every partition's leader, with a new epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_killed_stopped_and_away_under_load() -> Result<()> {
    let Some(kafka) = Kafka::start("the_broker_is_killed_stopped_and_away_under_load").await? else {
        return Ok(());
    };
    for fault in [Fault::Kill, Fault::Stop, Fault::Away, Fault::Kill] {
        under_load(&kafka, fault).await?;
    }

    // Closing does not hang on a broker that is not there.
    let broker = KafkaBroker::new(kafka.config(2))?;
    let (emitter, listener) = (broker.emitter()?, broker.listener());
    let mut stream = listener.subscribe(everything("closing", 4)).await?;
    emitter.emit(&[message("k", 1)]).await.remove(0)?;
    let held = stream.next().await.unwrap();
    kafka.kill().await?;
    let started = Instant::now();
    let open = {
        let message = message("k", 2);
        emitter.emit(&[message]).await.remove(0)
    };
    assert_eq!(open.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert!(emitter.ping().await.is_err());
    drop(held);
    drop(stream);
    // Whether they could take leave is told; they are closed all the same.
    let _ = listener.close().await;
    let _ = emitter.close().await;
    assert!(
        started.elapsed() < Duration::from_secs(90),
        "{:?}",
        started.elapsed()
    );
    Ok(())
}
