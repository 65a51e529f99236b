//! Consumers killed at each point of dispatch: the inbox lets every message have its effect once, and each key keeps its order.

use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, QueueType};

use crate::beside::Beside;
use crate::common::{eventually, patient};
use crate::killed;

const PORT: &str = "KILLED_CONSUMER_PORT";
const PLACE: &str = "KILLED_CONSUMER_PLACE";

fn named(port: u16, place: &str) -> AmqpConfig {
    let mut config = patient(port, QueueType::Quorum);
    place.clone_into(&mut config.exchange);
    place.clone_into(&mut config.queue);
    config
}

pub(crate) async fn what_a_killed_consumer_left_is_handled_once(port: u16) {
    let place = crate::common::unique("killed");
    let settings = named(port, &place);
    let (beside, queue) = (
        Beside::new(port, &settings).await,
        settings.queue.clone() + "." + killed::GROUP,
    );
    let broker = AmqpBroker::connect(settings).unwrap();
    let environment = vec![(PORT, port.to_string()), (PLACE, place)];
    let child = "once::a_consumer_that_is_killed";
    let (listener, emitter) = (broker.listener(), broker.emitter());
    // RabbitMQ may need a moment to notice it; until then the next one would take what comes after.
    let noticed = || async {
        eventually("the end of the killed consumer", || async {
            beside.consumers(&queue).await == 0
        })
        .await;
    };
    let kills = killed::Kills {
        broker: "RabbitMQ",
        child,
        environment,
        per_point: 3,
    };
    kills.at_each_point(listener, emitter, noticed).await;
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
