//! `KafkaReplay`: the log as it is now, from its beginning or a point, as a listener whose streams end there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{oneshot, watch};

use super::config::KafkaConfig;
use super::consumer::{Context, Finished};
use super::hands::{Hands, Phase};
use super::listener::{Stream, closed, deliveries, thread};
use super::partition::Bounds;
use super::{capabilities, error, group};
use crate::connect::ReplayProgress;
use myevents_core::ports::{BrokerCapabilities, DeliveryStream, EventListener, StartFrom, Subscription};
use myevents_core::{Error, ErrorKind, Result};

const POLL: Duration = Duration::from_millis(50);

/// Reads the log without being a member of any group: nothing is committed, and nobody else is disturbed. A stream gives every
/// wanted message up to the ends that it saw at its start, and ends when all are settled.
///
/// `StartFrom::Now` is taken as the beginning: there is nothing to replay from now on.
pub struct KafkaReplay {
    config: Arc<KafkaConfig>,
    /// Where to begin in which partition.
    offsets: Arc<BTreeMap<i32, i64>>,
    progress: watch::Sender<ReplayProgress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    streams: Vec<Weak<Hands>>,
}

impl fmt::Debug for KafkaReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaReplay")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KafkaReplay {
    pub(super) fn new(config: Arc<KafkaConfig>) -> Self {
        Self {
            config,
            offsets: Arc::default(),
            progress: watch::Sender::new(ReplayProgress::default()),
            state: Mutex::default(),
        }
    }

    /// Begins at these offsets of these partitions, as the origin of a message or a dead letter tells them
    /// (`topic/partition/offset`); what the log has forgotten is passed over. Other partitions begin as the subscription says.
    #[must_use]
    pub fn starting_at(mut self, offsets: BTreeMap<i32, i64>) -> Self {
        self.offsets = Arc::new(offsets);
        self
    }

    /// How far the last stream is.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<ReplayProgress> {
        self.progress.subscribe()
    }
}

#[async_trait]
impl EventListener for KafkaReplay {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.config)
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<DeliveryStream> {
        let hands = Hands::new(
            subscription.group,
            subscription.names,
            subscription.prefetch,
            None,
        );
        {
            let mut state = self.state.lock();
            if state.closed {
                return Err(closed("replay"));
            }
            state.streams.push(Arc::downgrade(&hands));
        }
        let stream = Stream(Arc::clone(&hands));
        let reading = Reading {
            config: Arc::clone(&self.config),
            hands: Arc::clone(&hands),
            from: subscription.from,
            offsets: Arc::clone(&self.offsets),
            progress: self.progress.clone(),
        };
        let (started, starting) = oneshot::channel();
        thread(&hands.group, move || reading.run(started))?;
        match starting.await {
            Ok(Ok(())) => Ok(deliveries(stream)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(closed("replay")),
        }
    }

    async fn close(&self) -> Result<()> {
        let mut state = self.state.lock();
        state.closed = true;
        for hands in state.streams.iter().filter_map(Weak::upgrade) {
            hands.close();
        }
        Ok(())
    }
}

struct Reading {
    config: Arc<KafkaConfig>,
    hands: Arc<Hands>,
    from: StartFrom,
    offsets: Arc<BTreeMap<i32, i64>>,
    progress: watch::Sender<ReplayProgress>,
}

impl Reading {
    fn run(self, started: oneshot::Sender<Result<()>>) {
        let _finished = Finished(Arc::clone(&self.hands));
        let (consumer, total) = match self.open() {
            Ok(open) => open,
            Err(error) => {
                // Whoever asked may have stopped waiting.
                let _ = started.send(Err(error));
                return;
            }
        };
        self.progress.send_replace(ReplayProgress { done: 0, total });
        let _ = started.send(Ok(()));
        loop {
            if let Some(Err(error)) = consumer.poll(POLL) {
                tracing::info!(%error, "the replay goes on");
            }
            let done = self.hands.done();
            self.progress.send_if_modified(|progress| {
                let now = ReplayProgress { done, total };
                std::mem::replace(progress, now) != now
            });
            match self.hands.phase() {
                (Phase::Ended, _) | (Phase::Closing, 0) => break,
                _ => {}
            }
        }
        self.hands.revoked_all(&consumer);
    }

    fn open(&self) -> Result<(Arc<BaseConsumer<Context>>, u64)> {
        let failed = |error| error::call("replay", error);
        let (config, within) = (&self.config, self.config.request_timeout);
        let name = format!("{}.replay", config.consumer_group(&self.hands.group));
        let context = Context::new(Arc::clone(&self.hands), Arc::clone(&self.config.observer));
        let consumer: BaseConsumer<Context> = config
            .reader(&name)
            .create_with_context(context)
            .map_err(failed)?;
        let consumer = Arc::new(consumer);
        let topic = config.topic.as_str();
        let partitions = group::partitions(&consumer, topic, within)?;
        let from = match self.from {
            StartFrom::Now => StartFrom::Beginning,
            from => from,
        };
        let begins = group::offsets(&consumer, topic, &partitions, from, within).map_err(failed)?;
        let kept =
            group::offsets(&consumer, topic, &partitions, StartFrom::Beginning, within).map_err(failed)?;
        let ends = group::offsets(&consumer, topic, &partitions, StartFrom::Now, within).map_err(failed)?;
        let mut list = TopicPartitionList::new();
        let mut total = 0;
        for partition in partitions {
            let at = |list: &TopicPartitionList| match list.find_partition(topic, partition)?.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            let (Some(begin), Some(kept), Some(end)) = (at(&begins), at(&kept), at(&ends)) else {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "replay",
                    "a partition's ends are not known",
                )
                .with("partition", partition));
            };
            let begin = self
                .offsets
                .get(&partition)
                .map_or(begin, |wanted| kept.max(*wanted));
            if begin >= end {
                continue;
            }
            total += u64::try_from(end - begin).unwrap_or_default();
            list.add_partition_offset(topic, partition, Offset::Offset(begin))
                .map_err(failed)?;
            let Some(queue) = consumer.split_partition_queue(topic, partition) else {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "replay",
                    "a partition has no queue",
                ));
            };
            let reached = false;
            self.hands
                .assigned(topic, partition, queue, Some(Bounds { begin, end, reached }));
        }
        consumer.assign(&list).map_err(failed)?;
        self.hands.complete();
        Ok((consumer, total))
    }
}
