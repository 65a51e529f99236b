//! The other side of the wire: a raw client that publishes and reads as the original services do, and a consumer's patience.

use std::time::Duration;

use futures_util::StreamExt as _;
use myevents_adapters::amqp::AmqpConfig;
use myevents_adapters::amqp::lapin::options::{
    BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use myevents_adapters::amqp::lapin::types::{AMQPValue, FieldTable};
use myevents_adapters::amqp::lapin::{BasicProperties, Channel, ExchangeKind, message};
use myevents_core::contract::MessageName;
use myevents_core::ports::{Delivery, DeliveryStream, StartFrom, Subscription};

use crate::common::raw;

/// A raw channel to our exchange.
pub(crate) struct Beside {
    pub(crate) channel: Channel,
    pub(crate) exchange: String,
}

impl Beside {
    /// A raw channel beside ours, with the exchange declared as the original services do.
    pub(crate) async fn new(port: u16, config: &AmqpConfig) -> Self {
        let connection = raw(port).await;
        let channel = connection.create_channel().await.unwrap();
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let declared = channel.exchange_declare(
            config.exchange.as_str().into(),
            ExchangeKind::Topic,
            durable,
            FieldTable::default(),
        );
        declared.await.unwrap();
        // The channel keeps the connection.
        Self {
            channel,
            exchange: config.exchange.clone(),
        }
    }

    /// The original's queue: durable, without arguments, bound to one name.
    pub(crate) async fn queue(&self, queue: &str, name: &str) {
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = self
            .channel
            .queue_declare(queue.into(), durable, FieldTable::default());
        declared.await.unwrap();
        let bound = self.channel.queue_bind(
            queue.into(),
            self.exchange.as_str().into(),
            name.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.unwrap();
    }

    pub(crate) async fn publish(&self, key: &str, body: &[u8], properties: BasicProperties) {
        let published = self.channel.basic_publish(
            self.exchange.as_str().into(),
            key.into(),
            BasicPublishOptions::default(),
            body,
            properties,
        );
        published.await.unwrap();
    }

    /// How many consume from a queue that is there.
    pub(crate) async fn consumers(&self, queue: &str) -> u32 {
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let found = self
            .channel
            .queue_declare(queue.into(), passive, FieldTable::default());
        found.await.unwrap().consumer_count()
    }

    pub(crate) async fn get(&self, queue: &str) -> message::Delivery {
        for _ in 0..200 {
            let options = BasicGetOptions { no_ack: true };
            if let Some(got) = self.channel.basic_get(queue.into(), options).await.unwrap() {
                return got.delivery;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing came into {queue}");
    }
}

pub(crate) fn wanting(group: &str, names: &[&'static str]) -> Subscription {
    Subscription {
        group: group.to_owned(),
        names: names.iter().map(|name| MessageName::from_static(name)).collect(),
        prefetch: 8,
        from: StartFrom::Now,
    }
}

pub(crate) async fn next(stream: &mut DeliveryStream) -> Delivery {
    let next = tokio::time::timeout(Duration::from_secs(20), stream.next());
    next.await.expect("a delivery comes").expect("the stream goes on")
}

pub(crate) fn named(name: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("x-event-name".into(), AMQPValue::LongString(name.into()));
    // This is all that the original sets: transient, no id, no time, no key.
    BasicProperties::default()
        .with_headers(headers)
        .with_content_type("application/json".into())
}
