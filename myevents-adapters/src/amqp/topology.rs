//! Exchange, queues and bindings: looked for first, and made only where they are not.
//!
//! What is there is taken as it is. Declaring it with other properties would end in 406, for us or, if ours came first
//! with others, for the original services.

use std::sync::Arc;

use lapin::options::{ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use myevents_core::contract::{MessageName, legacy_spelling};
use myevents_core::{ErrorKind, Result};

use super::config::{AmqpConfig, QueueType, dead_queue, short};
use super::dial::Live;
use super::link::ask;

/// Dead letters can be looked at any number of times: newer brokers would drop them after 20.
const NEVER: i64 = 2_000_000_000;

/// What is known of a queue that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queue {
    /// Messages that wait; those that somebody holds are not counted.
    pub(super) ready: u32,
    pub(super) consumers: u32,
}

/// A channel that confirms what is published, with the exchange made if need be.
pub(super) async fn publishing_channel(live: &Arc<Live>, config: &AmqpConfig) -> Result<Channel> {
    if config.create {
        exchange(live, config).await?;
    }
    let channel = open(live, config).await?;
    let asking = channel.clone();
    let confirming = async move { asking.confirm_select(ConfirmSelectOptions::default()).await };
    ask("open channel", config.answer_timeout, confirming).await?;
    Ok(channel)
}

/// A new channel.
pub(super) async fn open(live: &Arc<Live>, config: &AmqpConfig) -> Result<Channel> {
    let live = Arc::clone(live);
    let opening = async move { live.connection.create_channel().await };
    ask("open channel", config.answer_timeout, opening).await
}

/// `None` where a look found nothing, which also ends the channel it was made on.
fn unless_missing<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn exchange(live: &Arc<Live>, config: &AmqpConfig) -> Result<()> {
    for passive in [true, false] {
        let channel = open(live, config).await?;
        let name = short(&config.exchange)?;
        let options = ExchangeDeclareOptions {
            passive,
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let declaring = async move {
            let none = FieldTable::default();
            channel
                .exchange_declare(name, ExchangeKind::Topic, options, none)
                .await
        };
        if unless_missing(ask("declare exchange", config.answer_timeout, declaring).await)?.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

/// Looks for a queue.
///
/// # Errors
/// Those of the broker; not being there is none.
pub(super) async fn look(live: &Arc<Live>, config: &AmqpConfig, queue: &str) -> Result<Option<Queue>> {
    let channel = open(live, config).await?;
    unless_missing(look_on(&channel, config, queue).await)
}

/// As [`look`], on a channel that is lost if there is no such queue.
///
/// # Errors
/// Those of the broker; `NotFound` too.
pub(super) async fn look_on(channel: &Channel, config: &AmqpConfig, queue: &str) -> Result<Queue> {
    let (channel, name) = (channel.clone(), short(queue)?);
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let looking = async move { channel.queue_declare(name, options, FieldTable::default()).await };
    let found = ask("look for queue", config.answer_timeout, looking).await?;
    Ok(Queue {
        ready: found.message_count(),
        consumers: found.consumer_count(),
    })
}

async fn make(live: &Arc<Live>, config: &AmqpConfig, queue: &str, arguments: FieldTable) -> Result<()> {
    if look(live, config, queue).await?.is_some() {
        return Ok(());
    }
    let channel = open(live, config).await?;
    let name = short(queue)?;
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let making = async move { channel.queue_declare(name, options, arguments).await };
    ask("declare queue", config.answer_timeout, making).await?;
    tracing::info!(queue, "made a queue");
    Ok(())
}

/// Makes the place for a queue's dead letters, where it is not.
pub(super) async fn dead_letters(live: &Arc<Live>, config: &AmqpConfig, queue: &str) -> Result<()> {
    let mut arguments = FieldTable::default();
    if config.queue_type == QueueType::Quorum {
        arguments.insert("x-queue-type".into(), text("quorum"));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(NEVER));
    }
    make(live, config, &dead_queue(queue), arguments).await
}

/// Makes a group's queue and its dead letters where they are not, and binds it to each name in both spellings.
///
/// # Errors
/// Those of the broker; `NotFound` when the queue is not there and is not to be made.
pub(super) async fn group(
    live: &Arc<Live>,
    config: &AmqpConfig,
    group: &str,
    names: &[MessageName],
) -> Result<Queue> {
    let queue = config.queue_of(group);
    if config.create {
        exchange(live, config).await?;
        dead_letters(live, config, &queue).await?;
        make(live, config, &queue, of_queue(config, &queue)).await?;
        bind(live, config, &queue, names).await?;
    }
    let channel = open(live, config).await?;
    look_on(&channel, config, &queue).await
}

/// A classic queue has no arguments, as the original services declare it without any.
fn of_queue(config: &AmqpConfig, queue: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    if config.queue_type == QueueType::Quorum {
        arguments.insert("x-queue-type".into(), text("quorum"));
        arguments.insert(
            "x-delivery-limit".into(),
            AMQPValue::LongLongInt(config.delivery_limit.into()),
        );
        // What runs into the limit goes to the dead letters, and not away.
        arguments.insert("x-dead-letter-exchange".into(), text(""));
        arguments.insert("x-dead-letter-routing-key".into(), text(&dead_queue(queue)));
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        arguments.insert("x-overflow".into(), text("reject-publish"));
    }
    arguments
}

async fn bind(live: &Arc<Live>, config: &AmqpConfig, queue: &str, names: &[MessageName]) -> Result<()> {
    let channel = open(live, config).await?;
    for key in keys(names) {
        let channel = channel.clone();
        let (queue, exchange, key) = (short(queue)?, short(&config.exchange)?, short(&key)?);
        let binding = async move {
            let none = FieldTable::default();
            channel
                .queue_bind(queue, exchange, key, QueueBindOptions::default(), none)
                .await
        };
        ask("bind queue", config.answer_timeout, binding).await?;
    }
    Ok(())
}

/// Each name in both spellings; no name stands for all.
fn keys(names: &[MessageName]) -> Vec<String> {
    if names.is_empty() {
        return vec!["#".to_owned()];
    }
    names
        .iter()
        .flat_map(|name| {
            let old = legacy_spelling(name.as_str());
            [Some(name.as_str()), old].into_iter().flatten()
        })
        .map(ToOwned::to_owned)
        .collect()
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_bound_and_nothing_means_everything() {
        let names = ["event.created", "event.updated"].map(MessageName::from_static);
        assert_eq!(keys(&names), ["event.created", "eventCreated", "event.updated"]);
        assert_eq!(keys(&[]), ["#"]);
    }

    #[test]
    fn a_classic_queue_is_declared_as_the_original_services_do() {
        let mut config = AmqpConfig::new(Vec::new(), "bookingservice", "booking");
        config.queue_type = QueueType::Classic;
        assert!(of_queue(&config, "booking").inner().is_empty());
        config.queue_type = QueueType::Quorum;
        let arguments = of_queue(&config, "booking");
        assert_eq!(
            arguments.inner().get("x-delivery-limit"),
            Some(&AMQPValue::LongLongInt(250))
        );
        assert_eq!(
            arguments.inner().get("x-dead-letter-routing-key"),
            Some(&text("booking.dead"))
        );
    }
}
