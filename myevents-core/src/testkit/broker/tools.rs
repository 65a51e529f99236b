//! What the broker cases share: making messages, publishing them, and consumers that take note of what they get.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{BrokerFixture, BrokerPlace};
use crate::contract::{Envelope, Message, MessageId, MessageName};
use crate::dispatch::{Backoff, Dispatch, DispatchOptions};
use crate::domain::UnixMillis;
use crate::error::{ErrorKind, Result};
use crate::ports::{
    BrokerCapabilities, Clock as _, Delivery, DeliveryStream, EventEmitter, EventListener, IdSource as _,
    RandomIds, StartFrom, Subscription, SystemClock,
};
use crate::testkit::{Failure, ensure};

/// The name of most messages of the suite. No emitter requires a subscriber for it.
pub(super) const MADE: MessageName = MessageName::from_static("suite.made");
/// How long a case waits for something that must happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A message with this key and body, and a new id.
pub(super) fn message(key: &str, body: impl Into<bytes::Bytes>) -> Envelope {
    named(MADE, key, body)
}

/// A message of another name.
pub(super) fn named(name: MessageName, key: &str, body: impl Into<bytes::Bytes>) -> Envelope {
    Envelope::builder(new_id(), name, key)
        .time(SystemClock.now())
        .body(body)
        .build()
}

/// `count` messages, each with a key of its own.
pub(super) fn messages(count: usize) -> Vec<Envelope> {
    (0..count)
        .map(|number| message(&format!("key-{number}"), format!(r#"{{"number":{number}}}"#)))
        .collect()
}

pub(super) fn new_id() -> MessageId {
    RandomIds.message_id()
}

/// A subscription to the suite's messages.
pub(super) fn subscription(group: &str, prefetch: usize) -> Subscription {
    Subscription {
        group: group.to_owned(),
        names: vec![MADE],
        prefetch,
        from: StartFrom::Now,
    }
}

/// What publishing took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Published {
    /// Calls that were repeated because their error said so.
    pub(super) repeated: usize,
}

/// Publishes in a task of its own, as some brokers answer only when the message was handled. Messages of one key go
/// one after the other, at most `keys_at_once` keys at a time; a retryable error is repeated for up to [`PATIENCE`].
pub(super) fn publish(
    emitter: &Arc<dyn EventEmitter>,
    messages: Vec<Envelope>,
    keys_at_once: usize,
) -> JoinHandle<std::result::Result<Published, Failure>> {
    let mut order: Vec<String> = Vec::new();
    let mut by_key: HashMap<String, Vec<Envelope>> = HashMap::new();
    for message in messages {
        let of_key = by_key.entry(message.key().to_owned()).or_default();
        if of_key.is_empty() {
            order.push(message.key().to_owned());
        }
        of_key.push(message);
    }
    let emitter = Arc::clone(emitter);
    tokio::spawn(async move {
        let runs: Vec<Vec<Envelope>> = order.into_iter().filter_map(|key| by_key.remove(&key)).collect();
        let mut published = Published::default();
        let mut results = futures_util::stream::iter(runs)
            .map(|run| publish_run(Arc::clone(&emitter), run))
            .buffer_unordered(keys_at_once);
        while let Some(repeated) = results.next().await {
            published.repeated += repeated?;
        }
        Ok(published)
    })
}

async fn publish_run(
    emitter: Arc<dyn EventEmitter>,
    run: Vec<Envelope>,
) -> std::result::Result<usize, Failure> {
    let mut repeated = 0;
    for message in run {
        let end = Instant::now() + PATIENCE;
        while let Err(error) = emit_one(emitter.as_ref(), &message).await {
            if !error.is_retryable() || Instant::now() > end {
                return Err(error.into());
            }
            repeated += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(repeated)
}

/// Publishes one message with one call.
pub(super) async fn emit_one(emitter: &dyn EventEmitter, message: &Envelope) -> Result<()> {
    let mut results = emitter.emit(std::slice::from_ref(message)).await;
    match (results.pop(), results.is_empty()) {
        (Some(result), true) => result,
        _ => Err(crate::Error::new(
            ErrorKind::Internal,
            "emit",
            "one message was not answered with one result",
        )),
    }
}

/// The end of a publishing task.
pub(super) async fn finished(
    publishing: JoinHandle<std::result::Result<Published, Failure>>,
) -> std::result::Result<Published, Failure> {
    match tokio::time::timeout(PATIENCE, publishing).await {
        Ok(Ok(published)) => published,
        Ok(Err(panicked)) => Err(panicked.into()),
        Err(_) => Err(Failure::new("publishing was not over in time")),
    }
}

/// Takes the next delivery.
pub(super) async fn next(stream: &mut DeliveryStream) -> std::result::Result<Delivery, Failure> {
    match tokio::time::timeout(PATIENCE, stream.next()).await {
        Ok(Some(delivery)) => Ok(delivery),
        Ok(None) => Err(Failure::new("the stream ended")),
        Err(_) => Err(Failure::new("no delivery came")),
    }
}

/// Fails if a delivery comes within `quiet`.
pub(super) async fn nothing_within(
    stream: &mut DeliveryStream,
    quiet: Duration,
) -> std::result::Result<(), Failure> {
    match tokio::time::timeout(quiet, stream.next()).await {
        Err(_) | Ok(None) => Ok(()),
        Ok(Some(delivery)) => Err(Failure::new(format!(
            "an unexpected delivery: attempt {} of {:?}",
            delivery.attempt, delivery.envelope
        ))),
    }
}

/// One delivery, as taken note of.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) envelope: Envelope,
    /// Which of the consumers got it.
    pub(super) consumer: usize,
}

/// What a set of consumers got, in the order they got it.
#[derive(Debug, Clone)]
pub(super) struct Notes(Arc<watch::Sender<Vec<Noted>>>);

impl Notes {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }

    pub(super) fn take(&self, envelope: &Envelope, consumer: usize) {
        self.0.send_modify(|noted| {
            noted.push(Noted {
                envelope: envelope.clone(),
                consumer,
            });
        });
    }

    pub(super) fn all(&self) -> Vec<Noted> {
        self.0.borrow().clone()
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Waits until the notes fulfil `enough`; fails after [`PATIENCE`].
    pub(super) async fn until(
        &self,
        what: &str,
        mut enough: impl FnMut(&[Noted]) -> bool + Send,
    ) -> std::result::Result<(), Failure> {
        let mut receiver = self.0.subscribe();
        let waited = tokio::time::timeout(PATIENCE, receiver.wait_for(|noted| enough(noted))).await;
        match waited {
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::new(format!(
                "{what}: {} deliveries after {} s",
                self.len(),
                PATIENCE.as_secs()
            ))),
        }
    }

    /// Waits until every one of `messages` was noted, then for `quiet` more, so that repeats are counted too. Fails for
    /// a message that never came or was never sent. Answers how many repeats there were.
    pub(super) async fn complete(
        &self,
        messages: &[Envelope],
        quiet: Duration,
    ) -> std::result::Result<usize, Failure> {
        let mut missing: HashMap<MessageId, ()> = messages
            .iter()
            .map(|message| (message.id().clone(), ()))
            .collect();
        let mut seen = 0;
        self.until("not all messages came", |noted| {
            for note in &noted[seen..] {
                missing.remove(note.envelope.id());
            }
            seen = noted.len();
            missing.is_empty()
        })
        .await?;
        tokio::time::sleep(quiet).await;
        let counts = self.counts();
        for id in counts.keys() {
            ensure!(
                messages.iter().any(|message| message.id() == id),
                "message {id} came and was not sent here"
            );
        }
        Ok(self.len() - counts.len())
    }

    /// How often each message came.
    pub(super) fn counts(&self) -> HashMap<MessageId, usize> {
        let mut counts = HashMap::new();
        for noted in self.0.borrow().iter() {
            *counts.entry(noted.envelope.id().clone()).or_default() += 1;
        }
        counts
    }
}

/// Consumers that acknowledge all they get. Dropping them ends their subscriptions.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    tasks: JoinSet<()>,
    count: usize,
}

impl Consumers {
    /// Starts one more; it takes note in `notes` before it acknowledges.
    pub(super) fn start(&mut self, mut stream: DeliveryStream, notes: &Notes) {
        let (notes, consumer) = (notes.clone(), self.count);
        self.count += 1;
        self.tasks.spawn(async move {
            while let Some(delivery) = stream.next().await {
                notes.take(&delivery.envelope, consumer);
                // A lost acknowledgement brings the message again, which is noted then.
                let _ = delivery.ack().await;
            }
        });
    }

    /// Subscribes once and starts a consumer.
    pub(super) async fn subscribe(
        &mut self,
        listener: &Arc<dyn EventListener>,
        wanted: Subscription,
        notes: &Notes,
    ) -> Result<()> {
        let stream = listener.subscribe(wanted).await?;
        self.start(stream, notes);
        Ok(())
    }
}

/// A time that a broker keeps: whole milliseconds.
pub(super) fn now() -> UnixMillis {
    SystemClock.now()
}

/// "3 repeats", or nothing for none.
pub(super) fn repeats(count: usize) -> String {
    format!("{count} repeats")
}

/// The body of the suite's messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) number: u64,
}

impl Message for Made {
    const NAME: &'static str = "suite.made";
    const ABOUT: &'static str = "the conformance suite wants something to happen";
}

/// A message that decodes as [`Made`].
pub(super) fn made(key: &str, number: u64) -> Envelope {
    message(key, format!(r#"{{"number":{number}}}"#))
}

/// Options of a dispatch that does not keep a case waiting.
pub(super) fn quick() -> DispatchOptions {
    DispatchOptions {
        backoff: Backoff::new(Duration::from_millis(20), Duration::from_millis(200)),
        away_backoff: Backoff::new(Duration::from_millis(20), Duration::from_millis(200)),
        concurrency: 16,
        prefetch: 64,
        shutdown_timeout: Duration::from_secs(10),
        ..DispatchOptions::default()
    }
}

/// A dispatch at work. Dropping it stops it without waiting.
#[derive(Debug)]
pub(super) struct Running {
    stop: CancellationToken,
    task: Option<JoinHandle<Result<()>>>,
}

impl Running {
    pub(super) async fn start(dispatch: Dispatch, listener: Arc<dyn EventListener>) -> Self {
        let stop = CancellationToken::new();
        let (stopping, probe) = (stop.clone(), Subscribed::around(listener));
        let subscribed = Arc::clone(&probe.done);
        let task = tokio::spawn(async move { dispatch.run(Arc::new(probe), stopping).await });
        // What is published before the group subscribed may pass it by.
        let _ = tokio::time::timeout(PATIENCE, subscribed.notified()).await;
        Self {
            stop,
            task: Some(task),
        }
    }

    /// Stops it and answers how long that took.
    pub(super) async fn stop(mut self) -> std::result::Result<Duration, Failure> {
        let started = Instant::now();
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            match tokio::time::timeout(PATIENCE, task).await {
                Ok(ended) => ended??,
                Err(_) => return Err(Failure::new("dispatch did not stop")),
            }
        }
        Ok(started.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A listener that tells when its subscription stands.
#[derive(Debug)]
struct Subscribed {
    listener: Arc<dyn EventListener>,
    done: Arc<Notify>,
}

impl Subscribed {
    fn around(listener: Arc<dyn EventListener>) -> Self {
        Self {
            listener,
            done: Arc::default(),
        }
    }
}

#[async_trait]
impl EventListener for Subscribed {
    fn capabilities(&self) -> BrokerCapabilities {
        self.listener.capabilities()
    }

    async fn subscribe(&self, wanted: Subscription) -> Result<DeliveryStream> {
        let stream = self.listener.subscribe(wanted).await;
        self.done.notify_one();
        stream
    }

    async fn close(&self) -> Result<()> {
        self.listener.close().await
    }
}

/// Asks again and again until it is so; fails after [`PATIENCE`].
pub(super) async fn eventually<F, Fut>(what: &str, mut is_so: F) -> std::result::Result<(), Failure>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<bool>>,
{
    let end = Instant::now() + PATIENCE;
    while !is_so().await? {
        if Instant::now() > end {
            return Err(Failure::new(format!(
                "{what} did not come within {} s",
                PATIENCE.as_secs()
            )));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// The listener of a consumer that was restarted. Where consumers can't be in several processes, the listeners of a
/// place are one with its broker, and only the subscription is new.
pub(super) async fn restarted(
    fixture: &dyn BrokerFixture,
    place: &dyn BrokerPlace,
    listener: Arc<dyn EventListener>,
) -> Result<Arc<dyn EventListener>> {
    if !fixture.capabilities().shared {
        return Ok(listener);
    }
    listener.close().await?;
    place.listener().await
}
