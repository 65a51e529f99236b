//! The log read again, as it is: everything, once, to the end; no group is disturbed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt as _;
use myevents_adapters::connect::ReplayProgress;
use myevents_adapters::kafka::KafkaBroker;
use myevents_core::ports::{Clock as _, EventListener as _, StartFrom, Subscription, SystemClock};

use crate::common::{Kafka, PATIENCE, everything, message, next, nothing, number, publish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_gives_the_whole_log_and_ends() -> Result<()> {
    let Some(kafka) = Kafka::shared("a_replay_gives_the_whole_log_and_ends").await? else {
        return Ok(());
    };
    let broker = KafkaBroker::new(kafka.config(5))?;
    let emitter = Arc::new(broker.emitter()?);
    let listener = broker.listener();
    let mut group = listener.subscribe(everything("copy", 8)).await?;
    // An empty log ends at once.
    let mut empty = broker.replay().subscribe(everything("copy", 8)).await?;
    assert!(tokio::time::timeout(PATIENCE, empty.next()).await?.is_none());

    let first: Vec<_> = (0..300)
        .map(|number| message(&format!("k{}", number % 20), number))
        .collect();
    publish(emitter.clone(), first, Duration::ZERO).await?;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let middle = SystemClock.now();
    tokio::time::sleep(Duration::from_millis(30)).await;
    let second: Vec<_> = (300..400)
        .map(|number| message(&format!("k{}", number % 20), number))
        .collect();
    publish(emitter.clone(), second, Duration::ZERO).await?;

    for (round, from, expected) in [
        (0, StartFrom::Beginning, 0..400),
        (1, StartFrom::Now, 0..400),
        (2, StartFrom::Time(middle), 300..400),
    ] {
        let replay = broker.replay();
        let mut progress = replay.progress();
        let subscription = Subscription {
            from,
            ..everything("copy", 16)
        };
        let mut stream = replay.subscribe(subscription).await?;
        // What comes later is not of this replay.
        publish(
            emitter.clone(),
            vec![message("late", 9_000 + round)],
            Duration::ZERO,
        )
        .await?;
        let mut seen = BTreeSet::new();
        let mut given_back = false;
        while let Some(delivery) = tokio::time::timeout(PATIENCE, stream.next()).await? {
            let number = number(&delivery.envelope);
            if number == 350 && !given_back {
                // Comes again, and the end waits for it.
                given_back = true;
                delivery.nack(Duration::from_millis(300)).await?;
                continue;
            }
            assert!(seen.insert(number), "{number} came twice");
            delivery.ack().await?;
        }
        assert!(!seen.contains(&(9_000 + round)), "what came later came too");
        seen.retain(|number| *number < 9_000);
        assert_eq!(seen, expected.clone().collect(), "{from:?}");
        let last = progress
            .wait_for(|progress| progress.done == progress.total)
            .await?
            .to_owned();
        assert!(last.total >= u64::try_from(expected.len())?, "{last:?}");
        assert_ne!(last, ReplayProgress::default());
    }
    // The group of the same name still gets everything, and nothing was committed for it.
    let mut heard = 0;
    for _ in 0..403 {
        next(&mut group).await.ack().await?;
        heard += 1;
    }
    assert_eq!(heard, 403);
    nothing(&mut group).await;
    listener.close().await?;
    Ok(())
}
