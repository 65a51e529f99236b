//! The log read again, as it is: everything, once, to the end; no group is disturbed.

use std::collections::{BTreeMap, BTreeSet};
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

/// From offsets: those of two partitions, one of them beyond the end, one before the log's beginning; the third from a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_begins_at_given_offsets() -> Result<()> {
    let Some(kafka) = Kafka::shared("a_replay_begins_at_given_offsets").await? else {
        return Ok(());
    };
    let broker = KafkaBroker::new(kafka.config(4))?;
    let emitter = Arc::new(broker.emitter()?);
    let sent = |numbers: std::ops::Range<usize>| {
        numbers
            .map(|number| message(&format!("k{}", number % 40), number))
            .collect()
    };
    publish(emitter.clone(), sent(0..200), Duration::ZERO).await?;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let middle = SystemClock.now();
    tokio::time::sleep(Duration::from_millis(30)).await;
    publish(emitter, sent(200..240), Duration::ZERO).await?;
    let read = async |broker: &KafkaBroker, offsets, from| {
        let replay = broker.replay().starting_at(offsets);
        let subscription = Subscription {
            from,
            ..everything("copy", 16)
        };
        let mut stream = replay.subscribe(subscription).await?;
        let mut seen: BTreeMap<i32, Vec<(i64, usize)>> = BTreeMap::new();
        while let Some(delivery) = tokio::time::timeout(PATIENCE, stream.next()).await? {
            let mut origin = delivery.origin.rsplit('/');
            let (offset, partition) = (origin.next().unwrap().parse()?, origin.next().unwrap().parse()?);
            seen.entry(partition)
                .or_default()
                .push((offset, number(&delivery.envelope)));
            delivery.ack().await?;
        }
        anyhow::Ok(seen)
    };
    let whole = read(&broker, BTreeMap::new(), StartFrom::Beginning).await?;
    assert_eq!(whole.len(), 4, "40 keys are in all partitions");
    let offsets = BTreeMap::from([(0, 7), (1, 1_000), (2, -5)]);
    let part = read(&broker, offsets, StartFrom::Time(middle)).await?;
    assert_eq!(part.get(&0).unwrap()[..], whole[&0][7..]);
    assert_eq!(part.get(&1), None);
    assert_eq!(part.get(&2), whole.get(&2));
    let late: Vec<_> = whole[&3]
        .iter()
        .copied()
        .filter(|(_, number)| *number >= 200)
        .collect();
    assert_eq!(part.get(&3), Some(&late));
    Ok(())
}
