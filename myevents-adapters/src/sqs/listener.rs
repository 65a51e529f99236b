//! `SqsListener`: subscriptions of consumer groups, each with a queue of its own that stays when nobody listens.

use std::sync::Arc;

use async_trait::async_trait;
use myevents_core::ports::{BrokerCapabilities, DeliveryStream, EventListener, StartFrom, Subscription};
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::emitter::capabilities;
use super::error::closed;
use super::letters::SqsDeadLetters;
use super::queues::Queues;
use super::shelf::Shelf;
use super::subscription::Subscribing;

/// Subscribes. Made by [`SqsBroker::listener`](super::SqsBroker::listener).
///
/// * A group's queue is made with its first subscription and stays. It holds what its emitters are told to send there,
///   whatever its name; what the group does not want is deleted here.
/// * While a delivery is held, its message stays hidden from others; so it is until the process ends, or for 12 hours.
/// * After a close, receives that are open wait for their end ([`SqsConfig::close_timeout`](super::SqsConfig::close_timeout))
///   and give back what came. A message that goes to one that is left alone comes again after the visibility timeout.
#[derive(Debug)]
pub struct SqsListener {
    queues: Arc<Queues>,
    stop: CancellationToken,
    subscriptions: TaskTracker,
}

impl SqsListener {
    pub(super) fn new(queues: Arc<Queues>) -> Self {
        Self {
            queues,
            stop: CancellationToken::new(),
            subscriptions: TaskTracker::new(),
        }
    }
}

#[async_trait]
impl EventListener for SqsListener {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.queues.config)
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<DeliveryStream> {
        if self.stop.is_cancelled() {
            return Err(closed("subscribe"));
        }
        if subscription.from != StartFrom::Now {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "subscribe",
                "SQS keeps no log to start from",
            ));
        }
        let queue = self.queues.config.queue_of(&subscription.group)?;
        let (shelf, stop) = (Arc::new(Shelf::default()), self.stop.child_token());
        let (standing, stands) = oneshot::channel();
        let subscribing = Subscribing {
            letters: Arc::new(SqsDeadLetters::new(
                Arc::clone(&self.queues),
                &subscription.group,
                queue.clone(),
            )),
            queues: Arc::clone(&self.queues),
            wanted: subscription,
            queue,
            shelf: Arc::clone(&shelf),
            stop: stop.clone(),
            standing: Some(standing),
        };
        self.subscriptions.spawn(subscribing.run());
        let stream = shelf.stream(stop.drop_guard());
        // What is published from now on is to find the queue; where SQS is away it will be so later.
        let _ = timeout(self.queues.config.request_timeout, stands).await;
        Ok(stream)
    }

    /// Deliveries that were handed out may still be settled.
    async fn close(&self) -> Result<()> {
        self.stop.cancel();
        self.subscriptions.close();
        if timeout(self.queues.config.close_timeout, self.subscriptions.wait())
            .await
            .is_err()
        {
            tracing::debug!("receives are still open; a message that goes to one of them comes again later");
        }
        Ok(())
    }
}
