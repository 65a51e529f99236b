//! Members of a group that come and go: nothing is lost, a key keeps its order, what moved away is void.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt as _;
use myevents_adapters::kafka::KafkaBroker;
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::dispatch::{Context, Dispatch, DispatchOptions};
use myevents_core::ports::{EventEmitter, EventListener, StartFrom, Subscription};
use myevents_core::{Error, ErrorKind};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::common::{Kafka, eventually, everything, message, new_topic, next, nothing, number, publish};

/// What all members handled, in the order they did.
type Handled = Arc<Mutex<Vec<(String, usize)>>>;

/// A member that handles and acknowledges until it is stopped, and leaves then.
async fn member(
    broker: &KafkaBroker,
    handled: &Handled,
) -> Result<(CancellationToken, tokio::task::JoinHandle<()>)> {
    let listener = broker.listener();
    let mut stream = listener.subscribe(everything("shared", 32)).await?;
    let (stop, handled) = (CancellationToken::new(), Arc::clone(handled));
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        while let Some(Some(delivery)) = stopped.run_until_cancelled(stream.next()).await {
            let key = delivery.envelope.key().to_owned();
            handled.lock().push((key, number(&delivery.envelope)));
            tokio::time::sleep(Duration::from_micros(300)).await;
            // Refused where the partition went to another, who handles it again.
            let _ = delivery.ack().await;
        }
        drop(stream);
        let _ = listener.close().await;
    });
    Ok((stop, task))
}

/// A member that handles as the services do, several keys at once, each message with a number of its own failing at first.
fn dispatching(
    broker: &KafkaBroker,
    handled: &Handled,
) -> Result<(CancellationToken, tokio::task::JoinHandle<()>)> {
    let handled = Arc::clone(handled);
    let handler = move |envelope: Envelope, context: Context| {
        let handled = Arc::clone(&handled);
        async move {
            tokio::time::sleep(Duration::from_micros(300)).await;
            let number = number(&envelope);
            if number % 25 == 7 && context.attempt() == 1 {
                let error = Error::new(ErrorKind::Internal, "handle", "the first try fails");
                return Err(error);
            }
            handled.lock().push((envelope.key().to_owned(), number));
            Ok(())
        }
    };
    let dispatch = Dispatch::builder("shared")
        .on_envelope(MessageName::from_static("test.made"), handler)
        .dead_letters(Arc::new(broker.dead_letters("shared")?))
        .options(DispatchOptions {
            prefetch: 32,
            concurrency: 4,
            from: StartFrom::Beginning,
            ..DispatchOptions::default()
        })
        .build()?;
    let stop = CancellationToken::new();
    let (listener, stopped) = (Arc::new(broker.listener()), stop.clone());
    let task = tokio::spawn(async move {
        dispatch.run(listener.clone(), stopped).await.unwrap();
        let _ = listener.close().await;
    });
    Ok((stop, task))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_under_load_and_nothing_is_lost() -> Result<()> {
    come_and_go("members_come_and_go_under_load_and_nothing_is_lost", false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_dispatch_come_and_go_and_every_key_keeps_its_order() -> Result<()> {
    const TEST: &str = "members_that_dispatch_come_and_go_and_every_key_keeps_its_order";
    come_and_go(TEST, true).await
}

#[allow(clippy::print_stdout, reason = "duplicates are counted and shown")]
async fn come_and_go(test: &'static str, dispatched: bool) -> Result<()> {
    const KEYS: usize = 40;
    const EACH: usize = 100;
    let Some(kafka) = Kafka::shared(test).await? else {
        return Ok(());
    };
    let member = async |broker: &KafkaBroker, handled: &Handled| {
        if dispatched {
            dispatching(broker, handled)
        } else {
            member(broker, handled).await
        }
    };
    let broker = KafkaBroker::new(kafka.config(12))?;
    let emitter = Arc::new(broker.emitter()?);
    let handled = Handled::default();
    let mut members = vec![member(&broker, &handled).await?];
    let sent = (0..EACH).flat_map(|number| (0..KEYS).map(move |key| message(&format!("k{key}"), number)));
    let publishing = tokio::spawn(publish(emitter, sent.collect(), Duration::from_millis(50)));
    let at = |part: usize| {
        let handled = Arc::clone(&handled);
        move || {
            let enough = handled.lock().len() >= KEYS * EACH * part / 10;
            async move { enough }
        }
    };
    // Two more come, two go, one comes: while messages flow.
    eventually("a tenth", at(1)).await;
    members.push(member(&broker, &handled).await?);
    eventually("three tenths", at(3)).await;
    members.push(member(&broker, &handled).await?);
    eventually("five tenths", at(5)).await;
    let (stop, left) = members.remove(0);
    stop.cancel();
    left.await?;
    eventually("seven tenths", at(7)).await;
    let (stop, left) = members.remove(0);
    stop.cancel();
    members.push(member(&broker, &handled).await?);
    left.await?;
    publishing.await??;
    let all = || {
        let distinct: BTreeSet<(String, usize)> = handled.lock().iter().cloned().collect();
        async move { distinct.len() == KEYS * EACH }
    };
    eventually("everything", all).await;
    for (stop, left) in members {
        stop.cancel();
        left.await?;
    }
    let handled = handled.lock();
    let mut highest: HashMap<&str, usize> = HashMap::new();
    for (key, number) in handled.iter() {
        let expected = highest.entry(key).or_default();
        assert!(number <= expected, "{key}: {number} came before {expected}");
        *expected = (*expected).max(number + 1);
    }
    println!(
        "rebalances, dispatched: {dispatched}: {} messages, 0 lost, {} repeats",
        KEYS * EACH,
        handled.len() - KEYS * EACH
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_whose_partition_went_away_is_void() -> Result<()> {
    let Some(kafka) = Kafka::shared("a_delivery_whose_partition_went_away_is_void").await? else {
        return Ok(());
    };
    let broker = KafkaBroker::new(kafka.config(6))?;
    let emitter = Arc::new(broker.emitter()?);
    let (first, second) = (broker.listener(), broker.listener());
    let mut one = first.subscribe(everything("moving", 100)).await?;
    let sent: Vec<_> = (0..60)
        .map(|number| message(&format!("k{number}"), number))
        .collect();
    publish(emitter, sent, Duration::ZERO).await?;
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(next(&mut one).await);
    }
    let mut other = second.subscribe(everything("moving", 100)).await?;
    let mut moved = BTreeSet::new();
    // The first message that comes there shows that partitions have moved.
    let delivery = next(&mut other).await;
    moved.insert(number(&delivery.envelope));
    delivery.ack().await?;
    let mut void = BTreeSet::new();
    for mut delivery in held {
        let number = number(&delivery.envelope);
        let extended = delivery.extend(Duration::from_secs(1)).await;
        match delivery.ack().await {
            Ok(()) => assert!(extended.is_ok()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                assert!(extended.is_err());
                void.insert(number);
            }
        }
    }
    assert!(!void.is_empty() && void.len() < 60, "{} of 60 moved", void.len());
    while moved.len() < void.len() {
        let delivery = next(&mut other).await;
        moved.insert(number(&delivery.envelope));
        delivery.ack().await?;
    }
    assert_eq!(moved, void, "just what was void came there");
    nothing(&mut one).await;
    nothing(&mut other).await;
    drop((one, other));
    first.close().await?;
    second.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_holds_the_offset_back_over_a_restart() -> Result<()> {
    let Some(kafka) = Kafka::shared("what_is_open_holds_the_offset_back_over_a_restart").await? else {
        return Ok(());
    };
    let broker = KafkaBroker::new(kafka.config(1))?;
    let emitter = Arc::new(broker.emitter()?);
    let listener = broker.listener();
    let mut stream = listener.subscribe(everything("open", 10)).await?;
    let sent = (0..10).map(|number| message("", number)).collect();
    publish(emitter, sent, Duration::ZERO).await?;
    let mut open = None;
    for _ in 0..10 {
        let delivery = next(&mut stream).await;
        if delivery.origin.ends_with("/4") {
            open = Some(delivery);
        } else {
            delivery.ack().await?;
        }
    }
    // Lost with its consumer.
    drop(stream);
    drop(open);
    listener.close().await?;
    let listener = broker.listener();
    let mut stream = listener.subscribe(everything("open", 10)).await?;
    for offset in 4..10 {
        let delivery = next(&mut stream).await;
        assert!(
            delivery.origin.ends_with(&format!("/{offset}")),
            "{}",
            delivery.origin
        );
        delivery.ack().await?;
    }
    nothing(&mut stream).await;
    listener.close().await?;
    Ok(())
}

/// Two processes of a service that never ran before start at once, while messages flow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_group_misses_nothing_when_two_members_begin_at_once() -> Result<()> {
    let Some(kafka) = Kafka::shared("a_new_group_misses_nothing_when_two_members_begin_at_once").await?
    else {
        return Ok(());
    };
    let broker = KafkaBroker::new(kafka.config(4))?;
    let emitter = Arc::new(broker.emitter()?);
    publish(
        emitter.clone(),
        (0..50)
            .map(|number| message(&format!("old{number}"), number))
            .collect(),
        Duration::ZERO,
    )
    .await?;
    let handled = Handled::default();
    let (one, two) = tokio::join!(member(&broker, &handled), member(&broker, &handled));
    let ((stop_one, left_one), (stop_two, left_two)) = (one?, two?);
    let sent = (0..200)
        .map(|number| message(&format!("new{number}"), number))
        .collect();
    publish(emitter, sent, Duration::ZERO).await?;
    eventually("all new ones", || {
        let distinct: BTreeSet<(String, usize)> = handled.lock().iter().cloned().collect();
        async move { distinct.len() >= 200 }
    })
    .await;
    stop_one.cancel();
    stop_two.cancel();
    left_one.await?;
    left_two.await?;
    let old = handled
        .lock()
        .iter()
        .filter(|(key, _)| key.starts_with("old"))
        .count();
    assert_eq!(old, 0, "it begins with what is published from then on");
    Ok(())
}

/// A partition that is added later is read from its first record, not from where the log stood when somebody noticed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_are_added_are_read_from_their_start() -> Result<()> {
    use myevents_adapters::kafka::rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
    use myevents_adapters::kafka::rdkafka::client::DefaultClientContext;
    let Some(kafka) = Kafka::shared("partitions_that_are_added_are_read_from_their_start").await? else {
        return Ok(());
    };
    let topic = new_topic();
    let broker = KafkaBroker::new(kafka.named(&topic, 1))?;
    let emitter = broker.emitter()?;
    let listener = broker.listener();
    let subscription = Subscription {
        from: StartFrom::Now,
        ..everything("grows", 64)
    };
    drop(listener.subscribe(subscription.clone()).await?);
    listener.close().await?;
    emitter.close().await?;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let more = [NewPartitions::new(&topic, 4)];
    admin
        .create_partitions(&more, &AdminOptions::new())
        .await?
        .remove(0)
        .unwrap();

    let broker = KafkaBroker::new(kafka.named(&topic, 4))?;
    let sent = (0..40)
        .map(|number| message(&format!("k{number}"), number))
        .collect();
    publish(Arc::new(broker.emitter()?), sent, Duration::ZERO).await?;
    let listener = broker.listener();
    let mut stream = listener.subscribe(subscription).await?;
    let mut seen = BTreeSet::new();
    while seen.len() < 40 {
        let delivery = next(&mut stream).await;
        seen.insert(number(&delivery.envelope));
        delivery.ack().await?;
    }
    listener.close().await?;
    Ok(())
}

/// Where a new group begins "now" may be fixed only after its subscriber went on: what was published in between is heard too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_before_the_beginning_is_fixed_is_heard() -> Result<()> {
    let Some(kafka) = Kafka::shared("what_is_published_before_the_beginning_is_fixed_is_heard").await? else {
        return Ok(());
    };
    let mut config = kafka.config(3);
    // As if the cluster took longer than anybody waits for it.
    config.subscribe_wait = Duration::ZERO;
    let broker = KafkaBroker::new(config)?;
    let emitter: Arc<dyn EventEmitter> = Arc::new(broker.emitter()?);
    let count = 30;
    let messages = |from: usize| (from..from + count).map(|number| message(&format!("key {number}"), number));
    // The topic is there, and has a past.
    publish(Arc::clone(&emitter), messages(1_000).collect(), Duration::ZERO).await?;
    let listener = broker.listener();
    let mut stream = listener.subscribe(everything("slow", 32)).await?;
    publish(Arc::clone(&emitter), messages(0).collect(), Duration::ZERO).await?;
    let mut missing: BTreeSet<usize> = (0..count).collect();
    while !missing.is_empty() {
        let delivery = next(&mut stream).await;
        missing.remove(&number(&delivery.envelope));
        delivery.ack().await?;
    }
    listener.close().await?;
    emitter.close().await?;
    Ok(())
}
