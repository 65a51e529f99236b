//! The topic: publishing in batches, and subscribing the queues of groups.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use myevents_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::broker::SnsTopic;
use crate::sqs::SqsConfig;
use crate::sqs::codec::{Outgoing, STRING};
use crate::sqs::error::{failed_entry, fault, incomplete, repeatable};
use crate::sqs::outlet::{Outlet, by_place, for_all};
use crate::sqs::pulse::Pulse;
use crate::sqs::queues::{Fanout, Queue};

/// How long a look at the subscriptions is believed, if there was one.
const HEARD_FOR: Duration = Duration::from_secs(60);
/// SNS takes no more in one request.
const MOST_BYTES: usize = 262_144;

/// A topic that messages are published to.
#[derive(Debug)]
pub(super) struct Topic {
    topic: SnsTopic,
    /// Publishes, whose repeats belong to whoever publishes.
    once: Client,
    /// What does no harm twice.
    again: Client,
    /// Its resource name, once it is known to be there.
    known: Mutex<Option<Arc<str>>>,
    /// When somebody looked and a queue was subscribed.
    heard: Mutex<Option<Instant>>,
    /// When it last answered.
    answers: Pulse,
}

impl Topic {
    pub(super) fn new(client: &Client, topic: SnsTopic, config: &SqsConfig) -> Self {
        let with = |retry, tries: u32| {
            let timeouts = TimeoutConfig::builder()
                .connect_timeout(config.connect_timeout)
                .operation_attempt_timeout(config.request_timeout)
                .operation_timeout(config.request_timeout * tries)
                .build();
            let config = client
                .config()
                .to_builder()
                .retry_config(retry)
                .timeout_config(timeouts)
                .build();
            Client::from_conf(config)
        };
        Self {
            topic,
            once: with(RetryConfig::disabled(), 1),
            again: with(RetryConfig::standard().with_max_attempts(3), 2),
            known: Mutex::new(None),
            heard: Mutex::new(None),
            answers: Pulse::default(),
        }
    }

    fn missing(&self) -> Error {
        Error::new(
            ErrorKind::Unroutable,
            "look for topic",
            "there is no such topic; make it, or set `sqs_create_queues`, and check the region",
        )
        .with("topic", &self.topic.name)
    }

    async fn arn(&self) -> Result<Arc<str>> {
        let known = self.known.lock().clone();
        if let Some(arn) = known {
            return Ok(arn);
        }
        let found = if self.topic.create {
            // It answers the one that is there.
            let mut request = self.again.create_topic().name(&self.topic.name);
            if self.topic.name.ends_with(".fifo") {
                request = request
                    .attributes("FifoTopic", "true")
                    .attributes("FifoThroughputScope", "MessageGroup");
            }
            let made = request
                .send()
                .await
                .map_err(|error| repeatable("make topic", error))?;
            made.topic_arn
        } else {
            self.find().await?
        };
        let arn: Arc<str> = found.ok_or_else(|| self.missing())?.into();
        *self.known.lock() = Some(Arc::clone(&arn));
        Ok(arn)
    }

    /// A topic can't be asked for by its name: all are gone through, once.
    async fn find(&self) -> Result<Option<String>> {
        let mut next = None;
        loop {
            let asked = self.again.list_topics().set_next_token(next);
            let page = asked
                .send()
                .await
                .map_err(|error| repeatable("look for topic", error))?;
            let arns = page.topics.unwrap_or_default().into_iter();
            let mut arns = arns.filter_map(|topic| topic.topic_arn);
            if let Some(arn) = arns.find(|arn| arn.rsplit(':').next() == Some(&self.topic.name)) {
                return Ok(Some(arn));
            }
            match page.next_token {
                Some(token) if !token.is_empty() => next = Some(token),
                _ => return Ok(None),
            }
        }
    }

    /// Whether a queue is subscribed: a topic drops what nobody gets.
    async fn is_heard(&self, arn: &str) -> Result<bool> {
        if self.heard.lock().is_some_and(|at| at.elapsed() < HEARD_FOR) {
            return Ok(true);
        }
        let asked = self.again.list_subscriptions_by_topic().topic_arn(arn);
        let page = asked
            .send()
            .await
            .map_err(|error| repeatable("look for subscriptions", error))?;
        let heard = page.subscriptions().iter().any(|subscription| {
            let confirmed = |arn: &str| arn.starts_with("arn:");
            subscription.protocol() == Some("sqs") && subscription.subscription_arn().is_some_and(confirmed)
        });
        *self.heard.lock() = heard.then(Instant::now);
        Ok(heard)
    }

    /// Sends these, or leaves those out that somebody has to hear while nobody would.
    async fn try_send(&self, messages: &[Arc<Outgoing>]) -> Result<Vec<Result<()>>> {
        let arn = self.arn().await?;
        let required = messages.iter().any(|message| message.required);
        if !required || self.is_heard(&arn).await? {
            let all: Vec<_> = messages.iter().enumerate().collect();
            return self.publish(&arn, &all, messages.len()).await;
        }
        let others: Vec<_> = messages
            .iter()
            .enumerate()
            .filter(|(_, message)| !message.required)
            .collect();
        let mut results = match others.is_empty() {
            true => for_all(messages.len(), &self.unheard()),
            false => self.publish(&arn, &others, messages.len()).await?,
        };
        for (message, result) in messages.iter().zip(&mut results) {
            if message.required {
                *result = Err(self.unheard());
            }
        }
        Ok(results)
    }

    fn unheard(&self) -> Error {
        Error::new(
            ErrorKind::Unroutable,
            "publish",
            "no queue is subscribed to the topic",
        )
        .with("topic", &self.topic.name)
    }

    async fn publish(
        &self,
        arn: &str,
        messages: &[(usize, &Arc<Outgoing>)],
        count: usize,
    ) -> Result<Vec<Result<()>>> {
        let entries = messages.iter().map(|(place, message)| request(*place, message));
        let entries: Vec<_> = entries.collect::<Result<_>>()?;
        let sent = self
            .once
            .publish_batch()
            .topic_arn(arn)
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await
            .map_err(|error| fault("publish", error).with("topic", &self.topic.name))?;
        let failed = |entry: &aws_sdk_sns::types::BatchResultErrorEntry| {
            failed_entry(
                "publish",
                &entry.code,
                entry.message.as_deref(),
                entry.sender_fault,
            )
        };
        Ok(by_place(
            count,
            sent.successful().iter().filter_map(|taken| taken.id()),
            sent.failed()
                .iter()
                .map(|entry| (entry.id.as_str(), failed(entry))),
        ))
    }
}

fn unbuilt(error: aws_sdk_sns::error::BuildError) -> Error {
    Error::new(
        ErrorKind::Internal,
        "build request",
        "a request to SNS lacks a part",
    )
    .caused_by(error)
}

fn request(place: usize, message: &Outgoing) -> Result<PublishBatchRequestEntry> {
    let mut request = PublishBatchRequestEntry::builder()
        .id(place.to_string())
        .message(&message.body);
    for (name, value) in &message.attributes {
        let value = MessageAttributeValue::builder()
            .data_type(STRING)
            .string_value(value)
            .build()
            .map_err(unbuilt)?;
        request = request.message_attributes(*name, value);
    }
    if let Some(fifo) = &message.fifo {
        request = request
            .message_group_id(&fifo.group)
            .message_deduplication_id(&fifo.once);
    }
    request.build().map_err(unbuilt)
}

#[async_trait]
impl Outlet for Topic {
    fn most_bytes(&self) -> usize {
        MOST_BYTES
    }

    async fn request(&self, messages: &[Arc<Outgoing>]) -> Result<Vec<Result<()>>> {
        let answered = self.try_send(messages).await;
        self.answers.note(&answered);
        if matches!(&answered, Err(error) if error.kind() == ErrorKind::Unroutable) {
            *self.known.lock() = None;
            // One that is made anew has no subscriptions yet.
            *self.heard.lock() = None;
        }
        answered
    }

    async fn ping(&self) -> Result<()> {
        if self.answers.is_felt(None) {
            return Ok(());
        }
        let arn = self.arn().await?;
        let asked = self.again.get_topic_attributes().topic_arn(arn.as_ref());
        asked.send().await.map_err(|error| repeatable("ping", error))?;
        self.answers.beat();
        Ok(())
    }
}

#[async_trait]
impl Fanout for Topic {
    async fn attach(&self, queue: &Queue) -> Result<()> {
        let (topic, arn) = (self.arn().await?, queue.arn().await?);
        let policy = queue.policy().await?;
        if let Some(policy) = allowed(policy.as_deref(), &topic, &arn) {
            queue.set_policy(&policy?).await?;
            let wait = self.topic.policy_wait;
            tracing::info!(
                queue = queue.name,
                ?wait,
                "the topic may send to the queue soon, which is subscribed then"
            );
            sleep(wait).await;
        }
        let subscribed = self
            .again
            .subscribe()
            .topic_arn(topic.as_ref())
            .protocol("sqs")
            .endpoint(arn)
            .attributes("RawMessageDelivery", "true")
            .send()
            .await
            .map_err(|error| repeatable("subscribe queue to topic", error).with("queue", &queue.name))?;
        subscribed
            .subscription_arn
            .map(drop)
            .ok_or_else(|| incomplete("subscribe queue to topic"))
    }
}

/// The policy under which `topic` may send to `queue`; `None` where it is so already. What else was allowed stays.
fn allowed(policy: Option<&str>, topic: &str, queue: &str) -> Option<Result<String>> {
    let ours = json!({
        "Sid": "myevents-topic",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    });
    let mut all = match policy.map(serde_json::from_str::<Value>) {
        None => json!({"Version": "2012-10-17", "Statement": []}),
        Some(Ok(all)) => all,
        Some(Err(error)) => return Some(Err(incomplete("look for queue").caused_by(error))),
    };
    let Some(statements) = all["Statement"].as_array_mut() else {
        return Some(Err(incomplete("look for queue")));
    };
    let names = |statement: &Value| {
        statement["Condition"]["ArnEquals"]["aws:SourceArn"] == topic && statement["Resource"] == queue
    };
    if statements.iter().any(names) {
        return None;
    }
    statements.retain(|statement| statement["Sid"] != ours["Sid"]);
    statements.push(ours);
    Some(Ok(all.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_gets_our_statement_once_and_keeps_the_others() {
        let first = allowed(None, "topic", "queue").unwrap().unwrap();
        assert!(allowed(Some(&first), "topic", "queue").is_none());
        let other = r#"{"Version":"2012-10-17","Statement":[{"Sid":"theirs"}]}"#;
        let both: Value =
            serde_json::from_str(&allowed(Some(other), "topic", "queue").unwrap().unwrap()).unwrap();
        assert_eq!(both["Statement"].as_array().unwrap().len(), 2);
        assert_eq!(both["Statement"][0]["Sid"], "theirs");
        assert!(allowed(Some("no JSON"), "topic", "queue").unwrap().is_err());
        assert!(allowed(Some("{}"), "topic", "queue").unwrap().is_err());
    }
}
