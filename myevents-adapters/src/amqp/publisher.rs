//! Publishing with confirms: what is queued is sent without waiting in between, and answered message by message.
//!
//! One worker has one channel: a quorum queue takes several times more from one channel than from many. What comes while
//! confirms are open is sent behind it, up to a bound.
//!
//! The broker tells of a message that no queue takes by returning it before its confirm, but the client hands a returned
//! message over with whichever confirm comes next. So returned messages are told by their id, and a message that needs a
//! queue is answered only after every confirm that is there was looked at.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation};
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::codec::{self, Outgoing};
use super::config::AmqpConfig;
use super::error::{away, closed, not_confirmed, not_sent};
use super::link::Link;
use super::topology;

/// No more jobs are begun while so many messages wait for their confirm.
const WINDOW: usize = 1_024;
/// Jobs that wait for the worker; more wait where they come from.
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
    worker: TaskTracker,
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
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let worker = Worker {
            link: Arc::clone(link),
            config: Arc::clone(config),
            channel: None,
            open: FuturesUnordered::new(),
            begun: BTreeMap::new(),
            next: 0,
            returned: HashMap::new(),
            undecided: Vec::new(),
            broken: false,
            missing: None,
        };
        tracker.spawn(worker.run(queue, stop.clone()));
        tracker.close();
        Self {
            jobs,
            config: Arc::clone(config),
            worker: tracker,
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

    /// Lets the worker finish what it began; what is queued is not begun.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.worker.wait().await;
    }
}

fn repeated(error: &Error, count: usize) -> Vec<Result<()>> {
    (0..count).map(|_| Err(error.duplicate())).collect()
}

/// Which message a confirm belongs to.
struct Ticket {
    job: u64,
    place: usize,
    /// Of a message that needs a queue: what it would be returned by.
    id: Option<String>,
}

type Confirming = Pin<Box<dyn Future<Output = (Ticket, Result<Confirmation>)> + Send>>;

/// A job whose messages were sent.
struct Begun {
    results: Vec<Option<Result<()>>>,
    left: usize,
    /// Until when its confirms are waited for.
    until: Instant,
    answer: oneshot::Sender<Vec<Result<()>>>,
}

struct Worker {
    link: Arc<Link>,
    config: Arc<AmqpConfig>,
    /// With the number of the connection that it belongs to.
    channel: Option<(u64, Channel)>,
    open: FuturesUnordered<Confirming>,
    /// In the order they were begun in.
    begun: BTreeMap<u64, Begun>,
    next: u64,
    /// What was returned, with the reply code.
    returned: HashMap<String, u16>,
    /// Confirmed, and not yet known whether a queue took them.
    undecided: Vec<Ticket>,
    /// The channel failed: nothing is begun, and no job answered, before all that is open came to its end.
    broken: bool,
    /// Why it failed, if the exchange is not there.
    missing: Option<Error>,
}

impl Worker {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>, stop: CancellationToken) {
        while !stop.is_cancelled() || !self.begun.is_empty() {
            let waiting = self.begun.values().find(|job| job.left > 0);
            let until = waiting.map(|job| job.until);
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                Some((ticket, confirmed)) = self.open.next(), if !self.open.is_empty() => {
                    self.note(ticket, confirmed);
                    self.settle();
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => self.give_up(),
                job = queue.recv(), if !stop.is_cancelled() && !self.broken && self.open.len() < WINDOW => {
                    let Some(job) = job else { break };
                    self.begin(job).await;
                }
            }
        }
        // What is queued is let go of: whoever waits learns that it was not begun.
        queue.close();
        while let Ok(job) = queue.try_recv() {
            answer(job.answer, repeated(&closed("publish"), job.messages.len()));
        }
    }

    async fn begin(&mut self, job: Job) {
        let channel = match self.channel(job.until).await {
            Ok(channel) => channel,
            Err(error) => {
                answer(job.answer, repeated(&error, job.messages.len()));
                return;
            }
        };
        let number = self.next;
        self.next += 1;
        let count = job.messages.len();
        self.begun.insert(
            number,
            Begun {
                results: (0..count).map(|_| None).collect(),
                left: count,
                until: Instant::now() + self.config.confirm_timeout,
                answer: job.answer,
            },
        );
        let mut sending: Vec<Confirming> = Vec::with_capacity(count);
        for (place, message) in job.messages.into_iter().enumerate() {
            let ticket = Ticket {
                job: number,
                place,
                id: message.mandatory.then(|| codec::identity(&message.properties)),
            };
            let publishing = publish(channel.clone(), message);
            sending.push(Box::pin(async move { (ticket, publishing.await) }));
        }
        // The first look at each puts its frames into the client's queue: this is what their order is made by.
        let mut done = Vec::new();
        std::future::poll_fn(|context| {
            for mut one in sending.drain(..) {
                match one.as_mut().poll(context) {
                    Poll::Ready(answered) => done.push(answered),
                    Poll::Pending => self.open.push(one),
                }
            }
            Poll::Ready(())
        })
        .await;
        for (ticket, confirmed) in done {
            self.note(ticket, confirmed);
        }
        self.settle();
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

    fn note(&mut self, ticket: Ticket, confirmed: Result<Confirmation>) {
        let result = match confirmed {
            Ok(Confirmation::Ack(message)) => {
                self.note_returned(message);
                if ticket.id.is_some() {
                    self.undecided.push(ticket);
                    return;
                }
                Ok(())
            }
            Ok(Confirmation::Nack(message)) => {
                self.note_returned(message);
                Err(away("publish", "RabbitMQ could not store the message"))
            }
            Ok(Confirmation::NotRequested) => Err(self.broke(Error::new(
                ErrorKind::OutcomeUnknown,
                "publish",
                "the channel was opened without confirms",
            ))),
            Err(error) => Err(self.broke(error)),
        };
        self.put(&ticket, result);
    }

    fn note_returned(&mut self, message: Option<lapin::message::BasicReturnMessage>) {
        if let Some(message) = message {
            self.returned
                .insert(codec::identity(&message.properties), message.reply_code);
        }
    }

    fn broke(&mut self, error: Error) -> Error {
        if error.kind() == ErrorKind::Unroutable && self.missing.is_none() {
            self.missing = Some(error.duplicate());
        }
        self.broken = true;
        self.channel = None;
        self.link.doubt();
        error
    }

    fn put(&mut self, ticket: &Ticket, result: Result<()>) {
        // A job that was given up on is not there any more.
        if let Some(job) = self.begun.get_mut(&ticket.job) {
            job.results[ticket.place] = Some(result);
            job.left -= 1;
        }
    }

    /// Looks at every confirm that is there, then answers what can be answered.
    fn settle(&mut self) {
        while let Some(Some((ticket, confirmed))) = self.open.next().now_or_never() {
            self.note(ticket, confirmed);
        }
        for ticket in std::mem::take(&mut self.undecided) {
            let why = ticket.id.as_ref().and_then(|id| self.returned.remove(id));
            let result = why.map_or(Ok(()), |why| {
                let unroutable = Error::new(ErrorKind::Unroutable, "publish", "no queue takes this message");
                Err(unroutable.with("reply", why))
            });
            self.put(&ticket, result);
        }
        if self.broken && self.begun.values().any(|job| job.left > 0) {
            return;
        }
        let missing = self.missing.take();
        for job in self
            .begun
            .extract_if(.., |_, job| job.left == 0)
            .map(|(_, job)| job)
        {
            answer_begun(job, missing.as_ref());
        }
        if self.begun.is_empty() {
            // Only confirms that nobody waits for may be left.
            self.open.clear();
            self.returned.clear();
            self.broken = false;
        }
    }

    /// Answers the jobs whose confirms did not come in time.
    fn give_up(&mut self) {
        let now = Instant::now();
        for job in self.begun.values_mut().filter(|job| job.until <= now) {
            for result in job.results.iter_mut().filter(|result| result.is_none()) {
                let late = Error::new(
                    ErrorKind::OutcomeUnknown,
                    "publish",
                    "RabbitMQ did not confirm in time",
                );
                *result = Some(Err(late));
            }
            job.left = 0;
        }
        self.broken = true;
        self.channel = None;
        self.link.doubt();
        self.settle();
    }
}

/// The broker ends a channel at the first message to an exchange that is not there, and the later ones are told only
/// that the channel is gone: they went to the same place.
fn answer_begun(job: Begun, missing: Option<&Error>) {
    let told = |result: Option<Result<()>>| match (result, missing) {
        (Some(Err(error)), Some(missing)) if error.kind() == ErrorKind::Unavailable => {
            Err(missing.duplicate())
        }
        (Some(result), _) => result,
        (None, _) => Err(Error::new(
            ErrorKind::OutcomeUnknown,
            "publish",
            "publishing ended before the broker answered",
        )),
    };
    answer(job.answer, job.results.into_iter().map(told).collect());
}

fn answer(waiting: oneshot::Sender<Vec<Result<()>>>, results: Vec<Result<()>>) {
    // Nobody waits any more: the messages went all the same.
    let _ = waiting.send(results);
}

async fn publish(channel: Channel, message: Outgoing) -> Result<Confirmation> {
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
    let left = channel
        .basic_publish(exchange, routing_key, options, &body, properties)
        .await;
    left.map_err(not_sent)?.await.map_err(not_confirmed)
}
