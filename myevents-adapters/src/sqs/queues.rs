//! Queues: where each is, and making the ones that are missing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use myevents_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use serde_json::json;

use super::client::Clients;
use super::config::{SqsConfig, dead_queue, is_fifo};
use super::error::{incomplete, repeatable};
use super::pulse::Pulse;

/// The longest that SQS keeps a message: 14 days.
const KEPT_SECONDS: &str = "1209600";

/// A place that hands what it is given on to the queues of all groups.
#[async_trait]
pub(crate) trait Fanout: std::fmt::Debug + Send + Sync + 'static {
    /// From now on this queue gets everything. Repeated it changes nothing.
    ///
    /// # Errors
    /// `Unavailable`; `Unroutable` where the place is not there.
    async fn attach(&self, queue: &Queue) -> Result<()>;
}

/// A queue that is there.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(feature = "sns"),
    expect(dead_code, reason = "only topics ask a queue for this")
)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) url: Arc<str>,
    /// Who a policy has to name; read only where somebody asks for it.
    queues: Arc<Queues>,
}

#[cfg_attr(
    not(feature = "sns"),
    expect(dead_code, reason = "only topics ask a queue for this")
)]
impl Queue {
    /// The queue's resource name.
    pub(crate) async fn arn(&self) -> Result<String> {
        let mut found = self.queues.attributes(&self.url, &[Attribute::QueueArn]).await?;
        found
            .remove(&Attribute::QueueArn)
            .ok_or_else(|| incomplete("look for queue"))
    }

    /// Sets what may be done to the queue by whom.
    pub(crate) async fn set_policy(&self, policy: &str) -> Result<()> {
        let set = self.queues.clients.again.set_queue_attributes();
        set.queue_url(self.url.as_ref())
            .attributes(Attribute::Policy, policy)
            .send()
            .await
            .map(drop)
            .map_err(|error| repeatable("set policy of queue", error))
    }

    /// What may be done to the queue by whom.
    pub(crate) async fn policy(&self) -> Result<Option<String>> {
        let mut found = self.queues.attributes(&self.url, &[Attribute::Policy]).await?;
        Ok(found
            .remove(&Attribute::Policy)
            .filter(|policy| !policy.is_empty()))
    }
}

/// The queues of one configuration. What was found is remembered until somebody finds it gone.
#[derive(Debug)]
pub(crate) struct Queues {
    pub(super) clients: Clients,
    pub(super) config: Arc<SqsConfig>,
    fanout: Option<Arc<dyn Fanout>>,
    known: Mutex<HashMap<String, Arc<str>>>,
    /// Queues that stand with all that belongs to them.
    standing: Mutex<HashSet<String>>,
    /// When a receive last failed.
    pub(super) failures: Pulse,
    /// One at a time makes what is missing.
    making: tokio::sync::Mutex<()>,
}

impl Queues {
    pub(super) fn new(clients: Clients, config: Arc<SqsConfig>, fanout: Option<Arc<dyn Fanout>>) -> Self {
        Self {
            clients,
            config,
            fanout,
            known: Mutex::default(),
            standing: Mutex::default(),
            failures: Pulse::default(),
            making: tokio::sync::Mutex::new(()),
        }
    }

    /// Asks SQS where a queue is; `None` where there is none.
    pub(super) async fn look(&self, name: &str) -> Result<Option<Arc<str>>> {
        let asked = self.clients.again.get_queue_url().queue_name(name).send().await;
        match asked.map_err(|error| repeatable("look for queue", error)) {
            Ok(found) => {
                let url: Arc<str> = found
                    .queue_url
                    .ok_or_else(|| incomplete("look for queue"))?
                    .into();
                self.known.lock().insert(name.to_owned(), Arc::clone(&url));
                Ok(Some(url))
            }
            Err(error) if error.kind() == ErrorKind::Unroutable => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where a queue is, if it is.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Arc<str>>> {
        let known = self.known.lock().get(name).cloned();
        match known {
            Some(url) => Ok(Some(url)),
            None => self.look(name).await,
        }
    }

    /// A queue was found gone: it is looked for again, and so is that of its dead letters, which whoever took the one may have
    /// taken too.
    pub(super) fn forget(&self, name: &str) {
        {
            let mut known = self.known.lock();
            known.remove(name);
            known.remove(&dead_queue(name));
        }
        self.standing.lock().remove(name);
    }

    /// The queue of a group, made where it is missing, with the queue of its dead letters.
    ///
    /// # Errors
    /// `Unroutable` where it is missing and none are made.
    pub(crate) async fn group(self: &Arc<Self>, name: &str) -> Result<Arc<str>> {
        if self.standing.lock().contains(name)
            && let Some(url) = self.known.lock().get(name).cloned()
        {
            return Ok(url);
        }
        let _alone = self.making.lock().await;
        let url = match self.find(name).await? {
            Some(url) => url,
            None if self.config.create_queues => {
                let dead = self.dead_or_make(name).await?;
                let found = self.attributes(&dead, &[Attribute::QueueArn]).await?;
                let arn = found
                    .get(&Attribute::QueueArn)
                    .ok_or_else(|| incomplete("look for queue"))?;
                let redrive = json!({
                    "deadLetterTargetArn": arn,
                    "maxReceiveCount": self.config.max_receives.to_string(),
                });
                self.make(name, Some(redrive.to_string())).await?
            }
            None => return Err(missing(name)),
        };
        if let Some(fanout) = &self.fanout {
            let queue = Queue {
                name: name.to_owned(),
                url: Arc::clone(&url),
                queues: Arc::clone(self),
            };
            fanout.attach(&queue).await?;
        }
        self.standing.lock().insert(name.to_owned());
        Ok(url)
    }

    /// The queue of the dead letters of `name`, made where it is missing.
    ///
    /// # Errors
    /// `Unroutable` where it is missing and none are made.
    pub(super) async fn dead(&self, name: &str) -> Result<Arc<str>> {
        if let Some(url) = self.find(&dead_queue(name)).await? {
            return Ok(url);
        }
        if !self.config.create_queues {
            return Err(missing(&dead_queue(name)));
        }
        let _alone = self.making.lock().await;
        self.dead_or_make(name).await
    }

    async fn dead_or_make(&self, name: &str) -> Result<Arc<str>> {
        let dead = dead_queue(name);
        match self.find(&dead).await? {
            Some(url) => Ok(url),
            None => self.make(&dead, None).await,
        }
    }

    async fn make(&self, name: &str, redrive: Option<String>) -> Result<Arc<str>> {
        let hidden = self.config.visibility_timeout.as_secs().max(1).to_string();
        let mut request = self
            .clients
            .again
            .create_queue()
            .queue_name(name)
            .attributes(Attribute::VisibilityTimeout, hidden)
            .attributes(Attribute::MessageRetentionPeriod, KEPT_SECONDS);
        if is_fifo(name) {
            // The mode of high throughput: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html
            request = request
                .attributes(Attribute::FifoQueue, "true")
                .attributes(Attribute::DeduplicationScope, "messageGroup")
                .attributes(Attribute::FifoThroughputLimit, "perMessageGroupId");
        }
        if let Some(redrive) = redrive {
            request = request.attributes(Attribute::RedrivePolicy, redrive);
        }
        let made = request
            .send()
            .await
            .map_err(|error| repeatable("make queue", error).with("queue", name))?;
        let url: Arc<str> = made.queue_url.ok_or_else(|| incomplete("make queue"))?.into();
        tracing::info!(queue = name, "made the queue");
        self.known.lock().insert(name.to_owned(), Arc::clone(&url));
        Ok(url)
    }

    pub(super) async fn attributes(
        &self,
        url: &str,
        names: &[Attribute],
    ) -> Result<HashMap<Attribute, String>> {
        let asked = self.clients.again.get_queue_attributes();
        let found = asked
            .queue_url(url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(|error| repeatable("look for queue", error))?;
        Ok(found.attributes.unwrap_or_default())
    }

    /// How many messages a queue holds, hidden ones too; as near as SQS tells it.
    pub(super) async fn count(&self, url: &str) -> Result<u64> {
        let parts = [
            Attribute::ApproximateNumberOfMessages,
            Attribute::ApproximateNumberOfMessagesNotVisible,
            Attribute::ApproximateNumberOfMessagesDelayed,
        ];
        let found = self.attributes(url, &parts).await?;
        let number = |part| found.get(part).and_then(|text| text.parse::<u64>().ok());
        Ok(parts.iter().filter_map(number).sum())
    }
}

fn missing(name: &str) -> Error {
    Error::new(
        ErrorKind::Unroutable,
        "look for queue",
        "there is no such queue; make it, or set `sqs_create_queues`, and check the region",
    )
    .with("queue", name)
}
