//! Where an emitter's messages go: a queue. (Or a topic: see `sns`.)

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use myevents_core::{Error, ErrorKind, Result};

use super::codec::{Outgoing, STRING};
use super::config::MOST_BYTES;
use super::error::{entry, fault, unanswered, unbuilt};
use super::pulse::Pulse;
use super::queues::Queues;

/// Takes messages in batches.
#[async_trait]
pub(crate) trait Outlet: Debug + Send + Sync + 'static {
    /// The most bytes of one request, and so of one message.
    fn most_bytes(&self) -> usize;

    /// Sends up to ten messages with one request and answers each in its place.
    ///
    /// # Errors
    /// Where the request as a whole failed: `Rejected` and `TooLarge` where SQS says that it is the contents.
    async fn request(&self, messages: &[Arc<Outgoing>]) -> Result<Vec<Result<()>>>;

    /// Whether it can be reached; asked only where the last answer is old or something failed since.
    ///
    /// # Errors
    /// `Unavailable` when it can't.
    async fn ping(&self) -> Result<()>;
}

/// Sends up to ten messages and answers each in its place.
///
/// Only the answer to one message alone can be about that message for good. What else a request fails with may be the set-up,
/// which somebody mends; no message is given up for it.
pub(crate) async fn send(outlet: &dyn Outlet, messages: &[Arc<Outgoing>]) -> Vec<Result<()>> {
    let error = match outlet.request(messages).await {
        Ok(results) => return results,
        Err(error) => error,
    };
    if messages.len() == 1 || !is_about_contents(&error) {
        return for_all(messages.len(), &not_for_good(error));
    }
    tracing::debug!(%error, "a batch is sent again one by one, to find whose fault it is");
    let mut results = Vec::with_capacity(messages.len());
    for message in messages {
        match outlet.request(std::slice::from_ref(message)).await {
            Ok(answered) => results.extend(answered),
            Err(error) => results.push(Err(not_for_good(error))),
        }
    }
    results
}

fn is_about_contents(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Rejected | ErrorKind::TooLarge)
}

/// An answer that can't be used says nothing of the message.
fn not_for_good(error: Error) -> Error {
    if error.kind() != ErrorKind::Malformed {
        return error;
    }
    Error::new(ErrorKind::Unavailable, "publish", error.message().to_owned()).caused_by(error)
}

/// A queue.
#[derive(Debug)]
pub(super) struct QueueOutlet {
    queues: Arc<Queues>,
    name: String,
    /// When it last answered.
    answers: Pulse,
}

impl QueueOutlet {
    pub(super) fn new(queues: Arc<Queues>, name: &str) -> Self {
        Self {
            queues,
            name: name.to_owned(),
            answers: Pulse::default(),
        }
    }

    async fn try_send(&self, messages: &[Arc<Outgoing>]) -> Result<Vec<Result<()>>> {
        let url = self.queues.group(&self.name).await?;
        let entries = messages.iter().enumerate();
        let entries: Vec<_> = entries
            .map(|(place, message)| request(place, message))
            .collect::<Result<_>>()?;
        let sent = self
            .queues
            .clients
            .once
            .send_message_batch()
            .queue_url(url.as_ref())
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| fault("publish", error).with("queue", &self.name))?;
        Ok(by_place(
            messages.len(),
            sent.successful.iter().map(|taken| taken.id.as_str()),
            sent.failed
                .iter()
                .map(|failed| (failed.id.as_str(), entry("publish", failed))),
        ))
    }
}

/// The results of a batch whose entries are named by their places.
pub(crate) fn by_place<'a>(
    count: usize,
    taken: impl Iterator<Item = &'a str>,
    failed: impl Iterator<Item = (&'a str, Error)>,
) -> Vec<Result<()>> {
    let mut results: Vec<Result<()>> = (0..count).map(|_| Err(unanswered("publish"))).collect();
    let answers = taken
        .map(|id| (id, Ok(())))
        .chain(failed.map(|(id, error)| (id, Err(error))));
    for (id, answer) in answers {
        let place = id.parse::<usize>().ok();
        if let Some(result) = place.and_then(|place| results.get_mut(place)) {
            *result = answer;
        }
    }
    results
}

/// One failure for all entries of a request.
pub(crate) fn for_all(count: usize, error: &Error) -> Vec<Result<()>> {
    (0..count).map(|_| Err(error.duplicate())).collect()
}

fn request(place: usize, message: &Outgoing) -> Result<SendMessageBatchRequestEntry> {
    let mut request = SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(&message.body);
    for (name, value) in &message.attributes {
        request = request.message_attributes(*name, text(value)?);
    }
    if let Some(fifo) = &message.fifo {
        request = request
            .message_group_id(&fifo.group)
            .message_deduplication_id(&fifo.once);
    }
    request.build().map_err(unbuilt)
}

/// An attribute's value.
pub(super) fn text(value: &str) -> Result<MessageAttributeValue> {
    MessageAttributeValue::builder()
        .data_type(STRING)
        .string_value(value)
        .build()
        .map_err(unbuilt)
}

#[async_trait]
impl Outlet for QueueOutlet {
    fn most_bytes(&self) -> usize {
        MOST_BYTES
    }

    async fn request(&self, messages: &[Arc<Outgoing>]) -> Result<Vec<Result<()>>> {
        let answered = self.try_send(messages).await;
        self.answers.note(&answered);
        if matches!(&answered, Err(error) if error.kind() == ErrorKind::Unroutable) {
            self.queues.forget(&self.name);
        }
        answered
    }

    async fn ping(&self) -> Result<()> {
        if self.answers.is_felt(Some(&self.queues.failures)) {
            return Ok(());
        }
        if self.queues.look(&self.name).await?.is_none() && !self.queues.config.create_queues {
            return Err(
                Error::new(ErrorKind::Unavailable, "ping", "the queue is not there")
                    .with("queue", &self.name),
            );
        }
        self.answers.beat();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_has_its_own_result_and_one_that_is_not_mentioned_is_unknown() {
        let failed = Error::new(ErrorKind::Rejected, "publish", "because");
        let results = by_place(4, ["2", "0", "9"].into_iter(), [("1", failed)].into_iter());
        let kinds: Vec<_> = results
            .iter()
            .map(|result| result.as_ref().err().map(Error::kind))
            .collect();
        assert_eq!(
            kinds,
            [
                None,
                Some(ErrorKind::Rejected),
                None,
                Some(ErrorKind::OutcomeUnknown)
            ]
        );
    }
}
