//! `SqsBroker`: emitter, listener and dead letters over the queues of SQS.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use myevents_core::contract::MessageName;
use myevents_core::ports::{DeadLetterQueue, DeadLetters};
use myevents_core::{ErrorKind, Result};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::client::{Clients, load};
use super::config::SqsConfig;
use super::emitter::SqsEmitter;
use super::letters::SqsDeadLetters;
use super::listener::SqsListener;
use super::outlet::{Outlet, QueueOutlet};
use super::queues::{Fanout, Queues};
use crate::connect::BrokerTools;

/// Between two tries to make a group known: at first, and at most. Each costs a request, and a missing permission may stay so.
const DECLARE_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The queues of SQS.
///
/// ```no_run
/// # async fn example() -> myevents_core::Result<()> {
/// use myevents_adapters::sqs::{SqsBroker, SqsConfig};
///
/// let broker = SqsBroker::connect(SqsConfig::new("bookingservice", "events.fifo")).await?;
/// let (emitter, listener) = (broker.emitter(), broker.listener());
/// # drop((emitter, listener)); Ok(()) }
/// ```
#[derive(Debug)]
pub struct SqsBroker {
    queues: Arc<Queues>,
    emitter: Arc<SqsEmitter>,
    listener: Arc<SqsListener>,
    stop: CancellationToken,
    _stop_with_us: DropGuard,
}

impl SqsBroker {
    /// The queues of `config`, with region and credentials by the SDK's own chain. SQS may be away: nothing is asked of
    /// it yet. Call it within a Tokio runtime.
    ///
    /// # Errors
    /// `Config` for settings that can't be.
    pub async fn connect(config: SqsConfig) -> Result<Self> {
        config.check()?;
        let client = Client::new(&load(config.endpoint.as_deref(), config.ca.as_deref()).await?);
        Self::with_client(&client, config)
    }

    /// As [`connect`](Self::connect), through a client of the caller's own: its endpoint, region, credentials and HTTP
    /// client are used, its retries and time-outs are not.
    ///
    /// # Errors
    /// `Config` for settings that can't be.
    pub fn with_client(client: &Client, config: SqsConfig) -> Result<Self> {
        Self::over(client, config, None)
    }

    /// With `topic` messages are published there and not to the destinations.
    pub(crate) fn over(
        client: &Client,
        config: SqsConfig,
        topic: Option<(Arc<dyn Outlet>, Arc<dyn Fanout>)>,
    ) -> Result<Self> {
        config.check()?;
        let config = Arc::new(config);
        let clients = Clients::new(client, &config);
        let (topic, fanout) = topic.unzip();
        let queues = Arc::new(Queues::new(clients, Arc::clone(&config), fanout));
        let outlets = match topic {
            Some(topic) => vec![topic],
            None => {
                let outlet = |name: &String| -> Arc<dyn Outlet> {
                    Arc::new(QueueOutlet::new(Arc::clone(&queues), name))
                };
                config.destinations.iter().map(outlet).collect()
            }
        };
        let stop = CancellationToken::new();
        Ok(Self {
            emitter: Arc::new(SqsEmitter::new(config, outlets)),
            listener: Arc::new(SqsListener::new(Arc::clone(&queues))),
            queues,
            _stop_with_us: stop.clone().drop_guard(),
            stop,
        })
    }

    /// Publishes.
    #[must_use]
    pub fn emitter(&self) -> Arc<SqsEmitter> {
        Arc::clone(&self.emitter)
    }

    /// Subscribes.
    #[must_use]
    pub fn listener(&self) -> Arc<SqsListener> {
        Arc::clone(&self.listener)
    }

    /// The dead letters of a group.
    ///
    /// # Errors
    /// `Config` for a group that no queue can be named after.
    pub fn dead_letters(&self, group: &str) -> Result<Arc<SqsDeadLetters>> {
        let queue = self.queues.config.queue_of(group)?;
        Ok(Arc::new(SqsDeadLetters::new(
            Arc::clone(&self.queues),
            group,
            queue,
        )))
    }

    /// Makes a group's queue before it subscribes, as soon as SQS is there.
    pub fn declare(&self, group: &str) {
        let (queues, group, stop) = (Arc::clone(&self.queues), group.to_owned(), self.stop.clone());
        let declaring = async move {
            let queue = match queues.config.queue_of(&group) {
                Ok(queue) => queue,
                Err(error) => {
                    tracing::error!(group, %error, "a group can't have a queue");
                    return;
                }
            };
            let (mut wait, most) = DECLARE_AGAIN;
            while let Err(error) = queues.group(&queue).await {
                if error.kind() == ErrorKind::Config {
                    tracing::error!(group, %error, "a group can't have a queue");
                    return;
                }
                tracing::debug!(group, %error, "the queue of a group is not made yet");
                sleep(wait).await;
                // A subscription makes it too, and sooner where somebody waits for messages.
                wait = (wait * 2).min(most);
            }
        };
        tokio::spawn(async move { stop.run_until_cancelled(declaring).await });
    }
}

impl BrokerTools for SqsBroker {
    fn declare(&self, group: &str, _names: &[MessageName]) {
        Self::declare(self, group);
    }

    fn dead_letters(&self, group: &str, rows: Arc<dyn DeadLetterQueue>) -> Arc<dyn DeadLetters> {
        match Self::dead_letters(self, group) {
            Ok(letters) => letters,
            Err(error) => {
                // Such a group can't subscribe either; its letters, if there ever are some, are not lost.
                tracing::error!(group, %error, "the dead letters of a group are kept in the store");
                rows
            }
        }
    }
}
