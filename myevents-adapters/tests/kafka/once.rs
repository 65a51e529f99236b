//! Consumers killed at each point of dispatch: the inbox lets every message have its effect once, and each key keeps its order.

use std::sync::Arc;

use anyhow::Result;
use myevents_adapters::kafka::KafkaBroker;

use crate::common::{Kafka, new_topic};
use crate::killed;

const ADDRESS: &str = "KILLED_CONSUMER_ADDRESS";
const TOPIC: &str = "KILLED_CONSUMER_TOPIC";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_consumer_left_is_handled_once() -> Result<()> {
    let Some(kafka) = Kafka::shared("what_a_killed_consumer_left_is_handled_once").await? else {
        return Ok(());
    };
    let topic = new_topic();
    let broker = KafkaBroker::new(kafka.named(&topic, 3))?;
    let environment = vec![(ADDRESS, kafka.address().to_owned()), (TOPIC, topic)];
    let child = "once::a_consumer_that_is_killed";
    let (listener, emitter) = (Arc::new(broker.listener()), Arc::new(broker.emitter()?));
    let kills = killed::Kills {
        broker: "Kafka",
        child,
        environment,
        per_point: 1,
    };
    // The group itself waits until the session of the killed one is over.
    kills.at_each_point(listener, emitter, || async {}).await;
    Ok(())
}

/// The consumer, when it is called as a child; nothing otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_is_killed() -> Result<()> {
    let Some(store) = killed::child() else {
        return Ok(());
    };
    let kafka = Kafka::at(std::env::var(ADDRESS)?);
    let broker = KafkaBroker::new(kafka.named(&std::env::var(TOPIC)?, 3))?;
    let letters = Arc::new(broker.dead_letters(killed::GROUP)?);
    killed::consume(&store, Arc::new(broker.listener()), letters).await;
    Ok(())
}
