//! One subscription: it asks for messages as long as there is room for them, several times at once while the queue is full.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use futures_util::future::join_all;
use myevents_core::ports::{Delivery, IdSource as _, RandomIds, Subscription};
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::error::{fault, incomplete};
use super::incoming;
use super::keeper::Keeper;
use super::letters::SqsDeadLetters;
use super::queues::Queues;
use super::settlement::SqsSettlement;
use super::shelf::Shelf;

/// How often a receive whose answer was lost is repeated as the same.
const REPEATS: usize = 3;
/// When a message without a name comes again that could not be stored as a dead letter.
const NOT_STORED: Duration = Duration::from_secs(30);
/// SQS wants every attribute by name, or this.
const ALL: &str = "All";

pub(super) struct Subscribing {
    pub(super) queues: Arc<Queues>,
    pub(super) wanted: Subscription,
    pub(super) queue: String,
    pub(super) letters: Arc<SqsDeadLetters>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) stop: CancellationToken,
    /// Told once, when the queue stands or the first try failed.
    pub(super) standing: Option<oneshot::Sender<()>>,
}

/// A receive that ended.
struct Received {
    messages: Vec<Message>,
    permits: OwnedSemaphorePermit,
    /// When they came: SQS hid them a moment before.
    at: Instant,
}

impl Subscribing {
    /// Runs until it is told to stop and its last receive has ended.
    pub(super) async fn run(mut self) {
        let keeper = Keeper::start(&self.queues, &self.queue);
        let stop = self.stop.clone();
        let mut polls: JoinSet<Result<Received>> = JoinSet::new();
        let _told = stop.run_until_cancelled(self.receive(&keeper, &mut polls)).await;
        give_back(self.shelf.end()).await;
        // A receive that is dropped may still take messages: nobody would see them until their time is over.
        while let Some(ended) = polls.join_next().await {
            if let Ok(Ok(received)) = ended {
                give_back(self.deliveries(received, &keeper)).await;
            }
        }
    }

    async fn receive(&mut self, keeper: &Arc<Keeper>, polls: &mut JoinSet<Result<Received>>) {
        let config = Arc::clone(&self.queues.config);
        let prefetch = self.wanted.prefetch.clamp(1, Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(prefetch));
        let most = u32::try_from(prefetch)
            .unwrap_or(u32::MAX)
            .min(config.max_messages);
        let mut wait = config.reconnect.0;
        // How many receives are open at once: more while they come back with messages.
        let mut wanted = 1;
        loop {
            match self.fill(polls, wanted, &permits, most).await {
                Ok(()) => {}
                Err(error) => {
                    self.failed(&error, &mut wait).await;
                    continue;
                }
            }
            let Some(ended) = polls.join_next().await else {
                continue;
            };
            match ended {
                Ok(Ok(received)) => {
                    wait = config.reconnect.0;
                    wanted = match received.messages.len() {
                        0 => 1,
                        _ => (wanted + 1).min(config.open_receives),
                    };
                    let deliveries = self.deliveries(received, keeper);
                    self.shelf.put(deliveries);
                }
                Ok(Err(error)) => {
                    wanted = 1;
                    self.failed(&error, &mut wait).await;
                }
                Err(panicked) => {
                    wanted = 1;
                    self.failed(&incomplete("receive").caused_by(panicked), &mut wait)
                        .await;
                }
            }
        }
    }

    /// Begins receives up to `wanted`. The first takes what room there is; others want room for all they may get.
    async fn fill(
        &mut self,
        polls: &mut JoinSet<Result<Received>>,
        wanted: usize,
        permits: &Arc<Semaphore>,
        most: u32,
    ) -> Result<()> {
        while polls.len() < wanted {
            let room = if polls.is_empty() {
                let Ok(mut room) = Arc::clone(permits).acquire_owned().await else {
                    return Err(incomplete("receive"));
                };
                for _ in 1..most {
                    match Arc::clone(permits).try_acquire_owned() {
                        Ok(more) => room.merge(more),
                        Err(_) => break,
                    }
                }
                room
            } else {
                match Arc::clone(permits).try_acquire_many_owned(most) {
                    Ok(room) => room,
                    Err(_) => break,
                }
            };
            let url = self.queues.group(&self.queue).await;
            if let Some(standing) = self.standing.take() {
                // Whoever subscribed may have stopped waiting for it.
                let _ = standing.send(());
            }
            polls.spawn(poll(Arc::clone(&self.queues), url?, room));
        }
        Ok(())
    }

    async fn failed(&self, error: &Error, wait: &mut Duration) {
        self.queues.failures.beat();
        if error.kind() == ErrorKind::Unroutable {
            self.queues.forget(&self.queue);
        }
        tracing::warn!(queue = self.queue, %error, "no messages can be received; it is tried again");
        sleep(wait.mul_f64(rand::random_range(0.5..1.0))).await;
        *wait = (*wait * 2).min(self.queues.config.reconnect.1);
    }

    /// What the group wants of what was received; the rest is deleted, as the queue is this group's alone.
    fn deliveries(&self, received: Received, keeper: &Arc<Keeper>) -> Vec<Delivery> {
        let Received {
            messages,
            mut permits,
            at,
        } = received;
        let mut deliveries = Vec::with_capacity(messages.len());
        for message in messages {
            let Some(handle) = message.receipt_handle() else {
                continue;
            };
            let key = keeper.hold(handle, at);
            let settlement = SqsSettlement::new(keeper, key, permits.split(1));
            match incoming::decode(&message) {
                Ok(envelope) if self.wants(&envelope) => deliveries.push(Delivery::new(
                    envelope,
                    incoming::attempt(&message),
                    self.queue.clone(),
                    Box::new(settlement),
                )),
                Ok(_) => drop(tokio::spawn(done_with(settlement))),
                Err(unreadable) => {
                    let letter = self.letters.unreadable(unreadable, incoming::attempt(&message));
                    let letters = Arc::clone(&self.letters);
                    tokio::spawn(async move {
                        match letters.store(&letter).await {
                            Ok(()) => done_with(settlement).await,
                            Err(error) => {
                                tracing::warn!(%error, "a message without a name was not stored as a dead letter; it comes again");
                                not_now(settlement).await;
                            }
                        }
                    });
                }
            }
        }
        deliveries
    }

    fn wants(&self, envelope: &myevents_core::contract::Envelope) -> bool {
        self.wanted.names.is_empty() || self.wanted.names.contains(envelope.name())
    }
}

/// Others may have these at once. Whoever closes waits for it, as a process may end after that.
async fn give_back(deliveries: impl IntoIterator<Item = Delivery>) {
    let giving = deliveries
        .into_iter()
        .map(|delivery| delivery.nack(Duration::ZERO));
    for given in join_all(giving).await {
        if let Err(error) = given {
            tracing::debug!(%error, "a message was not given back; it comes again when its time is over");
        }
    }
}

async fn not_now(settlement: SqsSettlement) {
    use myevents_core::ports::Settlement as _;
    if let Err(error) = Box::new(settlement).nack(NOT_STORED).await {
        tracing::debug!(%error, "a message was not given back; it comes again when its time is over");
    }
}

async fn done_with(settlement: SqsSettlement) {
    use myevents_core::ports::Settlement as _;
    if let Err(error) = Box::new(settlement).ack().await {
        tracing::debug!(%error, "a message that nobody wants was not deleted; it comes again");
    }
}

/// One receive. On a FIFO queue one whose answer was lost is repeated under its id: the same messages come, and not those
/// behind them.
async fn poll(queues: Arc<Queues>, url: Arc<str>, permits: OwnedSemaphorePermit) -> Result<Received> {
    let config = &queues.config;
    let id = config.is_fifo().then(|| RandomIds.message_id().to_string());
    let hidden = config.visibility_timeout.as_secs().max(1);
    let mut tries = 0;
    loop {
        let request = queues.clients.waiting.receive_message();
        let answered = request
            .queue_url(url.as_ref())
            .max_number_of_messages(i32::try_from(permits.num_permits()).unwrap_or(i32::MAX))
            .wait_time_seconds(i32::try_from(config.wait_time.as_secs()).unwrap_or(i32::MAX))
            .visibility_timeout(i32::try_from(hidden).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names(ALL)
            .set_receive_request_attempt_id(id.clone())
            .send()
            .await
            .map_err(|error| fault("receive", error));
        match answered {
            Ok(received) => {
                return Ok(Received {
                    messages: received.messages.unwrap_or_default(),
                    permits,
                    at: Instant::now(),
                });
            }
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown && id.is_some() && tries < REPEATS => {
                tries += 1;
                tracing::debug!(%error, "a receive is repeated");
                sleep(config.reconnect.0).await;
            }
            Err(error) => return Err(error),
        }
    }
}
