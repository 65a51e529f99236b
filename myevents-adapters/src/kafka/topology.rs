//! Topics: which there are, and making the ones that are missing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::types::RDKafkaRespErr;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::client::{Logs, blocking};
use super::config::KafkaConfig;
use super::error;
use super::group::Beginnings;
use myevents_core::{Error, ErrorKind, Result};

/// A topic as it is made if it is missing.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) name: String,
    partitions: i32,
    role: Role,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy)]
enum Role {
    /// All messages. It keeps everything.
    Events,
    /// What was sent back to a group. It keeps everything.
    Retry,
    /// A group's dead letters. It keeps the last record of each key.
    Dead,
}

/// The largest letter: what any message of a topic with usual limits becomes.
pub(super) const LARGEST_LETTER: u32 = 64 * 1_024 * 1_024;
const LARGEST_LETTER_TEXT: &str = "67108864";
/// Between two looks for a topic.
const LOOK: Duration = Duration::from_millis(20);

/// The topics and groups of one configuration. Shared by all that use it, so that each is made once.
#[derive(Debug)]
pub(super) struct Topology {
    config: Arc<KafkaConfig>,
    events: OnceCell<()>,
    /// Where its groups begin.
    pub(super) beginnings: Beginnings,
}

impl Topology {
    pub(super) fn new(config: Arc<KafkaConfig>) -> Self {
        Self {
            config,
            events: OnceCell::new(),
            beginnings: Beginnings::default(),
        }
    }

    fn events_topic(&self) -> Topic {
        Topic {
            name: self.config.topic.clone(),
            partitions: i32::try_from(self.config.partitions).unwrap_or(i32::MAX),
            role: Role::Events,
        }
    }

    /// The topic of all messages is there. Looked up once; what goes on after that shows in the errors of publishes.
    pub(super) async fn events_there(&self) -> Result<()> {
        let found = self.events.get_or_try_init(|| async {
            let (config, topic) = (Arc::clone(&self.config), self.events_topic());
            let handle = Handle::current();
            blocking("open topic", move || ensure(&config, &handle, &[topic])).await
        });
        found.await.map(drop)
    }

    /// What a group reads is there: the topic of all messages and the group's own. Blocks.
    pub(super) fn group_there(&self, handle: &Handle, group: &str) -> Result<()> {
        let retry = Topic {
            name: self.config.retry_topic(group)?,
            partitions: 1,
            role: Role::Retry,
        };
        ensure(&self.config, handle, &[self.events_topic(), retry])
    }

    /// The topic of a group's dead letters is there. Blocks.
    pub(super) fn dead_there(&self, handle: &Handle, group: &str) -> Result<()> {
        let dead = Topic {
            name: self.config.dead_topic(group)?,
            partitions: 1,
            role: Role::Dead,
        };
        ensure(&self.config, handle, &[dead])
    }
}

/// Makes the topics that are missing. Asking to make them comes first: to ask for one that is missing makes it on some
/// clusters, and not as we want it.
fn ensure(config: &KafkaConfig, handle: &Handle, topics: &[Topic]) -> Result<()> {
    let admin: AdminClient<Logs> = config
        .client()
        .create_with_context(Logs)
        .map_err(|error| error::call("open topic", error))?;
    let unmade: Vec<(&Topic, Option<Code>)> = if config.create_topics {
        make(config, &admin, handle, topics)?
    } else {
        topics.iter().map(|topic| (topic, None)).collect()
    };
    for (topic, refusal) in unmade {
        look(config, &admin, topic, refusal)?;
    }
    warn_of_short_retention(config, &admin, handle);
    Ok(())
}

/// Answers the topics that were not made and whose being there is not known.
fn make<'a>(
    config: &KafkaConfig,
    admin: &AdminClient<Logs>,
    handle: &Handle,
    topics: &'a [Topic],
) -> Result<Vec<(&'a Topic, Option<Code>)>> {
    let new: Vec<NewTopic<'_>> = topics.iter().map(|topic| new_topic(config, topic)).collect();
    let options = AdminOptions::new()
        .request_timeout(Some(config.request_timeout))
        .operation_timeout(Some(config.request_timeout));
    let made = handle
        .block_on(admin.create_topics(&new, &options))
        .map_err(|error| error::call("make topic", error))?;
    let mut unmade = Vec::new();
    for (topic, result) in topics.iter().zip(made) {
        match result {
            Ok(_) => {
                tracing::info!(
                    topic = topic.name,
                    partitions = topic.partitions,
                    "made the topic"
                );
                wait_for(config, admin, topic)?;
            }
            Err((_, Code::TopicAlreadyExists)) => {}
            // Whoever may not make topics may find them made by somebody else.
            Err((_, code @ (Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed))) => {
                unmade.push((topic, Some(code)));
            }
            Err((_, code)) => return Err(error::code("make topic", code).with("topic", &topic.name)),
        }
    }
    Ok(unmade)
}

/// A topic that was made a moment ago is not known everywhere at once.
fn wait_for(config: &KafkaConfig, admin: &AdminClient<Logs>, topic: &Topic) -> Result<()> {
    let end = Instant::now() + config.request_timeout;
    loop {
        match look(config, admin, topic, None) {
            Err(error) if error.is_retryable() && Instant::now() < end => std::thread::sleep(LOOK),
            result => return result,
        }
    }
}

fn new_topic<'a>(config: &KafkaConfig, topic: &'a Topic) -> NewTopic<'a> {
    let copies = config.replication.map_or(-1, i32::from);
    let new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(copies));
    let new = match topic.role {
        Role::Events => new,
        // Whatever the topic of all messages took has room here, with what is added to it.
        Role::Retry | Role::Dead => new.set("max.message.bytes", LARGEST_LETTER_TEXT),
    };
    match topic.role {
        Role::Dead => new.set("cleanup.policy", "compact"),
        Role::Events | Role::Retry => new.set("cleanup.policy", "delete").set("retention.ms", "-1"),
    }
}

fn look(config: &KafkaConfig, admin: &AdminClient<Logs>, topic: &Topic, refusal: Option<Code>) -> Result<()> {
    let metadata = admin
        .inner()
        .fetch_metadata(Some(&topic.name), config.request_timeout)
        .map_err(|error| error::call("look for topic", error))?;
    let found = metadata.topics().first().and_then(|found| found.error());
    match (found, refusal) {
        (None, _) if !metadata.topics().is_empty() => Ok(()),
        (Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) | None, None) => {
            Err(
                Error::new(ErrorKind::Unroutable, "look for topic", "there is no such topic")
                    .with("topic", &topic.name),
            )
        }
        (_, Some(code)) => Err(error::code("make topic", code).with("topic", &topic.name)),
        (Some(error), None) => Err(error::code("look for topic", error.into()).with("topic", &topic.name)),
    }
}

/// A log that forgets is no place to build a copy anew from.
fn warn_of_short_retention(config: &KafkaConfig, admin: &AdminClient<Logs>, handle: &Handle) {
    let options = AdminOptions::new().request_timeout(Some(config.request_timeout));
    let asked = [ResourceSpecifier::Topic(&config.topic)];
    // Whoever may not read settings is not warned; nothing else hangs on it.
    let Ok(described) = handle.block_on(admin.describe_configs(&asked, &options)) else {
        return;
    };
    for described in described.into_iter().flatten() {
        let value = |name| described.get(name).and_then(|entry| entry.value.as_deref());
        let (time, bytes) = (value("retention.ms"), value("retention.bytes"));
        let policy = value("cleanup.policy");
        let forgets = |limit: Option<&str>| limit.is_some_and(|limit| limit != "-1");
        if forgets(time) || forgets(bytes) || policy.is_some_and(|policy| policy.contains("compact")) {
            tracing::warn!(
                topic = config.topic,
                retention_ms = time,
                retention_bytes = bytes,
                cleanup_policy = policy,
                "the topic does not keep all messages: a service that is away for longer misses some, and `rebuild` finds only what is left"
            );
        }
    }
}
