//! From settings to open brokers: one a service, or one for all that join inside the process.

use std::sync::Arc;

use anyhow::{Context, Result};
use myevents_adapters::connect::{
    self, AmqpOptions, BrokerOptions, BrokerTls, KafkaOptions, OpenBroker, SqsOptions,
};
use myevents_core::observe::{NoObserver, Observer};
use myevents_core::runtime::config::{ServiceName, ServiceSettings, Settings};

/// Which broker a service has.
pub(crate) fn options(settings: &Settings, service: &ServiceSettings) -> BrokerOptions {
    let broker = &service.broker;
    BrokerOptions {
        kind: settings.broker.clone(),
        service: service.service.as_str().into(),
        required_names: service.required_names.clone(),
        max_message_bytes: service.max_message_bytes,
        legacy_names: service.legacy_event_names,
        tls: BrokerTls {
            ca: broker.trust.ca.clone(),
            identity: broker.trust.identity.clone(),
        },
        amqp: AmqpOptions {
            urls: broker
                .amqp_urls
                .iter()
                .map(|url| url.reveal().to_owned())
                .collect(),
            queue: broker.amqp_queue.clone(),
            queue_type: broker.amqp_queue_type.clone(),
        },
        kafka: KafkaOptions {
            brokers: broker.kafka_brokers.clone(),
            topic: broker.kafka_topic.clone(),
            group: broker.kafka_group.clone(),
            partitions: broker.kafka_partitions,
        },
        sqs: SqsOptions {
            queue: broker.sqs_queue.clone(),
            destinations: broker.sqs_destinations.clone(),
            topic: broker.sqs_topic.clone(),
            create_queues: broker.sqs_create_queues,
            policy_wait: broker.sqs_policy_wait,
            max_messages: broker.sqs_max_messages,
            wait_time: broker.sqs_wait_time,
            visibility_timeout: broker.sqs_visibility_timeout,
        },
    }
}

/// Opens the brokers of all services of this program; `local` joins them, so it is one.
pub(crate) async fn open(
    settings: &Settings,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<(ServiceName, OpenBroker)>> {
    let mut open: Vec<(ServiceName, OpenBroker)> = Vec::new();
    for service in &settings.services {
        let name = service.service;
        let broker = match open.first() {
            Some((_, joined)) if settings.broker == "local" => joined.clone(),
            _ => connect::broker(&options(settings, service), Arc::clone(observer))
                .await
                .with_context(|| format!("the broker of the {name}"))?,
        };
        open.push((name, broker));
    }
    Ok(open)
}

/// The largest message that is stored: the broker may take less than what is set, and what it refuses is announced to nobody.
pub(crate) fn largest_taken(broker: &OpenBroker, settings: &ServiceSettings) -> usize {
    let takes = broker.emitter.capabilities().max_message_bytes;
    settings.max_message_bytes.min(takes)
}

/// The same for a command, which uses the broker for nothing else; it may be away.
pub(crate) async fn largest_message(settings: &Settings, service: &ServiceSettings) -> Result<usize> {
    let observer: Arc<dyn Observer> = Arc::new(NoObserver);
    let broker = connect::broker(&options(settings, service), observer)
        .await
        .with_context(|| format!("the broker of the {}", service.service))?;
    let largest = largest_taken(&broker, service);
    close(&[(service.service, broker)]).await;
    Ok(largest)
}

/// Closes brokers; what can't be finished is told in the log.
pub(crate) async fn close(brokers: &[(ServiceName, OpenBroker)]) {
    for (service, broker) in brokers {
        for result in [broker.emitter.close().await, broker.listener.close().await] {
            if let Err(error) = result {
                tracing::warn!(%service, %error, "the broker was not closed cleanly");
            }
        }
    }
}
