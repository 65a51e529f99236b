//! The yardstick: bare `lapin`, with the properties that ours sends, made beforehand.

use std::sync::Arc;

use anyhow::{Result, bail};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use myevents_adapters::amqp::lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use myevents_adapters::amqp::lapin::types::{AMQPValue, FieldTable, ShortString};
use myevents_adapters::amqp::lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
};
use myevents_core::contract::Envelope;

use crate::NAME;

/// A message as ours is on the wire.
#[derive(Clone)]
pub(crate) struct Raw {
    properties: BasicProperties,
    body: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(envelope: &Envelope) -> Self {
        let mut headers = FieldTable::default();
        for (name, value) in [
            ("x-event-name", NAME),
            ("cloudEvents:specversion", "1.0"),
            ("cloudEvents:id", envelope.id().as_str()),
            ("cloudEvents:type", NAME),
            ("cloudEvents:source", "/bookingservice"),
            ("cloudEvents:time", "2026-11-25T18:00:00.000Z"),
            ("cloudEvents:partitionkey", envelope.key()),
        ] {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        Self {
            properties: BasicProperties::default()
                .with_content_type("application/json".into())
                .with_delivery_mode(2)
                .with_message_id(envelope.id().as_str().into())
                .with_timestamp(1_700_000_000)
                .with_headers(headers),
            body: envelope.body().to_vec(),
        }
    }
}

pub(crate) async fn connect(url: &str) -> Result<Connection> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

/// A channel that confirms.
pub(crate) async fn confirming(connection: &Connection) -> Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// A durable quorum queue without more.
pub(crate) async fn quorum_queue(channel: &Channel, queue: &str) -> Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(queue.into(), durable, arguments).await?;
    Ok(())
}

pub(crate) async fn purge(channel: &Channel, queue: &str) -> Result<()> {
    channel
        .queue_purge(queue.into(), QueuePurgeOptions::default())
        .await?;
    Ok(())
}

/// Publishes all, with at most `window` not confirmed.
pub(crate) async fn publish(
    channel: Channel,
    exchange: String,
    key: String,
    messages: Arc<Vec<Raw>>,
    window: usize,
) -> Result<usize> {
    let (exchange, key): (ShortString, ShortString) = (exchange.as_str().into(), key.as_str().into());
    let mut open = FuturesOrdered::new();
    let taken = |confirmation: Confirmation| match confirmation {
        Confirmation::Ack(_) => Ok(()),
        other => bail!("not taken: {other:?}"),
    };
    for message in messages.iter() {
        let sent = channel
            .basic_publish(
                exchange.clone(),
                key.clone(),
                BasicPublishOptions::default(),
                &message.body,
                message.properties.clone(),
            )
            .await?;
        open.push_back(sent);
        while open.len() >= window
            && let Some(confirmation) = open.next().await
        {
            taken(confirmation?)?;
        }
    }
    while let Some(confirmation) = open.next().await {
        taken(confirmation?)?;
    }
    Ok(messages.len())
}
