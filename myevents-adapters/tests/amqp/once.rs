//! Consumers killed at each point of dispatch: the inbox lets every message have its effect once, and each key keeps its order.

use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, QueueType};

use crate::common::config;
use crate::killed;

const PORT: &str = "MYEVENTS_TEST_PORT";
const PLACE: &str = "MYEVENTS_TEST_PLACE";

fn named(port: u16, place: &str) -> AmqpConfig {
    let mut config = config(port, QueueType::Quorum);
    place.clone_into(&mut config.exchange);
    place.clone_into(&mut config.queue);
    config
}

pub(crate) async fn what_a_killed_consumer_left_is_handled_once(port: u16) {
    let place = crate::common::unique("killed");
    let broker = AmqpBroker::connect(named(port, &place)).unwrap();
    let environment = vec![(PORT, port.to_string()), (PLACE, place)];
    let child = "once::a_consumer_that_is_killed";
    let (listener, emitter) = (broker.listener(), broker.emitter());
    killed::killed_at_each_point("RabbitMQ", listener, emitter, child, environment, 3).await;
}

/// The consumer, when it is called as a child; nothing otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_is_killed() {
    let Some(store) = killed::child() else {
        return;
    };
    let port = std::env::var(PORT).unwrap().parse().unwrap();
    let broker = AmqpBroker::connect(named(port, &std::env::var(PLACE).unwrap())).unwrap();
    let letters = broker.dead_letters(killed::GROUP);
    killed::consume(&store, broker.listener(), letters).await;
}
