//! One subscription: its queue, its consumer and what it holds, set up anew on each connection.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer, message};
use myevents_core::ports::{IdSource, RandomIds, Subscription};
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::codec;
use super::config::{AmqpConfig, short};
use super::dial::Live;
use super::error::{away, fault, is_unreadable};
use super::link::{Link, ask};
use super::settlement::{GivenBack, Held};
use super::shelf::{Shelf, Waiting};
use super::topology;

/// What is given back within this goes together, in the order it was delivered in: a quorum queue hands it out again in
/// the order it comes back.
const TOGETHER: Duration = Duration::from_millis(5);
/// A consumer that ended sooner does not count as one: the next try waits longer.
const LIVED: Duration = Duration::from_secs(1);
/// How long a connection is waited for before it is asked for again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the end of a subscription waits for what was handed out: it stands before what nobody has.
const HANDED_BACK_WITHIN: Duration = Duration::from_millis(500);
/// How long a new consumer waits until the one of the lost connection is gone: what that one held stands before the rest.
const OLD_GONE_WITHIN: Duration = Duration::from_millis(500);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(25);
/// A message that can't be read is met this many times more than the limit of our own queues lets it, without a wait.
/// Where no limit takes it away, the waits come back after that.
const BEYOND_THE_LIMIT: u32 = 20;

pub(super) struct Subscribing {
    config: Arc<AmqpConfig>,
    link: Arc<Link>,
    wanted: Subscription,
    shelf: Arc<Shelf>,
    stop: CancellationToken,
    /// Counts what is handed out, over all subscriptions of the listener.
    handed_out: TaskTracker,
    /// The prefetch; over connections too, as what was handed out before a cut is still at work.
    permits: Arc<Semaphore>,
    prefetch: u16,
    /// How many deliveries are still to be taken one by one: behind a message that can't be read there may be sound ones,
    /// which the broker would count up with it each time the client fails at it.
    one_by_one: u16,
    /// How often in a row the client failed at a message, with no other taken in between.
    unreadable: u32,
    /// Told once when the first consumer stands.
    standing: Option<oneshot::Sender<()>>,
}

impl Subscribing {
    pub(super) fn new(
        config: Arc<AmqpConfig>,
        link: Arc<Link>,
        wanted: Subscription,
        shelf: Arc<Shelf>,
        stop: CancellationToken,
        handed_out: TaskTracker,
        standing: oneshot::Sender<()>,
    ) -> Self {
        // AMQP counts it in 16 bits, and 0 means no bound.
        let prefetch = u16::try_from(wanted.prefetch.max(1)).unwrap_or(u16::MAX);
        Self {
            config,
            link,
            wanted,
            shelf,
            stop,
            handed_out,
            permits: Arc::new(Semaphore::new(prefetch.into())),
            prefetch,
            one_by_one: 0,
            unreadable: 0,
            standing: Some(standing),
        }
    }

    /// Runs until it is told to stop, or its link is closed.
    pub(super) async fn run(mut self) {
        let (first, most) = self.config.reconnect;
        let backoff = ExponentialBuilder::default()
            .with_min_delay(first)
            // The spread adds up to as much again.
            .with_max_delay(most / 2)
            .with_jitter()
            .without_max_times();
        let mut delays = backoff.build();
        let stop = self.stop.clone();
        loop {
            let until = Instant::now() + PATIENCE;
            let live = match stop.run_until_cancelled(self.link.live("subscribe", until)).await {
                Some(Ok(live)) => live,
                Some(Err(error)) if error.kind() == ErrorKind::Unavailable => continue,
                Some(Err(_)) | None => break,
            };
            let since = Instant::now();
            let lost = match self.consume(&live).await {
                Ok(()) => break,
                Err(error) => error,
            };
            // The broker gives these to the next consumer by itself.
            drop(self.shelf.clear());
            if is_unreadable(&lost) && self.carefully(&lost) {
                self.link.at_once();
                let lost = timeout(PATIENCE, self.link.lost(&live));
                if stop.run_until_cancelled(lost).await.is_none() {
                    break;
                }
                continue;
            }
            tracing::warn!(group = self.wanted.group, error = %lost, "the subscription was lost and is made anew");
            self.link.doubt();
            if since.elapsed() >= LIVED {
                delays = backoff.build();
            }
            if stop
                .run_until_cancelled(sleep(delays.next().unwrap_or(most)))
                .await
                .is_none()
            {
                break;
            }
        }
        self.shelf.end();
        for held in self.shelf.clear() {
            held.let_go();
        }
    }

    /// The client failed at a message. From now on one is taken at a time, so that only this one is counted up, until
    /// the queue's limit moves it to the dead letters. Answers whether to go on without a wait.
    fn carefully(&mut self, lost: &Error) -> bool {
        if self.one_by_one == 0 {
            tracing::error!(
                group = self.wanted.group,
                error = %lost,
                "a message in the queue can't be read; messages are taken one by one until the queue's limit has moved it to \
                 the dead letters"
            );
        }
        // It stands among so many: in a queue they go back to its front.
        self.one_by_one = self.prefetch;
        self.unreadable = self.unreadable.saturating_add(1);
        self.unreadable <= self.config.delivery_limit.saturating_add(BEYOND_THE_LIMIT)
    }

    /// Notes that a delivery came. Answers whether it was the last one to be taken by itself.
    fn readable(&mut self) -> bool {
        self.unreadable = 0;
        let one_by_one = self.one_by_one;
        self.one_by_one = one_by_one.saturating_sub(1);
        one_by_one == 1
    }

    /// Consumes on this connection. `Ok` when it was told to stop.
    async fn consume(&mut self, live: &Arc<Live>) -> Result<()> {
        let Some(begun) = self.stop.clone().run_until_cancelled(self.begin(live)).await else {
            return Ok(());
        };
        let (channel, mut consumer, origin) = begun?;
        if let Some(standing) = self.standing.take() {
            // Whoever subscribed may have stopped waiting for it.
            let _ = standing.send(());
        }
        let (returns, mut returned) = mpsc::unbounded_channel();
        let mut given_back: Vec<GivenBack> = Vec::new();
        let mut permit: Option<OwnedSemaphorePermit> = None;
        // The consumer was told to end, and another with the whole prefetch comes after its last delivery.
        let mut changing = false;
        loop {
            if permit.is_none() {
                permit = Arc::clone(&self.permits).try_acquire_owned().ok();
            }
            let due = given_back.iter().map(|back| back.due).min();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(back) = returned.recv() => given_back.push(back),
                () = sleep_until(due.unwrap_or_else(Instant::now) + TOGETHER), if due.is_some() => {
                    give_back_due(&mut given_back).await?;
                }
                acquired = Arc::clone(&self.permits).acquire_owned(), if permit.is_none() => {
                    permit = acquired.ok();
                }
                delivery = consumer.next(), if permit.is_some() => {
                    let delivery = match delivery {
                        Some(Ok(delivery)) => delivery,
                        Some(Err(error)) => return Err(fault("consume", error)),
                        None if changing => {
                            changing = false;
                            consumer = self.consumer(&channel, &origin).await?;
                            continue;
                        }
                        None => return Err(away("consume", "RabbitMQ ended the consumer")),
                    };
                    if let Some(permit) = permit.take() {
                        self.shelf.put(self.waiting(delivery, &channel, permit, &origin, &returns));
                    }
                    if self.readable() {
                        changing = true;
                        cancel(&channel, &consumer, self.config.answer_timeout).await?;
                    }
                }
            }
        }
        drop(permit);
        self.end((live, &origin), &channel, consumer, given_back, returned)
            .await;
        Ok(())
    }

    async fn begin(&self, live: &Arc<Live>) -> Result<(Channel, Consumer, Arc<str>)> {
        let config = &self.config;
        let group = &self.wanted.group;
        let queue = config.queue_of(group);
        let found = topology::group(live, config, group, &self.wanted.names).await?;
        if self.standing.is_none() {
            // While messages are taken one by one, only the unreadable one was out.
            if found.consumers > 0 && self.unreadable < 2 {
                self.without_old(live, &queue).await?;
            }
        } else if found.consumers > 0 {
            tracing::warn!(
                queue,
                consumers = found.consumers,
                "others consume from this queue already: fine for processes of the same service, but another service \
                 would take a part of the messages away (set `amqp_queue` then)"
            );
        }
        let channel = topology::open(live, config).await?;
        let consumer = self.consumer(&channel, &queue).await?;
        Ok((channel, consumer, queue.into()))
    }

    /// Waits until nobody consumes from the queue: RabbitMQ counts a consumer until what it held is back. Those of other processes
    /// don't go, so the wait is a short one; where order is promised there are none.
    async fn without_old(&self, live: &Arc<Live>, queue: &str) -> Result<()> {
        let channel = topology::open(live, &self.config).await?;
        let until = Instant::now() + OLD_GONE_WITHIN;
        loop {
            let found = topology::look_on(&channel, &self.config, queue).await?;
            if found.consumers == 0 || Instant::now() >= until {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// A consumer on this channel, with the bound of now.
    async fn consumer(&self, channel: &Channel, queue: &str) -> Result<Consumer> {
        let config = &self.config;
        let asking = channel.clone();
        let prefetch = if self.one_by_one > 0 { 1 } else { self.prefetch };
        let name = short(queue)?;
        let tag = short(&format!("{}.{}", config.service, RandomIds.message_id()))?;
        let consuming = async move {
            asking.basic_qos(prefetch, BasicQosOptions::default()).await?;
            let options = BasicConsumeOptions::default();
            asking
                .basic_consume(name, tag, options, FieldTable::default())
                .await
        };
        ask("consume", config.answer_timeout, consuming).await
    }

    fn waiting(
        &self,
        delivery: message::Delivery,
        channel: &Channel,
        permit: OwnedSemaphorePermit,
        origin: &Arc<str>,
        returns: &mpsc::UnboundedSender<GivenBack>,
    ) -> Waiting {
        let message::Delivery {
            delivery_tag,
            routing_key,
            redelivered,
            properties,
            data,
            acker,
            ..
        } = delivery;
        Waiting {
            attempt: codec::attempt(&properties, redelivered),
            envelope: codec::decode(&properties, routing_key.as_str(), data),
            held: Held {
                tag: delivery_tag,
                channel: channel.clone(),
                acker,
                _permit: permit,
                _handed_out: self.handed_out.token(),
            },
            origin: Arc::clone(origin),
            returns: returns.clone(),
            // A sixth is left for giving it back.
            held_until: Instant::now() + self.config.consumer_timeout * 5 / 6,
        }
    }

    /// Gives back what nobody has, in its order and behind what was handed out and is given back by now. What is still at
    /// work keeps the channel until it is settled.
    async fn end(
        &self,
        (live, origin): (&Arc<Live>, &str),
        channel: &Channel,
        mut consumer: Consumer,
        given_back: Vec<GivenBack>,
        mut returned: mpsc::UnboundedReceiver<GivenBack>,
    ) {
        self.shelf.end();
        let mut held: Vec<Held> = self.shelf.clear();
        held.extend(given_back.into_iter().map(|back| back.held));
        let until = Instant::now() + HANDED_BACK_WITHIN;
        loop {
            // Those that we hold have a permit each; the others are free when everything else is settled.
            let others =
                u32::from(self.prefetch).saturating_sub(u32::try_from(held.len()).unwrap_or(u32::MAX));
            tokio::select! {
                biased;
                Some(back) = returned.recv() => held.push(back.held),
                _ = self.permits.acquire_many(others) => break,
                () = sleep_until(until) => break,
            }
        }
        // From here on what is given back goes to the broker directly.
        drop(returned);
        let mut tags: Vec<u64> = held.iter().map(|held| held.tag).collect();
        drop(held);
        let within = self.config.close_timeout;
        if self.permits.available_permits() >= self.prefetch.into() {
            // The broker takes all back in their order when a channel ends. It does not (3.10.8, quorum queues) when a consumer is
            // cancelled, where what is on its way goes back first; nor when it is told to, by one command for more than 32
            // messages, or by more commands than that, of which it drops the rest with the channel.
            let closing = channel.clone();
            let closing = async move { closing.close(200, "OK".into()).await };
            let closed = match ask("unsubscribe", within, closing).await {
                // It answers before they are back, and the next consumer must not stand before them.
                Ok(()) => self.without_old(live, origin).await,
                failed => failed,
            };
            if let Err(error) = closed {
                tracing::debug!(%error, "the broker takes the deliveries back when the connection ends");
            }
            return;
        }
        if let Err(error) = cancel(channel, &consumer, within).await {
            // Then the connection is gone, and all deliveries with it.
            tracing::debug!(%error, "a consumer was not cancelled");
            return;
        }
        // The client's own buffer ends with the consumer.
        while let Some(Ok(delivery)) = consumer.next().await {
            tags.push(delivery.delivery_tag);
        }
        tags.sort_unstable();
        let giving = channel.clone();
        let giving = async move {
            let options = BasicNackOptions {
                requeue: true,
                ..BasicNackOptions::default()
            };
            for tag in tags {
                giving.basic_nack(tag, options).await?;
            }
            Ok(())
        };
        if let Err(error) = ask("unsubscribe", within, giving).await {
            tracing::debug!(%error, "deliveries were not given back; the broker does it when the connection ends");
        }
    }
}

/// Ends a consumer; what the broker sent before it knows is still handed out.
async fn cancel(channel: &Channel, consumer: &Consumer, within: Duration) -> Result<()> {
    let (asking, tag): (Channel, ShortString) = (channel.clone(), consumer.tag());
    let cancelling = async move { asking.basic_cancel(tag, BasicCancelOptions::default()).await };
    ask("unsubscribe", within, cancelling).await
}

/// Gives back what is due, in the order it was delivered in.
async fn give_back_due(given_back: &mut Vec<GivenBack>) -> Result<()> {
    let now = Instant::now();
    let (mut due, later): (Vec<_>, Vec<_>) = given_back.drain(..).partition(|back| back.due <= now);
    *given_back = later;
    due.sort_unstable_by_key(|back| back.held.tag);
    for back in due {
        back.held.give_back().await?;
    }
    Ok(())
}
