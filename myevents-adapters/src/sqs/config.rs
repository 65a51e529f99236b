//! Which queues, and how they are used.

use std::path::PathBuf;
use std::time::Duration;

use myevents_core::contract::MessageName;
use myevents_core::local::default_required_names;
use myevents_core::{Error, ErrorKind, Result};

use crate::connect::BrokerOptions;
use crate::trust;

/// The end of a FIFO queue's name: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queue-message-identifiers.html>.
const FIFO: &str = ".fifo";
/// The longest name of a queue.
const LONGEST_NAME: usize = 80;
/// SQS takes no more in one request, and neither in one message.
pub(super) const MOST_BYTES: usize = 1_048_576;
/// Left for attributes beside a body, which may grow by a third when it is no JSON.
const LARGEST_BODY: usize = 700_000;
/// A lower limit would count lost connections as failures.
const LEAST_RECEIVES: u32 = 100;

/// How to open an [`SqsBroker`](super::SqsBroker).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqsConfig {
    /// Another endpoint than the region's own, such as `http://localhost:9324` for ElasticMQ. Region and credentials come
    /// from the SDK's own chain (environment, profile, container, instance).
    pub endpoint: Option<String>,
    /// The authorities of the endpoint's certificate, PEM, and no others; `None` = the system's.
    pub ca: Option<PathBuf>,
    /// Whose broker it is, such as `bookingservice`: the group of this name has [`queue`](Self::queue) itself.
    pub service: String,
    /// The queue of the service's own group. A name that ends in `.fifo` is a FIFO queue: order within a key, and repeated
    /// publishes of five minutes absorbed. Other groups have a queue beside it: `events-reports.fifo` for `reports`.
    pub queue: String,
    /// Where messages are published to: the queues of all groups. All are FIFO queues, or none.
    pub destinations: Vec<String>,
    /// Whether queues that are not there are made.
    pub create_queues: bool,
    /// The largest body in bytes.
    pub max_message_bytes: usize,
    /// Whether the original services' spelling of names is sent.
    pub legacy_names: bool,
    /// Messages that are not published to a topic while no queue is subscribed to it (see `sns`). A queue takes what it gets.
    pub required_names: Vec<MessageName>,
    /// Messages a receive: 1 to 10.
    pub max_messages: u32,
    /// How long a receive waits for the first message: 1 s to 20 s.
    pub wait_time: Duration,
    /// How long a received message stays hidden from others. While its consumer holds it, this is extended.
    pub visibility_timeout: Duration,
    /// After so many receives SQS itself moves a message to the dead letters; a net for what kills every consumer.
    pub max_receives: u32,
    /// How many requests of one kind, to one queue, are open at once.
    pub open_requests: usize,
    /// How many receives of one subscription are open at once while its queue is full.
    pub open_receives: usize,
    /// For how long a request may take; a receive has its wait time in addition.
    pub request_timeout: Duration,
    /// For how long a connection may take to be made.
    pub connect_timeout: Duration,
    /// The first and the longest wait before a failed receive is repeated.
    pub reconnect: (Duration, Duration),
    /// How long closing waits for what is open.
    pub close_timeout: Duration,
    /// How long letters are hidden from other readers while they are read.
    pub letters_hidden: Duration,
}

impl SqsConfig {
    /// Queue `queue` as the own queue of `service`, and as the only destination.
    pub fn new(service: impl Into<String>, queue: impl Into<String>) -> Self {
        let queue = queue.into();
        Self {
            endpoint: None,
            ca: None,
            service: service.into(),
            destinations: vec![queue.clone()],
            queue,
            create_queues: true,
            max_message_bytes: 204_800,
            legacy_names: false,
            required_names: default_required_names(),
            max_messages: 10,
            wait_time: Duration::from_secs(20),
            visibility_timeout: Duration::from_secs(30),
            max_receives: 1_000,
            open_requests: 8,
            open_receives: 4,
            request_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            reconnect: (Duration::from_millis(100), Duration::from_secs(5)),
            close_timeout: Duration::from_secs(5),
            letters_hidden: Duration::from_secs(60),
        }
    }

    pub(crate) fn from_options(options: &BrokerOptions) -> Result<Self> {
        let sqs = &options.sqs;
        let mut config = Self {
            ca: options.tls.ca.clone(),
            create_queues: sqs.create_queues,
            max_message_bytes: options.max_message_bytes,
            legacy_names: options.legacy_names,
            required_names: options.required_names.clone(),
            max_messages: sqs.max_messages,
            wait_time: sqs.wait_time,
            visibility_timeout: sqs.visibility_timeout,
            ..Self::new(options.service.clone(), sqs.queue.clone())
        };
        if options.tls.identity.is_some() {
            return Err(trust::refused(
                "broker_tls_certificate",
                "is for RabbitMQ; AWS is signed in to with credentials",
            ));
        }
        if !sqs.destinations.is_empty() {
            config.destinations.clone_from(&sqs.destinations);
        }
        config.check()?;
        Ok(config)
    }

    /// Whether the queues keep the order of a key.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        is_fifo(&self.queue)
    }

    /// The largest body that goes through.
    pub(super) fn largest_body(&self) -> usize {
        self.max_message_bytes.min(LARGEST_BODY)
    }

    /// The queue of a group.
    ///
    /// # Errors
    /// `Config` where that is no name of a queue.
    pub(crate) fn queue_of(&self, group: &str) -> Result<String> {
        let queue = if group == self.service {
            self.queue.clone()
        } else {
            beside(&self.queue, group)
        };
        check_name(&queue)?;
        check_name(&dead_queue(&queue))?;
        Ok(queue)
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.queue_of(&self.service)?;
        if let Some(endpoint) = &self.endpoint
            && !endpoint.starts_with("http://")
            && !endpoint.starts_with("https://")
        {
            return Err(config_error("the endpoint of SQS is no http or https URL"));
        }
        if self.destinations.is_empty() {
            return Err(config_error("no queue is given to publish to"));
        }
        for destination in &self.destinations {
            check_name(destination)?;
            check_name(&dead_queue(destination))?;
            if is_fifo(destination) != self.is_fifo() {
                return Err(config_error(
                    "all queues are FIFO queues (their names end in `.fifo`), or none is",
                )
                .with("queue", destination));
            }
        }
        if !(1..=10).contains(&self.max_messages) {
            return Err(config_error("a receive takes 1 to 10 messages").with("setting", "sqs_max_messages"));
        }
        // One that waits for nothing would be asked again at once, for money.
        if self.wait_time < Duration::from_secs(1) || self.wait_time > Duration::from_secs(20) {
            return Err(config_error("a receive waits 1 s to 20 s").with("setting", "sqs_wait_time"));
        }
        let visibility = self.visibility_timeout;
        if visibility < Duration::from_secs(1) || visibility > Duration::from_secs(43_200) {
            return Err(
                config_error("a message is hidden for 1 s to 12 h").with("setting", "sqs_visibility_timeout")
            );
        }
        if !(LEAST_RECEIVES..=1_000).contains(&self.max_receives) {
            return Err(config_error("the limit of receives is a net: 100 to 1,000"));
        }
        if self.open_requests == 0 || self.open_receives == 0 {
            return Err(config_error("at least one request is open at once"));
        }
        Ok(())
    }
}

fn config_error(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, "open SQS", message)
}

/// Whether the queue, or topic, of this name is a FIFO one.
pub(crate) fn is_fifo(name: &str) -> bool {
    name.ends_with(FIFO)
}

/// The name with a part put to its end, before the mark of a FIFO queue.
fn beside(queue: &str, part: &str) -> String {
    match queue.strip_suffix(FIFO) {
        Some(base) => format!("{base}-{part}{FIFO}"),
        None => format!("{queue}-{part}"),
    }
}

/// Where the dead letters of a queue are.
pub(super) fn dead_queue(queue: &str) -> String {
    beside(queue, "dead")
}

fn check_name(name: &str) -> Result<()> {
    let base = name.strip_suffix(FIFO).unwrap_or(name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if base.is_empty() || name.len() > LONGEST_NAME || !base.chars().all(allowed) {
        return Err(config_error(
            "the name of a queue, with what is put to it for groups and dead letters, has at most 80 letters, digits, `-` and `_`",
        )
        .with("queue", name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_dead_letters_have_queues_beside_the_own_one() {
        let plain = SqsConfig::new("bookingservice", "events");
        assert_eq!(plain.queue_of("bookingservice").unwrap(), "events");
        assert_eq!(plain.queue_of("reports").unwrap(), "events-reports");
        assert_eq!(dead_queue("events-reports"), "events-reports-dead");
        assert!(!plain.is_fifo());
        let fifo = SqsConfig::new("bookingservice", "events.fifo");
        assert_eq!(fifo.queue_of("reports").unwrap(), "events-reports.fifo");
        assert_eq!(dead_queue("events.fifo"), "events-dead.fifo");
        assert!(fifo.is_fifo());
    }

    fn refused(change: impl FnOnce(&mut SqsConfig)) -> String {
        let mut config = SqsConfig::new("bookingservice", "events");
        assert!(config.check().is_ok());
        change(&mut config);
        let error = config.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn settings_that_can_not_be_are_named() {
        assert!(refused(|config| config.queue = "a/b".into()).contains("name of a queue"));
        assert!(refused(|config| config.queue = String::new()).contains("name of a queue"));
        // With `-dead` it is too long.
        assert!(refused(|config| config.queue = "x".repeat(78)).contains("name of a queue"));
        assert!(refused(|config| config.destinations.clear()).contains("publish to"));
        assert!(refused(|config| config.destinations.push("more.fifo".into())).contains("or none is"));
        assert!(refused(|config| config.max_messages = 11).contains("1 to 10"));
        assert!(refused(|config| config.wait_time = Duration::from_secs(21)).contains("20 s"));
        assert!(refused(|config| config.wait_time = Duration::ZERO).contains("20 s"));
        assert!(refused(|config| config.visibility_timeout = Duration::ZERO).contains("12 h"));
        assert!(refused(|config| config.max_receives = 5).contains("net"));
        assert!(refused(|config| config.open_receives = 0).contains("at least one"));
        assert!(refused(|config| config.endpoint = Some("localhost:9324".into())).contains("endpoint"));
    }

    #[test]
    fn a_group_whose_name_is_no_name_of_a_queue_is_refused() {
        let config = SqsConfig::new("bookingservice", "events");
        assert_eq!(config.queue_of("a b").unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(
            config.queue_of(&"x".repeat(70)).unwrap_err().kind(),
            ErrorKind::Config
        );
    }
}
