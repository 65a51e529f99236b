//! Publishing with confirms: what is queued is sent without waiting in between, and answered message by message.
//!
//! A few workers have a channel each. A worker takes what is queued, sends all of it, and waits for the confirms; what
//! comes meanwhile is the next worker's. The broker tells of a message that no queue takes by returning it before its
//! confirm, but the client hands a returned message over with whichever confirm comes next. So returned messages are
//! told by their id, and looked at only when all confirms of a round are there.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, PublisherConfirm};
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::codec::{self, Outgoing};
use super::config::AmqpConfig;
use super::error::{away, closed, not_confirmed, not_sent};
use super::link::Link;
use super::topology;

/// A round takes no more jobs once it has this many messages.
const ROUND: usize = 1_024;
/// Jobs that wait for a worker; more wait where they come from.
const QUEUE: usize = 1_024;

/// Messages to publish in their order, and who waits for the answers.
struct Job {
    messages: Vec<Outgoing>,
    /// Until when a connection is waited for.
    until: Instant,
    answer: oneshot::Sender<Vec<Result<()>>>,
}

/// Publishes over one link.
#[derive(Debug)]
pub(super) struct Publisher {
    jobs: mpsc::Sender<Job>,
    config: Arc<AmqpConfig>,
    workers: TaskTracker,
    stop: CancellationToken,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Publisher {
    pub(super) fn start(link: &Arc<Link>, config: &Arc<AmqpConfig>) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let (workers, stop) = (TaskTracker::new(), CancellationToken::new());
        for _ in 0..config.publish_channels.max(1) {
            let worker = Worker {
                link: Arc::clone(link),
                config: Arc::clone(config),
                queue: Arc::clone(&queue),
                channel: None,
            };
            workers.spawn(worker.run(stop.clone()));
        }
        workers.close();
        Self {
            jobs,
            config: Arc::clone(config),
            workers,
            stop,
        }
    }

    /// Publishes messages in their order and answers one result for each. Whoever stops waiting changes nothing for the
    /// messages.
    pub(super) async fn publish(&self, messages: Vec<Outgoing>) -> Vec<Result<()>> {
        let count = messages.len();
        let (answer, answered) = oneshot::channel();
        let until = Instant::now() + self.config.publish_wait;
        let job = Job {
            messages,
            until,
            answer,
        };
        match timeout_at(until, self.jobs.send(job)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return repeated(&closed("publish"), count),
            Err(_) => {
                let error = away("publish", "too many messages wait for RabbitMQ");
                return repeated(&error, count);
            }
        }
        answered.await.unwrap_or_else(|_| {
            let error = Error::new(
                ErrorKind::OutcomeUnknown,
                "publish",
                "publishing ended before the broker answered",
            );
            repeated(&error, count)
        })
    }

    /// Lets the workers finish what they have; what is queued is not begun.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.workers.wait().await;
    }
}

fn repeated(error: &Error, count: usize) -> Vec<Result<()>> {
    (0..count).map(|_| Err(error.duplicate())).collect()
}

struct Worker {
    link: Arc<Link>,
    config: Arc<AmqpConfig>,
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    /// With the number of the connection that it belongs to.
    channel: Option<(u64, Channel)>,
}

impl Worker {
    async fn run(mut self, stop: CancellationToken) {
        while let Some(Some(jobs)) = stop.run_until_cancelled(take(&self.queue)).await {
            self.round(jobs).await;
        }
        // What is queued is let go of with the last worker: whoever waits learns that it was not begun.
        let mut queue = self.queue.lock().await;
        queue.close();
        while let Ok(job) = queue.try_recv() {
            answer(job.answer, repeated(&closed("publish"), job.messages.len()));
        }
    }

    async fn round(&mut self, jobs: Vec<Job>) {
        let now = Instant::now();
        let until = jobs.iter().map(|job| job.until).max().unwrap_or(now);
        let channel = match self.channel(until).await {
            Ok(channel) => channel,
            Err(error) => {
                for job in jobs {
                    answer(job.answer, repeated(&error, job.messages.len()));
                }
                return;
            }
        };
        let (mut counts, mut messages) = (Vec::new(), Vec::new());
        for job in jobs {
            counts.push((job.messages.len(), job.answer));
            messages.extend(job.messages);
        }
        let mut results = self.send(&channel, messages).await.into_iter();
        for (count, waiting) in counts {
            answer(waiting, results.by_ref().take(count).collect());
        }
    }

    /// A channel of the connection that is there now.
    async fn channel(&mut self, until: Instant) -> Result<Channel> {
        let live = self.link.takes_messages("publish", until).await?;
        if let Some((number, channel)) = &self.channel
            && *number == live.number
            && channel.status().connected()
        {
            return Ok(channel.clone());
        }
        self.channel = None;
        let opened = topology::publishing_channel(&live, &self.config).await;
        let channel = opened.inspect_err(|_| self.link.doubt())?;
        self.channel = Some((live.number, channel.clone()));
        Ok(channel)
    }

    async fn send(&mut self, channel: &Channel, messages: Vec<Outgoing>) -> Vec<Result<()>> {
        let ids: Vec<Option<String>> = messages
            .iter()
            .map(|message| message.mandatory.then(|| codec::identity(&message.properties)))
            .collect();
        let mut sending: Vec<_> = messages
            .into_iter()
            .map(|message| Sending::Leaving(Box::pin(publish(channel, message))))
            .collect();
        // The first look at each puts its frames into the client's queue: this is what their order is made by. Nobody is to be
        // woken for each of them when it is written, which costs the client's thread and this one more than the message itself.
        for one in &mut sending {
            one.look(&mut Context::from_waker(Waker::noop()));
        }
        let until = Instant::now() + self.config.confirm_timeout;
        // Messages are written in their order, and mostly confirmed in it: with the last answer the others are there.
        if let Some(last) = sending.last_mut() {
            // Out of time is told below, for each that is not there.
            let _ = timeout_at(until, last.answered()).await;
        }
        let mut broken = false;
        let mut returned = HashMap::new();
        let mut results = Vec::with_capacity(sending.len());
        for mut sent in sending {
            // Out of time it is as far as it was.
            let _ = timeout_at(until, sent.answered()).await;
            let told = match sent {
                Sending::Answered(told) => told,
                Sending::Leaving(_) | Sending::Left(_) => Err(Error::new(
                    ErrorKind::OutcomeUnknown,
                    "publish",
                    "RabbitMQ did not confirm in time",
                )),
            };
            if let Ok(Told {
                returned: Some((id, why)),
                ..
            }) = &told
            {
                returned.insert(id.clone(), *why);
            }
            results.push(match told.map(|told| told.stored) {
                Ok(Some(true)) => Ok(()),
                Ok(Some(false)) => Err(away("publish", "RabbitMQ could not store the message")),
                Ok(None) => {
                    broken = true;
                    Err(unconfirmed())
                }
                Err(error) => {
                    broken = true;
                    Err(error)
                }
            });
        }
        if broken {
            self.channel = None;
            self.link.doubt();
            told_alike(&mut results);
        }
        for (result, id) in results.iter_mut().zip(ids) {
            let (Ok(()), Some(id)) = (&result, id) else {
                continue;
            };
            if let Some(why) = returned.get(&id) {
                *result = Err(
                    Error::new(ErrorKind::Unroutable, "publish", "no queue takes this message")
                        .with("reply", why),
                );
            } else if broken {
                // The client gives what came back to some open confirm, which may be the one that was let go of.
                *result = Err(Error::new(
                    ErrorKind::OutcomeUnknown,
                    "publish",
                    "whether a queue took the message is not known, as another confirm of its round is missing",
                ));
            }
        }
        results
    }
}

fn unconfirmed() -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        "publish",
        "the channel was opened without confirms",
    )
}

/// The broker ends a channel at the first message to an exchange that is not there, and the later ones are told only
/// that the channel is gone: they went to the same place.
fn told_alike(results: &mut [Result<()>]) {
    let is = |result: &Result<()>, kind| result.as_ref().is_err_and(|error| error.kind() == kind);
    let Some(Err(missing)) = results.iter().find(|result| is(result, ErrorKind::Unroutable)) else {
        return;
    };
    let missing = missing.duplicate();
    for result in results {
        if is(result, ErrorKind::Unavailable) {
            *result = Err(missing.duplicate());
        }
    }
}

async fn take(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Vec<Job>> {
    let mut queue = queue.lock().await;
    let first = queue.recv().await?;
    let mut size = first.messages.len();
    let mut jobs = vec![first];
    while size < ROUND
        && let Ok(job) = queue.try_recv()
    {
        size += job.messages.len();
        jobs.push(job);
    }
    Some(jobs)
}

fn answer(waiting: oneshot::Sender<Vec<Result<()>>>, results: Vec<Result<()>>) {
    // Nobody waits any more: the messages went all the same.
    let _ = waiting.send(results);
}

/// How far a message has come.
enum Sending<F> {
    Leaving(Pin<Box<F>>),
    Left(PublisherConfirm),
    Answered(Result<Told>),
}

/// What the broker said of a message.
struct Told {
    /// Whether it stored the message; none where the channel is without confirms.
    stored: Option<bool>,
    /// A message that it gave back, by its identity, and why: this one or another.
    returned: Option<(String, u16)>,
}

impl From<Confirmation> for Told {
    fn from(confirmation: Confirmation) -> Self {
        let (stored, message) = match confirmation {
            Confirmation::Ack(message) => (Some(true), message),
            Confirmation::Nack(message) => (Some(false), message),
            Confirmation::NotRequested => (None, None),
        };
        let returned = message.map(|message| (codec::identity(&message.properties), message.reply_code));
        Self { stored, returned }
    }
}

impl<F: Future<Output = lapin::Result<PublisherConfirm>>> Sending<F> {
    /// Lets it leave, or notes that it has.
    fn look(&mut self, context: &mut Context<'_>) {
        if let Self::Leaving(leaving) = self
            && let Poll::Ready(left) = leaving.as_mut().poll(context)
        {
            *self = match left {
                Ok(confirm) => Self::Left(confirm),
                Err(error) => Self::Answered(Err(not_sent(error))),
            };
        }
    }

    /// Waits until it is confirmed, or known not to be.
    async fn answered(&mut self) {
        poll_fn(|context| {
            self.look(context);
            if let Self::Left(confirm) = self
                && let Poll::Ready(confirmed) = Pin::new(confirm).poll(context)
            {
                *self = Self::Answered(confirmed.map(Told::from).map_err(not_confirmed));
            }
            match self {
                Self::Answered(_) => Poll::Ready(()),
                Self::Leaving(_) | Self::Left(_) => Poll::Pending,
            }
        })
        .await;
    }
}

async fn publish(channel: &Channel, message: Outgoing) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions {
        mandatory: message.mandatory,
        ..BasicPublishOptions::default()
    };
    let Outgoing {
        exchange,
        routing_key,
        properties,
        body,
        ..
    } = message;
    channel
        .basic_publish(exchange, routing_key, options, &body, properties)
        .await
}
