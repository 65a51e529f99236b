//! Where a consumer group that is new begins. Anywhere but at the beginning this is fixed before it reads, so that a crash before
//! its first commit skips nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::client;
use super::config::KafkaConfig;
use super::error;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::StartFrom;
use myevents_core::{Error, ErrorKind, Result};

/// How long joining the group may take.
const JOINING: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Between two looks at what others of the group have fixed.
const LOOK: Duration = Duration::from_millis(250);

/// Kafka's words for "the end" and "the beginning" where a time is asked for.
const AT_END: Offset = Offset::End;
const AT_BEGINNING: Offset = Offset::Beginning;

/// The partitions of a topic.
pub(super) fn partitions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    within: Duration,
) -> Result<Vec<i32>> {
    let metadata = consumer
        .fetch_metadata(Some(topic), within)
        .map_err(|error| error::call("look for topic", error))?;
    let found = metadata.topics().first();
    if let Some(code) = found.and_then(|found| found.error()) {
        let error = error::code("look for topic", code.into()).with("topic", topic);
        // One that was made a moment ago is not known everywhere.
        return Err(if error.kind() == ErrorKind::NotFound {
            Error::new(
                ErrorKind::Unavailable,
                "look for topic",
                "the topic is not known yet",
            )
            .with("topic", topic)
            .caused_by(error)
        } else {
            error
        });
    }
    Ok(found
        .map(|found| {
            found
                .partitions()
                .iter()
                .map(|partition| partition.id())
                .collect()
        })
        .unwrap_or_default())
}

/// Offsets of all these partitions.
pub(super) fn offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    from: StartFrom,
    within: Duration,
) -> KafkaResult<TopicPartitionList> {
    let ask = |wanted: Offset| {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(topic, *partition, wanted)?;
        }
        consumer.offsets_for_times(list, within)
    };
    match from {
        StartFrom::Now => ask(AT_END),
        StartFrom::Beginning => ask(AT_BEGINNING),
        StartFrom::Time(time) => {
            // Where nothing is that late yet: the end. It is asked for first: what is stored between the two answers would lie
            // before an end that came later and after a time that had nothing yet, and be lost. An older end only repeats.
            let ends = ask(AT_END)?;
            let list = ask(Offset::Offset(time.0))?;
            for partition in partitions {
                let (Some(mut found), Some(end)) = (
                    list.find_partition(topic, *partition),
                    ends.find_partition(topic, *partition),
                ) else {
                    continue;
                };
                if !matches!(found.offset(), Offset::Offset(_)) {
                    found.set_offset(end.offset())?;
                }
            }
            Ok(list)
        }
    }
}

/// Those of the partitions for which the group has committed nothing.
fn uncommitted<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    within: Duration,
) -> Result<Vec<i32>> {
    let failed = |error| error::call("read offsets", error);
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    let list = consumer.committed_offsets(list, within).map_err(failed)?;
    let mut missing = Vec::new();
    for element in list.elements() {
        element.error().map_err(failed)?;
        if !matches!(element.offset(), Offset::Offset(_)) {
            missing.push(element.partition());
        }
    }
    Ok(missing)
}

/// Whether the group is known to the cluster.
pub(super) fn is_known<C: ConsumerContext>(consumer: &BaseConsumer<C>, config: &KafkaConfig) -> Result<bool> {
    let within = config.request_timeout;
    let partitions = partitions(consumer, &config.topic, within)?;
    let missing = uncommitted(consumer, &config.topic, &partitions, within)?;
    Ok(missing.len() < partitions.len())
}

/// Makes a group known that nobody is a member of and that has committed nothing: it begins at the beginning. Joining it for that
/// would keep the members waiting who come meanwhile. Blocks.
///
/// Should the group have read and left between the look and the commit, it reads the log once more: repeats, no loss.
pub(super) fn begin_at_start(config: &KafkaConfig, group: &str) -> Result<()> {
    let within = config.request_timeout;
    let mut client = config.consumer(config.consumer_group(group));
    client.set("enable.auto.commit", "false");
    let outsider: BaseConsumer<client::Logs> = client
        .create_with_context(client::Logs)
        .map_err(|error| error::call("open kafka", error))?;
    let topic = config.topic.as_str();
    let all = partitions(&outsider, topic, within)?;
    if uncommitted(&outsider, topic, &all, within)?.len() < all.len() {
        return Ok(());
    }
    let begin = offsets(&outsider, topic, &all, StartFrom::Beginning, within)
        .map_err(|error| error::call("read offsets", error))?;
    match outsider.commit(&begin, CommitMode::Sync) {
        // Members are there by now, and say for themselves where they begin.
        Err(KafkaError::ConsumerCommit(
            Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress,
        )) => Ok(()),
        committed => committed.map_err(|error| error::call("make group known", error)),
    }
}

/// Where a group is to begin, if it is new. Of several processes that subscribe a new group at once, each fixes it for its own
/// partitions and by its own time: on a cluster slower than the first of them waits, it misses there what came before the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) from: StartFrom,
    /// When it was subscribed, less what the clocks of others may be behind: records have their producers' times.
    pub(super) subscribed: UnixMillis,
    /// When whoever subscribed goes on, at the latest: what is published after that has to be heard.
    pub(super) returns: Instant,
}

impl Start {
    /// Where to begin as it is now. The end of the log is "now" only while the subscriber waits; later it may be behind messages
    /// that are to be heard, and the time of the subscription says where these are.
    fn from(&self) -> StartFrom {
        match self.from {
            StartFrom::Now if Instant::now() >= self.returns => StartFrom::Time(self.subscribed),
            from => from,
        }
    }
}

/// The groups whose beginnings are being fixed, so that one process joins each but once: the second of two members
/// would leave in the midst of joining, and the cluster would wait for it until its session is over.
#[derive(Debug, Default)]
pub(super) struct Beginnings(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Beginnings {
    /// Fixes where a new group begins. Only members may say it, and only for partitions that are theirs, as two processes may
    /// do this at once: whoever comes second must not move the group past what was published in between. Blocks.
    ///
    /// `gives_up` is asked again and again; the group may then be left half fixed, and its other partitions begin at their start.
    pub(super) fn establish(
        &self,
        config: &KafkaConfig,
        group: &str,
        start: &Start,
        gives_up: &dyn Fn() -> bool,
    ) -> Result<()> {
        let turn = Arc::clone(self.0.lock().entry(group.to_owned()).or_default());
        while !gives_up() {
            if let Some(_turn) = turn.try_lock_for(LOOK) {
                return establish(config, group, start, gives_up);
            }
        }
        Ok(())
    }
}

fn establish(config: &KafkaConfig, group: &str, start: &Start, gives_up: &dyn Fn() -> bool) -> Result<()> {
    let within = config.request_timeout;
    let mut client = config.consumer(config.consumer_group(group));
    client.set("enable.auto.commit", "false");
    let place = Arc::<Place>::default();
    let member: BaseConsumer<Member> = client
        .create_with_context(Member(Arc::clone(&place)))
        .map_err(|error| error::call("open kafka", error))?;
    let topic = config.topic.as_str();
    let all = partitions(&member, topic, within)?;
    if uncommitted(&member, topic, &all, within)?.len() < all.len() {
        return Ok(());
    }
    member
        .subscribe(&[topic])
        .map_err(|error| error::call("join group", error))?;
    let (end, mut look, mut had) = (Instant::now() + JOINING, Instant::now() + LOOK, 0);
    let mut failure = None;
    while !gives_up() {
        // What comes is not for us: nothing is stored.
        if let Some(Err(error)) = member.poll(POLL) {
            tracing::debug!(group, %error, "joining the group");
        }
        let late = Instant::now() > end;
        let ours = place.partitions.lock().clone();
        if late || ours.len() != had || Instant::now() > look {
            had = ours.len();
            look = Instant::now() + LOOK;
            match fix(&member, topic, &all, &ours, start, within) {
                // Whoever leaves before it has joined is waited for by all others until its session is over.
                Ok(0) if late || place.joined.load(Ordering::Acquire) => {
                    tracing::info!(group, from = ?start.from(), "the group is new; where it begins is fixed");
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) if error.is_retryable() => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        if late {
            let error = Error::new(
                ErrorKind::Unavailable,
                "join group",
                "where the group begins could not be fixed in time",
            )
            .with("group", group);
            return Err(match failure {
                Some(failure) => error.caused_by(failure),
                None => error,
            });
        }
    }
    Ok(())
}

/// Commits the beginnings of those of our partitions that have none, and answers how many of all still have none.
fn fix(
    member: &BaseConsumer<Member>,
    topic: &str,
    all: &[i32],
    ours: &[i32],
    start: &Start,
    within: Duration,
) -> Result<usize> {
    let missing = uncommitted(member, topic, all, within)?;
    // Another member's are for that one to fix, and what is fixed stays.
    let ours: Vec<i32> = ours
        .iter()
        .copied()
        .filter(|ours| missing.contains(ours))
        .collect();
    if ours.is_empty() {
        return Ok(missing.len());
    }
    let failed = |error| error::call("read offsets", error);
    let from = start.from();
    let mut begin = offsets(member, topic, &ours, from, within).map_err(failed)?;
    // The answer may have come too late for what was asked.
    if start.from() != from {
        begin = offsets(member, topic, &ours, start.from(), within).map_err(failed)?;
    }
    match member.commit(&begin, CommitMode::Sync) {
        Ok(()) => Ok(missing.len() - ours.len()),
        Err(error) => {
            tracing::debug!(%error, "the group moved on meanwhile");
            Ok(missing.len())
        }
    }
}

/// Where a member stands in its group.
#[derive(Default)]
struct Place {
    /// It has taken part in a whole rebalance, with or without partitions.
    joined: AtomicBool,
    /// What it has now.
    partitions: Mutex<Vec<i32>>,
}

/// Notes what its rebalances give and take.
struct Member(Arc<Place>);

impl ClientContext for Member {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        client::failed(&error, reason);
    }
}

impl ConsumerContext for Member {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut assigned = self.0.partitions.lock();
        match rebalance {
            Rebalance::Assign(list) => {
                self.0.joined.store(true, Ordering::Release);
                assigned.extend(list.elements().iter().map(|element| element.partition()));
            }
            Rebalance::Revoke(list) => {
                let gone: Vec<i32> = list
                    .elements()
                    .iter()
                    .map(|element| element.partition())
                    .collect();
                assigned.retain(|partition| !gone.contains(partition));
            }
            Rebalance::Error(_) => {}
        }
    }
}
