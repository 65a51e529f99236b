//! `AmqpListener`: subscriptions of consumer groups, each with a durable queue that stays when nobody listens.

use std::sync::Arc;

use async_trait::async_trait;
use myevents_core::ports::{BrokerCapabilities, DeliveryStream, EventListener, StartFrom, Subscription};
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::{AmqpConfig, short};
use super::emitter::capabilities;
use super::error::closed;
use super::link::Link;
use super::shelf::Shelf;
use super::subscription::Subscribing;

/// Subscribes. Made by [`AmqpBroker::listener`](super::AmqpBroker::listener).
///
/// * A group's queue is made and bound with its first subscription and stays: what is published while nobody of the
///   group listens waits in it.
/// * A subscription that is lost is made anew, with its queue, bindings and bounds; what was handed out before can't be
///   acknowledged any more and comes again.
/// * A delay asked for when giving back is kept as long as the subscription lives.
/// * A stream goes on without its listener until it is dropped itself.
#[derive(Debug)]
pub struct AmqpListener {
    config: Arc<AmqpConfig>,
    link: Arc<Link>,
    stop: CancellationToken,
    subscriptions: TaskTracker,
    handed_out: TaskTracker,
}

impl AmqpListener {
    pub(super) fn new(config: Arc<AmqpConfig>, link: Arc<Link>) -> Self {
        Self {
            config,
            link,
            stop: CancellationToken::new(),
            subscriptions: TaskTracker::new(),
            handed_out: TaskTracker::new(),
        }
    }
}

#[async_trait]
impl EventListener for AmqpListener {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.config)
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<DeliveryStream> {
        if self.stop.is_cancelled() {
            return Err(closed("subscribe"));
        }
        if subscription.from != StartFrom::Now {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "subscribe",
                "RabbitMQ keeps no log to start from",
            ));
        }
        short(&format!("{}.dead", self.config.queue_of(&subscription.group)))?;
        let (shelf, stop) = (Arc::new(Shelf::default()), self.stop.child_token());
        let (standing, stands) = oneshot::channel();
        let subscribing = Subscribing::new(
            Arc::clone(&self.config),
            Arc::clone(&self.link),
            subscription,
            Arc::clone(&shelf),
            stop.clone(),
            self.handed_out.clone(),
            standing,
        );
        self.subscriptions.spawn(subscribing.run());
        let stream = shelf.stream(stop.drop_guard());
        // What is published from now on is to reach the group; where the broker is away it will be so later.
        tokio::select! {
            _ = stands => {}
            () = self.link.away() => {}
            () = sleep(self.config.answer_timeout) => {}
        }
        Ok(stream)
    }

    /// Deliveries that were handed out may still be settled: the connection is closed after the last of them.
    async fn close(&self) -> Result<()> {
        self.stop.cancel();
        self.subscriptions.close();
        self.handed_out.close();
        if timeout(self.config.close_timeout * 2, self.subscriptions.wait())
            .await
            .is_err()
        {
            tracing::warn!("RabbitMQ did not end every subscription in time");
        }
        let (handed_out, link) = (self.handed_out.clone(), Arc::clone(&self.link));
        if handed_out.is_empty() {
            link.close().await;
        } else {
            tokio::spawn(async move {
                handed_out.wait().await;
                link.close().await;
            });
        }
        Ok(())
    }
}
