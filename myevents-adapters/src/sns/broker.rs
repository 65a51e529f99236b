//! Which topic, and the broker over it and the queues.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sns::Client;
use myevents_core::{Error, ErrorKind, Result};

use super::topic::Topic;
use crate::sqs::client::load;
use crate::sqs::{SqsBroker, SqsConfig};

/// SNS takes 256 KiB; a body that is no JSON grows by a third, and attributes need room.
const LARGEST_BODY: usize = 184_320;
/// The longest name of a topic.
const LONGEST_NAME: usize = 256;

/// A topic.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SnsTopic {
    /// Its name. It ends in `.fifo` exactly if the queues' names do.
    pub name: String,
    /// Whether it is made if it is not there.
    pub create: bool,
    /// How long the new policy of a queue takes to be known everywhere. Until then SNS may not send to the queue, and drops what
    /// it can't send; so a queue is subscribed only after this time.
    pub policy_wait: Duration,
}

impl SnsTopic {
    /// The topic of this name, made if it is not there.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            create: true,
            policy_wait: Duration::from_secs(60),
        }
    }

    fn check(&self, config: &SqsConfig) -> Result<()> {
        let refuse =
            |why: &'static str| Err(Error::new(ErrorKind::Config, "open SNS", why).with("topic", &self.name));
        let base = self.name.strip_suffix(".fifo").unwrap_or(&self.name);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if base.is_empty() || self.name.len() > LONGEST_NAME || !base.chars().all(allowed) {
            return refuse("the name of a topic has at most 256 letters, digits, `-` and `_`");
        }
        if (base.len() < self.name.len()) != config.is_fifo() {
            return refuse("topic and queues are all FIFO (their names end in `.fifo`), or none is");
        }
        Ok(())
    }
}

/// A broker that publishes to `topic` and consumes from the queues of `config`, whose destinations do not matter then.
/// Region and credentials come from the SDK's own chain.
///
/// # Errors
/// `Config` for settings that can't be.
pub async fn connect(topic: SnsTopic, config: SqsConfig) -> Result<SqsBroker> {
    let found = load(config.endpoint.as_deref(), config.ca.as_deref()).await?;
    let queues = crate::sqs::aws_sdk_sqs::Client::new(&found);
    with_clients(&Client::new(&found), &queues, topic, config)
}

/// As [`connect`], through clients of the caller's own.
///
/// # Errors
/// `Config` for settings that can't be.
pub fn with_clients(
    topics: &Client,
    queues: &crate::sqs::aws_sdk_sqs::Client,
    topic: SnsTopic,
    mut config: SqsConfig,
) -> Result<SqsBroker> {
    topic.check(&config)?;
    config.max_message_bytes = config.max_message_bytes.min(LARGEST_BODY);
    let topic = Arc::new(Topic::new(topics, topic, &config));
    SqsBroker::over(queues, config, Some((Arc::<Topic>::clone(&topic), topic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_and_its_queues_are_of_one_kind() {
        let (plain, fifo) = (SqsConfig::new("s", "q"), SqsConfig::new("s", "q.fifo"));
        assert!(SnsTopic::new("events").check(&plain).is_ok());
        assert!(SnsTopic::new("events.fifo").check(&fifo).is_ok());
        for (name, config) in [
            ("events", &fifo),
            ("events.fifo", &plain),
            ("a b", &plain),
            (".fifo", &fifo),
        ] {
            assert_eq!(
                SnsTopic::new(name).check(config).unwrap_err().kind(),
                ErrorKind::Config
            );
        }
    }
}
