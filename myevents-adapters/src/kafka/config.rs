//! `KafkaConfig`: where the cluster is, how topics are named, and what clients are made with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use myevents_core::observe::{NoObserver, Observer};
use myevents_core::{Error, ErrorKind, Result};
use rdkafka::ClientConfig;

/// The longest name of a topic that Kafka takes.
const LONGEST_NAME: usize = 249;

/// What emitters, listeners and dead letters on Kafka are made with.
///
/// librdkafka's own settings come from [`client`](Self::from_client_config) and win over the defaults here, but for
/// the ones that the promises hang on: idempotence and `acks=all` of producers, and that offsets are stored by us.
#[derive(Clone)]
pub struct KafkaConfig {
    client: ClientConfig,
    /// The topic of all messages.
    pub topic: String,
    /// Partitions of the topic if it has to be made. More can be added later, which moves keys to other partitions.
    pub partitions: u32,
    /// Copies of a topic that has to be made; `None` = as the brokers are set up.
    pub replication: Option<u16>,
    /// Whether topics that are missing are made.
    pub create_topics: bool,
    /// Whether the original services' spelling of names is sent.
    pub legacy_names: bool,
    /// The largest body in bytes.
    pub max_message_bytes: usize,
    /// A subscription's group and the consumer group that it is on Kafka, where the two differ.
    pub own_group: Option<(String, String)>,
    /// How long a publish may take until it is given up as unknown (`message.timeout.ms`).
    pub delivery_timeout: Duration,
    /// How long a question to the cluster may take.
    pub request_timeout: Duration,
    /// How long `subscribe` waits until where a new group begins is fixed; after that this goes on by itself.
    pub subscribe_wait: Duration,
    /// How long closing waits: for open publishes, and for deliveries that are handed out.
    pub close_timeout: Duration,
    /// Who is told of commits that failed.
    pub observer: Arc<dyn Observer>,
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's values hold passwords.
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.client.get("bootstrap.servers"))
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl KafkaConfig {
    /// A cluster named by some of its brokers, `host:port` each.
    #[must_use]
    pub fn new<S: AsRef<str>>(brokers: &[S]) -> Self {
        let brokers: Vec<&str> = brokers.iter().map(AsRef::as_ref).collect();
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", brokers.join(","));
        Self::from_client_config(client)
    }

    /// The caller's own client settings: brokers, SASL, anything librdkafka was built with.
    #[must_use]
    pub fn from_client_config(client: ClientConfig) -> Self {
        Self {
            client,
            topic: "events".into(),
            partitions: 12,
            replication: None,
            create_topics: true,
            legacy_names: false,
            max_message_bytes: 200 * 1_024,
            own_group: None,
            delivery_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(5),
            subscribe_wait: Duration::from_secs(15),
            close_timeout: Duration::from_secs(5),
            observer: Arc::new(NoObserver),
        }
    }

    /// Checks what can be checked without the cluster.
    ///
    /// # Errors
    /// `Config` for a topic that can't be one, no partitions, or no brokers.
    pub fn validate(&self) -> Result<()> {
        if self.client.get("bootstrap.servers").is_none_or(str::is_empty) {
            return Err(config("no broker is named"));
        }
        if self.partitions == 0 {
            return Err(config("a topic needs at least one partition"));
        }
        topic_name(&self.topic).map(drop)
    }

    /// The consumer group that a subscription's group is on Kafka.
    #[must_use]
    pub fn consumer_group<'a>(&'a self, group: &'a str) -> &'a str {
        match &self.own_group {
            Some((own, on_kafka)) if own == group => on_kafka,
            _ => group,
        }
    }

    /// The topic of a group's dead letters.
    ///
    /// # Errors
    /// `Config` for a group whose name can't be part of a topic's.
    pub fn dead_topic(&self, group: &str) -> Result<String> {
        topic_name(&format!("{}.{}.dead", self.topic, self.consumer_group(group)))
    }

    /// The topic of what is sent back to a group, which no other group reads.
    ///
    /// # Errors
    /// `Config` for a group whose name can't be part of a topic's.
    pub fn retry_topic(&self, group: &str) -> Result<String> {
        topic_name(&format!("{}.{}.retry", self.topic, self.consumer_group(group)))
    }

    /// For clients that only ask.
    pub(super) fn client(&self) -> ClientConfig {
        self.with_defaults(&[
            ("socket.timeout.ms", "10000"),
            ("socket.keepalive.enable", "true"),
            ("reconnect.backoff.ms", "50"),
            ("reconnect.backoff.max.ms", "1000"),
        ])
    }

    pub(super) fn producer(&self) -> ClientConfig {
        // The wrapping, base64 and headers of the largest body that is allowed.
        let largest = (self.max_message_bytes.saturating_mul(3) / 2).max(900_000) + 100_000;
        let mut client = self.client();
        defaults(
            &mut client,
            &[
                ("linger.ms", "1"),
                ("message.max.bytes", &largest.to_string()),
                // Memory stays bounded while the brokers are away: publishers wait.
                ("queue.buffering.max.kbytes", "65536"),
                // As the Java clients place keys, so that all producers agree.
                ("partitioner", "murmur2_random"),
                (
                    "message.timeout.ms",
                    &self.delivery_timeout.as_millis().to_string(),
                ),
            ],
        );
        client.set("enable.idempotence", "true").set("acks", "all");
        client
    }

    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut client = self.client();
        defaults(
            &mut client,
            &[
                ("session.timeout.ms", "10000"),
                ("heartbeat.interval.ms", "1000"),
                ("partition.assignment.strategy", "cooperative-sticky"),
                ("auto.commit.interval.ms", "200"),
                ("fetch.wait.max.ms", "200"),
                // Of each partition, as each has its own queue, whichever is reached first. The bytes are those of values only, and a
                // record takes more than its value: the number bounds the memory of small ones. Fewer of them are read empty before
                // the next answer of the broker is there.
                ("queued.min.messages", "10000"),
                ("queued.max.messages.kbytes", "4096"),
                // A queue that was full is looked at again so soon: these are small, and are read empty within milliseconds.
                ("fetch.queue.backoff.ms", "20"),
            ],
        );
        client
            .set("group.id", group)
            .set("enable.auto.commit", "true")
            .set("enable.auto.offset.store", "false")
            // A partition without an offset is new, or its offset is gone from the log: what is there was never read.
            .set("auto.offset.reset", "earliest");
        client
    }

    /// For consumers that read given partitions and remember nothing in the cluster.
    pub(super) fn reader(&self, group: &str) -> ClientConfig {
        let mut client = self.consumer(group);
        client
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "20");
        client
    }

    fn with_defaults(&self, values: &[(&str, &str)]) -> ClientConfig {
        let mut client = self.client.clone();
        defaults(&mut client, values);
        client
    }
}

/// Sets what the caller did not.
fn defaults(client: &mut ClientConfig, values: &[(&str, &str)]) {
    for (key, value) in values {
        if client.get(key).is_none() {
            client.set(*key, *value);
        }
    }
}

fn config(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, "configure kafka", message)
}

fn topic_name(name: &str) -> Result<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) || name == "." || name == ".."
    {
        return Err(
            config("a topic's name has 1 to 249 of a-z, A-Z, 0-9, `.`, `_` and `-`").with("topic", name),
        );
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_settings_win_but_for_those_that_promises_hang_on() {
        let mut own = ClientConfig::new();
        own.set("bootstrap.servers", "here:9092")
            .set("linger.ms", "50")
            .set("acks", "1")
            .set("enable.auto.offset.store", "true")
            .set("sasl.password", "secret");
        let config = KafkaConfig::from_client_config(own);
        assert_eq!(config.producer().get("linger.ms"), Some("50"));
        assert_eq!(config.producer().get("acks"), Some("all"));
        let consumer = config.consumer("g");
        assert_eq!(consumer.get("enable.auto.offset.store"), Some("false"));
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn a_group_has_topics_of_its_own() {
        let mut config = KafkaConfig::new(&["a:1", "b:2"]);
        config.own_group = Some(("bookingservice".into(), "tickets".into()));
        assert_eq!(config.client().get("bootstrap.servers"), Some("a:1,b:2"));
        assert_eq!(
            config.dead_topic("bookingservice").unwrap(),
            "events.tickets.dead"
        );
        assert_eq!(config.retry_topic("other").unwrap(), "events.other.retry");
        assert_eq!(
            config.dead_topic("no name").unwrap_err().kind(),
            ErrorKind::Config
        );
        config.validate().unwrap();
        config.topic = "a b".into();
        assert_eq!(config.validate().unwrap_err().kind(), ErrorKind::Config);
        assert!(KafkaConfig::new::<&str>(&[]).validate().is_err());
    }
}
