//! `AmqpDeadLetters`: the messages that a group gave up on, in a queue of their own beside the group's.
//!
//! A queue has no list and no look-up, so letters are read by taking them and giving all back that are not wanted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use myevents_core::ports::{DeadLetter, DeadLetterId, DeadLetters, PageOf};
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::codec::Outgoing;
use super::config::{AmqpConfig, dead_queue, short};
use super::letter;
use super::link::{Link, ask};
use super::publisher::Publisher;
use super::{codec, topology};

/// How long it may take until given-back letters are in their queue again.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

/// The dead letters of one group. Made by [`AmqpBroker::dead_letters`](super::AmqpBroker::dead_letters).
///
/// * While somebody lists or sends back, another process sees only the letters that it does not hold at that moment.
/// * Sending back and deleting read through the letters; a letter is deleted only after its message is in the group's
///   queue again, so an end in between leaves both.
#[derive(Debug)]
pub struct AmqpDeadLetters {
    config: Arc<AmqpConfig>,
    link: Arc<Link>,
    publisher: Arc<Publisher>,
    group: String,
    /// The group's queue.
    queue: String,
    /// The queue of its dead letters.
    dead: String,
    /// Two readers at once would each see a part.
    reading: Mutex<()>,
}

/// What a reader does with a letter.
enum Verdict {
    Keep,
    SendBack,
    Delete,
}

impl AmqpDeadLetters {
    pub(super) fn new(
        config: Arc<AmqpConfig>,
        link: Arc<Link>,
        publisher: Arc<Publisher>,
        group: &str,
    ) -> Self {
        let queue = config.queue_of(group);
        Self {
            link,
            publisher,
            group: group.to_owned(),
            dead: dead_queue(&queue),
            queue,
            config,
            reading: Mutex::new(()),
        }
    }

    fn until(&self) -> Instant {
        Instant::now() + self.config.answer_timeout
    }

    async fn publish(&self, message: Outgoing) -> Result<()> {
        let mut results = self.publisher.publish(vec![message]).await;
        results.pop().unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Internal,
                "publish",
                "a message was not answered",
            ))
        })
    }

    /// Reads every letter there is, oldest first as far as the queue knows, and does what `judge` says.
    async fn read(&self, mut judge: impl FnMut(DeadLetterId, DeadLetter) -> Verdict + Send) -> Result<usize> {
        let _alone = self.reading.lock().await;
        let live = self.link.live("read dead letters", self.until()).await?;
        let Some(found) = topology::look(&live, &self.config, &self.dead).await? else {
            return Ok(0);
        };
        let channel = topology::open(&live, &self.config).await?;
        let mut done = 0;
        let mut last_kept = None;
        let mut kept = 0;
        let mut failed = Ok(());
        for _ in 0..found.ready {
            let delivery = match self.get(&channel).await {
                Ok(Some(delivery)) => delivery,
                Ok(None) => break,
                Err(error) => {
                    failed = Err(error);
                    break;
                }
            };
            let tag = delivery.delivery_tag;
            let (id, letter) = letter::read(&delivery, &self.group, &self.queue);
            let envelope = letter.envelope.clone();
            let gone = match judge(id, letter) {
                Verdict::Keep => Ok(false),
                Verdict::Delete => Ok(true),
                Verdict::SendBack => self.send_back(&envelope).await.map(|()| true),
            };
            let gone = match gone {
                Ok(gone) => gone,
                Err(error) => {
                    failed = Err(error);
                    false
                }
            };
            if gone {
                self.acknowledge(&channel, tag).await?;
                done += 1;
            } else {
                last_kept = Some(tag);
                kept += 1;
            }
            if failed.is_err() {
                break;
            }
        }
        self.give_back(channel, last_kept, kept).await;
        failed.map(|()| done)
    }

    async fn get(&self, channel: &Channel) -> Result<Option<Delivery>> {
        let (channel, dead) = (channel.clone(), short(&self.dead)?);
        let getting = async move { channel.basic_get(dead, BasicGetOptions::default()).await };
        let got = ask("read dead letters", self.config.answer_timeout, getting).await?;
        Ok(got.map(|message| message.delivery))
    }

    async fn send_back(&self, envelope: &myevents_core::contract::Envelope) -> Result<()> {
        let none = lapin::types::FieldTable::default();
        let name = envelope.name().on_wire(self.config.legacy_names);
        self.publish(Outgoing {
            exchange: short("")?,
            routing_key: short(&self.queue)?,
            mandatory: true,
            properties: codec::properties(envelope, name, &self.config.service, none)?,
            body: envelope.body().clone(),
        })
        .await
    }

    async fn acknowledge(&self, channel: &Channel, tag: u64) -> Result<()> {
        let channel = channel.clone();
        let acknowledging = async move { channel.basic_ack(tag, BasicAckOptions::default()).await };
        ask("settle dead letter", self.config.answer_timeout, acknowledging).await
    }

    /// Gives back what was read, and waits until it is in its queue again, so that the next reader sees it.
    async fn give_back(&self, channel: Channel, last: Option<u64>, count: u32) {
        if let Some(last) = last {
            let options = BasicNackOptions {
                multiple: true,
                requeue: true,
            };
            let giving = channel.clone();
            let giving = async move { giving.basic_nack(last, options).await };
            if let Err(error) = ask("give dead letters back", self.config.answer_timeout, giving).await {
                tracing::debug!(%error, "dead letters go back to their queue when the connection ends");
                return;
            }
        }
        let until = Instant::now() + SETTLED_WITHIN;
        while Instant::now() < until {
            // The question stands behind the acknowledgements on the channel, so these are done when it is answered.
            match topology::look_on(&channel, &self.config, &self.dead).await {
                Ok(found) if found.ready < count => sleep(Duration::from_millis(5)).await,
                _ => return,
            }
        }
    }
}

#[async_trait]
impl DeadLetters for AmqpDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        let properties = match letter::properties(letter, &self.config.service) {
            // Its key must not wait for ever: what a foreign client wrote beside the message is what is let go of.
            Err(error) if matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Rejected) => {
                tracing::error!(message = %letter.envelope.id(), %error, "a dead letter is stored without the headers of its message");
                letter::properties(&letter::bare(letter), &self.config.service)?
            }
            properties => properties?,
        };
        let message = Outgoing {
            exchange: short("")?,
            routing_key: short(&self.dead)?,
            mandatory: true,
            properties,
            body: letter.envelope.body().clone(),
        };
        match self.publish(message.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unroutable && self.config.create => {
                let live = self.link.live("store dead letter", self.until()).await?;
                topology::dead_letters(&live, &self.config, &self.queue).await?;
                self.publish(message).await
            }
            stored => stored,
        }
        .map_err(|error| match error.kind() {
            // The dispatch holds the message and tries again.
            ErrorKind::Unroutable | ErrorKind::NotFound | ErrorKind::Closed => Error::new(
                ErrorKind::Unavailable,
                "store dead letter",
                "its queue is not there",
            )
            .with("queue", &self.dead)
            .caused_by(error),
            _ => error,
        })
    }

    async fn list(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        // Only so many are kept in memory, however many there are.
        let mut first: BTreeMap<DeadLetterId, DeadLetter> = BTreeMap::new();
        self.read(|id, letter| {
            if after.is_none_or(|after| id > *after) {
                first.insert(id, letter);
                if first.len() > limit + 1 {
                    first.pop_last();
                }
            }
            Verdict::Keep
        })
        .await?;
        Ok(PageOf::from_surplus(
            first.into_iter().collect(),
            limit,
            |(id, _)| id.clone(),
        ))
    }

    async fn resend(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let mut wanted: HashSet<&DeadLetterId> = ids.iter().collect();
        self.read(|id, _| {
            if wanted.remove(&id) {
                Verdict::SendBack
            } else {
                Verdict::Keep
            }
        })
        .await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let mut wanted: HashSet<&DeadLetterId> = ids.iter().collect();
        self.read(|id, _| {
            if wanted.remove(&id) {
                Verdict::Delete
            } else {
                Verdict::Keep
            }
        })
        .await
    }

    async fn count(&self) -> Result<u64> {
        let _alone = self.reading.lock().await;
        let live = self.link.live("count dead letters", self.until()).await?;
        let found = topology::look(&live, &self.config, &self.dead).await?;
        Ok(found.map_or(0, |queue| queue.ready.into()))
    }
}
