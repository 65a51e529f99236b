//! The thread of a subscription's consumer: it joins the group, takes and hands over partitions, commits, and leaves.
//!
//! It alone calls what may block. Records do not pass through it: each partition has a queue of its own that the
//! subscription's stream reads, so the consumer is polled, and stays in its group, however long handlers take.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{ClientContext, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::config::KafkaConfig;
use super::group::Start;
use super::hands::{Hands, Phase};
use super::topology::Topology;
use super::{client, error, group};
use myevents_core::Result;
use myevents_core::observe::{Observation, Observer};
use myevents_core::ports::StartFrom;

/// Bounds how late a settled offset is handed on, and how late an end is noticed.
const POLL: Duration = Duration::from_millis(50);
/// Between two tries to reach the cluster.
const PAUSE: Duration = Duration::from_millis(500);

/// What rebalances act on.
pub(super) struct Context {
    hands: Arc<Hands>,
    observer: Arc<dyn Observer>,
    /// The consumer itself, whose partitions' queues are taken apart as they come.
    consumer: OnceLock<Weak<BaseConsumer<Self>>>,
}

impl Context {
    pub(super) fn new(hands: Arc<Hands>, observer: Arc<dyn Observer>) -> Self {
        Self {
            hands,
            observer,
            consumer: OnceLock::new(),
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::failed(&error, reason);
    }
}

impl ConsumerContext for Context {
    /// Before a partition's records can flow its queue is set apart, so that none comes by the consumer's own. Before a partition
    /// goes, its deliveries are made void, and what is settled is stored: it is committed before another member gets the partition.
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                tracing::info!(group = self.hands.group, partitions = ?names(list), "partitions came");
                let Some(consumer) = self.consumer.get().and_then(Weak::upgrade) else {
                    return;
                };
                for element in list.elements() {
                    let (topic, partition) = (element.topic(), element.partition());
                    match consumer.split_partition_queue(topic, partition) {
                        Some(queue) => self.hands.assigned(topic, partition, queue, None),
                        None => tracing::error!(topic, partition, "a partition has no queue"),
                    }
                }
            }
            Rebalance::Revoke(list) => {
                tracing::info!(group = self.hands.group, partitions = ?names(list), lost = consumer.assignment_lost(), "partitions go");
                for element in list.elements() {
                    self.hands.revoked(consumer, element.topic(), element.partition());
                }
            }
            Rebalance::Error(error) => tracing::warn!(group = self.hands.group, %error, "rebalance"),
        }
    }

    /// A commit that failed is tried again with the next one, while the partitions are ours: at worst a restart repeats more.
    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let failed = match result {
            // Nothing had been settled since the last one.
            Err(KafkaError::ConsumerCommit(Code::NoOffset)) => return,
            Err(error) => Some(error),
            Ok(()) => offsets
                .elements()
                .into_iter()
                .find_map(|element| element.error().err()),
        };
        if let Some(error) = failed {
            let group = self.hands.group.as_str();
            tracing::warn!(group, partitions = ?names(offsets), %error, "what was handled could not be committed; it is tried again");
            self.observer
                .observe(&Observation::CommitFailed { consumer: group });
        }
    }
}

fn names(list: &TopicPartitionList) -> Vec<String> {
    let elements = list.elements();
    let names = elements
        .iter()
        .map(|element| format!("{}/{}", element.topic(), element.partition()));
    names.collect()
}

/// What the thread is started with.
pub(super) struct Membership {
    pub(super) config: Arc<KafkaConfig>,
    pub(super) topology: Arc<Topology>,
    pub(super) handle: Handle,
    pub(super) hands: Arc<Hands>,
    pub(super) start: Start,
}

/// Tells that the thread is over, however it ends.
pub(super) struct Finished(pub(super) Arc<Hands>);

impl Drop for Finished {
    fn drop(&mut self) {
        self.0.end();
        self.0.finished.send_replace(true);
    }
}

/// Why a membership ended.
enum Ended {
    Told,
    Failed,
}

impl Membership {
    /// Runs until the subscription ends. `started` is told once where the group begins is fixed, or that this can't be done: at
    /// once with an error that no waiting cures; with `Ok` when the cluster is away, which is then waited for.
    pub(super) fn run(mut self, started: oneshot::Sender<Result<()>>) {
        let _finished = Finished(Arc::clone(&self.hands));
        let mut started = Some(started);
        let mut tell = |result| {
            if let Some(started) = started.take() {
                // Whoever asked may have stopped waiting.
                let _ = started.send(result);
            }
        };
        while self.is_open() {
            let consumer = match self.open() {
                Ok(consumer) => consumer,
                Err(error) => {
                    tracing::warn!(group = self.hands.group, %error, "can't join the group yet");
                    tell(if error.is_retryable() { Ok(()) } else { Err(error) });
                    // The end of the log may have moved on until it can be asked for.
                    if self.start.from == StartFrom::Now {
                        self.start.from = StartFrom::Time(self.start.subscribed);
                    }
                    self.pause();
                    continue;
                }
            };
            tell(Ok(()));
            let ended = self.member(&consumer);
            self.hands.revoked_all(&consumer);
            // Leaves the group after the last commit.
            drop(consumer);
            match ended {
                Ended::Told => return,
                Ended::Failed => self.pause(),
            }
        }
    }

    fn is_open(&self) -> bool {
        self.hands.phase().0 == Phase::Open
    }

    fn pause(&self) {
        let end = Instant::now() + PAUSE;
        while self.is_open() && Instant::now() < end {
            std::thread::sleep(POLL);
        }
    }

    /// A consumer that has subscribed, of a group that has a beginning.
    fn open(&self) -> Result<Arc<BaseConsumer<Context>>> {
        let (config, group) = (&self.config, &self.hands.group);
        self.topology.group_there(&self.handle, group)?;
        let settings = config.consumer(config.consumer_group(group));
        let context = Context::new(Arc::clone(&self.hands), Arc::clone(&config.observer));
        let consumer: BaseConsumer<Context> = settings
            .create_with_context(context)
            .map_err(|error| error::call("open kafka", error))?;
        let consumer = Arc::new(consumer);
        // Set once, as the context is new.
        let _ = consumer.context().consumer.set(Arc::downgrade(&consumer));
        // One that begins at the beginning does so without being told, and one joining of the group is enough.
        if self.start.from != StartFrom::Beginning && !group::is_known(&consumer, config)? {
            self.topology
                .beginnings
                .establish(config, group, &self.start, &|| !self.is_open())?;
        }
        let retry = config.retry_topic(group)?;
        consumer
            .subscribe(&[&config.topic, &retry])
            .map_err(|error| error::call("subscribe", error))?;
        Ok(consumer)
    }

    fn member(&self, consumer: &BaseConsumer<Context>) -> Ended {
        let mut closing: Option<Instant> = None;
        loop {
            match consumer.poll(POLL) {
                None => {}
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    tracing::error!(group = self.hands.group, %error, "the consumer failed for good; another one is made");
                    return Ended::Failed;
                }
                Some(Err(error)) => {
                    tracing::info!(group = self.hands.group, %error, "the consumer goes on");
                }
                Some(Ok(_)) => {
                    tracing::error!(
                        group = self.hands.group,
                        "a record came past its queue; the group is joined again"
                    );
                    return Ended::Failed;
                }
            }
            self.hands.store(consumer);
            match self.hands.phase() {
                (Phase::Open, _) => {}
                (Phase::Closing, out) if out > 0 => {
                    let until = *closing.get_or_insert_with(|| Instant::now() + self.config.close_timeout);
                    if Instant::now() > until {
                        return Ended::Told;
                    }
                }
                _ => return Ended::Told,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Commits(AtomicU32);

    impl Observer for Commits {
        fn observe(&self, observation: &Observation<'_>) {
            if matches!(observation, Observation::CommitFailed { consumer: "group" }) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    #[test]
    fn a_commit_that_failed_is_told_and_one_of_nothing_is_not() {
        let commits = Arc::new(Commits::default());
        let hands = Hands::new("group".into(), Vec::new(), 1, None);
        let context = Context::new(hands, Arc::<Commits>::clone(&commits));
        let offsets = TopicPartitionList::new();
        context.commit_callback(Ok(()), &offsets);
        context.commit_callback(Err(KafkaError::ConsumerCommit(Code::NoOffset)), &offsets);
        assert_eq!(commits.0.load(Ordering::SeqCst), 0);
        context.commit_callback(Err(KafkaError::ConsumerCommit(Code::UnknownMemberId)), &offsets);
        assert_eq!(commits.0.load(Ordering::SeqCst), 1);
    }
}
