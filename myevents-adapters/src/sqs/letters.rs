//! `SqsDeadLetters`: the messages that a group gave up on, in a queue of their own beside the group's.
//!
//! A queue has no list and no look-up, so letters are read by taking them and giving all back that are not wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use futures_util::future::join_all;
use myevents_core::contract::Envelope;
use myevents_core::ports::{
    Clock as _, DeadLetter, DeadLetterId, DeadLetters, IdSource as _, PageOf, RandomIds, SystemClock,
};
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use super::batch::MOST_ENTRIES;
use super::codec::{self, Outgoing};
use super::config::dead_queue;
use super::error::{fault, repeatable};
use super::keeper::{delete_all, show_at};
use super::letter;
use super::outlet::text;
use super::queues::Queues;

/// A receive that comes back empty has asked all of SQS's servers only if it waited.
const LOOK_SECONDS: i32 = 1;

/// The dead letters of one group. Made by [`SqsBroker::dead_letters`](super::SqsBroker::dead_letters).
///
/// * While somebody lists, sends back or drops, another process sees only the letters that it does not hold at that moment.
///   One that dies meanwhile leaves them hidden for [`SqsConfig::letters_hidden`](super::SqsConfig::letters_hidden).
/// * A letter that is sent back is deleted only after its message is in the group's queue again, so an end in between
///   leaves both.
/// * SQS forgets letters after 14 days, or what its queue was made with.
#[derive(Debug)]
pub struct SqsDeadLetters {
    queues: Arc<Queues>,
    group: String,
    /// The group's queue.
    queue: String,
    /// Two readers at once would each see a part.
    reading: Mutex<()>,
}

/// A letter in our hands.
struct Read {
    letter: DeadLetter,
    handle: Arc<str>,
}

impl SqsDeadLetters {
    pub(super) fn new(queues: Arc<Queues>, group: &str, queue: String) -> Self {
        Self {
            queues,
            group: group.to_owned(),
            queue,
            reading: Mutex::new(()),
        }
    }

    /// The letter about a message that nobody can be given.
    pub(super) fn unreadable(&self, envelope: Envelope, attempts: u32) -> DeadLetter {
        DeadLetter {
            consumer: self.group.clone(),
            origin: self.queue.clone(),
            reason:
                "the message has no attribute event_name (a subscription of SNS must deliver raw messages)"
                    .to_owned(),
            attempts,
            at: SystemClock.now(),
            envelope,
        }
    }

    /// Stores a letter.
    pub(super) async fn store(&self, letter: &DeadLetter) -> Result<()> {
        let url = self.queues.dead(&self.queue).await?;
        let message = letter::write(letter, self.queues.config.is_fifo())?;
        let sent = self.send(&url, &message).await;
        if sent
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Unroutable)
        {
            self.queues.forget(&dead_queue(&self.queue));
        }
        sent
    }

    async fn send(&self, url: &str, message: &Outgoing) -> Result<()> {
        let mut request = self
            .queues
            .clients
            .once
            .send_message()
            .queue_url(url)
            .message_body(&message.body);
        for (name, value) in &message.attributes {
            request = request.message_attributes(*name, text(value)?);
        }
        if let Some(fifo) = &message.fifo {
            request = request
                .message_group_id(&fifo.group)
                .message_deduplication_id(&fifo.once);
        }
        let sent = request.send().await;
        sent.map(drop).map_err(|error| fault("send dead letter", error))
    }

    async fn dead(&self) -> Result<Option<Arc<str>>> {
        self.queues.find(&dead_queue(&self.queue)).await
    }

    /// Takes every letter there is. What was taken before an error goes back at once.
    async fn take_all(&self, url: &str) -> Result<BTreeMap<DeadLetterId, Read>> {
        let mut all = BTreeMap::new();
        loop {
            let taken = match self.take_some(url).await {
                Ok(taken) => taken,
                Err(error) => {
                    self.give_back(url, all.into_values()).await;
                    return Err(error);
                }
            };
            let mut fresh = false;
            for message in &taken {
                let Some(handle) = message.receipt_handle() else {
                    continue;
                };
                let (id, letter) = letter::read(message, &self.group, &self.queue);
                let read = Read {
                    letter,
                    handle: handle.into(),
                };
                // One that comes a second time was hidden too shortly; its last handle is the good one.
                fresh |= all.insert(id, read).is_none();
            }
            if !fresh {
                return Ok(all);
            }
        }
    }

    async fn take_some(&self, url: &str) -> Result<Vec<Message>> {
        let config = &self.queues.config;
        let hidden = i32::try_from(config.letters_hidden.as_secs().max(1)).unwrap_or(i32::MAX);
        let received = self
            .queues
            .clients
            .waiting
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(i32::try_from(MOST_ENTRIES).unwrap_or(1))
            .wait_time_seconds(LOOK_SECONDS)
            .visibility_timeout(hidden)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(|error| repeatable("read dead letters", error))?;
        Ok(received.messages.unwrap_or_default())
    }

    async fn give_back(&self, url: &str, letters: impl Iterator<Item = Read>) {
        let handles: Vec<Arc<str>> = letters.map(|read| read.handle).collect();
        let giving = handles.chunks(MOST_ENTRIES);
        let giving = join_all(giving.map(|part| show_at(&self.queues, url, part)));
        for given in giving.await {
            if let Err(error) = given {
                tracing::debug!(%error, "dead letters stay hidden for a while");
            }
        }
    }

    /// Takes all letters, does `work` to those of `ids`, deletes those it was done to, and gives the others back.
    async fn with<F, Fut>(&self, ids: &[DeadLetterId], work: F) -> Result<usize>
    where
        F: Fn(DeadLetter) -> Fut + Send + Sync,
        Fut: Future<Output = Result<()>> + Send,
    {
        let _alone = self.reading.lock().await;
        let Some(url) = self.dead().await? else {
            return Ok(0);
        };
        let mut letters = self.take_all(&url).await?;
        // In their order, which is that of the list.
        let ids: BTreeSet<&DeadLetterId> = ids.iter().collect();
        let mut done = 0;
        let mut failed = Ok(());
        for id in ids {
            let Some(read) = letters.remove(id) else {
                continue;
            };
            let worked = match work(read.letter.clone()).await {
                Ok(()) => delete_all(&self.queues, &url, std::slice::from_ref(&read.handle)).await,
                Err(error) => Err(error),
            };
            match worked {
                Ok(()) => done += 1,
                Err(error) => {
                    letters.insert(id.clone(), read);
                    // What is wrong with one letter is not wrong with the next.
                    let goes_on = error.kind() == ErrorKind::Rejected;
                    if failed.is_ok() {
                        failed = Err(error);
                    }
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        self.give_back(&url, letters.into_values()).await;
        failed.map(|()| done)
    }
}

#[async_trait]
impl DeadLetters for SqsDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        let stored = self.store(letter).await;
        stored.map_err(|error| match error.kind() {
            ErrorKind::Unroutable => {
                // The dispatch holds the message and tries again.
                Error::new(
                    ErrorKind::Unavailable,
                    "store dead letter",
                    "its queue is not there",
                )
                .with("queue", dead_queue(&self.queue))
                .caused_by(error)
            }
            _ => error,
        })
    }

    async fn list(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        let _alone = self.reading.lock().await;
        let mut page = Vec::new();
        if let Some(url) = self.dead().await? {
            let letters = self.take_all(&url).await?;
            let wanted = letters
                .iter()
                .filter(|(id, _)| after.is_none_or(|after| *id > after));
            page.extend(
                wanted
                    .take(limit.saturating_add(1))
                    .map(|(id, read)| (id.clone(), read.letter.clone())),
            );
            self.give_back(&url, letters.into_values()).await;
        }
        Ok(PageOf::from_surplus(page, limit, |(id, _)| id.clone()))
    }

    async fn resend(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let target = match self.dead().await? {
            Some(_) => self.queues.group(&self.queue).await?,
            None => return Ok(0),
        };
        let config = &self.queues.config;
        self.with(ids, |letter| {
            let target = Arc::clone(&target);
            async move {
                let envelope = &letter.envelope;
                if envelope.name().as_str() == codec::NAMELESS {
                    return Err(Error::new(
                        ErrorKind::Rejected,
                        "send dead letter back",
                        "it has no name, so its consumer could not read it either; drop it",
                    ));
                }
                // Under its own id a FIFO queue would take it for a repeat.
                let once = RandomIds.message_id();
                let fifo = config
                    .is_fifo()
                    .then(|| codec::fifo_again(envelope, once.as_str()));
                let name = envelope.name().on_wire(config.legacy_names);
                self.send(&target, &codec::write(envelope, name, fifo)?).await
            }
        })
        .await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<usize> {
        self.with(ids, |_| std::future::ready(Ok(()))).await
    }

    async fn count(&self) -> Result<u64> {
        match self.dead().await? {
            Some(url) => self.queues.count(&url).await,
            None => Ok(0),
        }
    }
}
