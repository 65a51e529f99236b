//! What a subscription holds: its partitions' lines, how much is handed out, and how deliveries are settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::codec;
use super::consumer::Context;
use super::letters::Letters;
use super::line::{Line, Next, Waiting};
use myevents_core::contract::MessageName;
use myevents_core::ports::{Delivery, Settlement};
use myevents_core::{Error, ErrorKind, Result};

/// Records that nobody wants, passed over in one go before others get their turn.
const SKIPS: usize = 256;

/// How far a subscription is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The listener is closed: nothing more is handed out, what is out may be settled.
    Closing,
    /// The stream was dropped, or all is over: what is out is void.
    Ended,
}

/// Shared by a subscription's stream, its deliveries and the thread of its consumer.
pub(super) struct Hands {
    pub(super) group: String,
    names: Vec<MessageName>,
    prefetch: usize,
    state: Mutex<State>,
    /// Something may be handed out now that could not be before.
    changed: Arc<Notify>,
    /// Whether the consumer has left its group.
    pub(super) finished: watch::Sender<bool>,
    letters: Option<Arc<Letters>>,
}

struct State {
    phase: Phase,
    out: usize,
    partitions: Vec<Partition>,
    /// Whose turn it is.
    turn: usize,
    /// Numbers the times that partitions were assigned.
    assigned: u64,
    /// All partitions are here that there will be, and each has bounds: the stream ends behind them.
    complete: bool,
}

/// A partition while it is ours.
struct Partition {
    topic: Arc<str>,
    number: i32,
    /// Tells this time that it is ours from others.
    assigned: u64,
    queue: PartitionQueue<Context>,
    /// Something may be in the queue.
    stirred: Arc<AtomicBool>,
    line: Line,
    /// What the consumer was told to commit.
    stored: Option<i64>,
    /// The part that is read, if not all.
    bounds: Option<Bounds>,
}

/// A part of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) begin: i64,
    /// One past the last offset.
    pub(super) end: i64,
    /// Whether all of it was read.
    pub(super) reached: bool,
}

/// Which record of which assignment.
#[derive(Debug, Clone, Copy)]
struct Place {
    assigned: u64,
    offset: i64,
}

/// What the stream is to do.
enum Turn {
    Deliver(Place, String, Waiting),
    /// A record that is no message goes to the dead letters.
    Bury(Place, String, Box<rdkafka::message::OwnedMessage>, String),
    /// Others first; there is more.
    Yield,
    Wait(Option<Instant>),
    End,
}

impl Hands {
    pub(super) fn new(
        group: String,
        names: Vec<MessageName>,
        prefetch: usize,
        letters: Option<Arc<Letters>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            group,
            names,
            prefetch: prefetch.max(1),
            state: Mutex::new(State {
                phase: Phase::Open,
                out: 0,
                partitions: Vec::new(),
                turn: 0,
                assigned: 0,
                complete: false,
            }),
            changed: Arc::default(),
            finished: watch::Sender::new(false),
            letters,
        })
    }

    /// The next delivery; none once the subscription ends.
    pub(super) async fn next(self: &Arc<Self>) -> Option<Delivery> {
        loop {
            // Bound first, as the lock must not be held while waiting.
            let turn = self.turn();
            match turn {
                Turn::Deliver(place, origin, waiting) => {
                    let settlement = self.settlement(place, waiting.attempt);
                    let settlement = Box::new(settlement);
                    return Some(Delivery::new(
                        waiting.envelope,
                        waiting.attempt,
                        origin,
                        settlement,
                    ));
                }
                Turn::Bury(place, origin, record, why) => self.bury(place, origin, *record, why),
                Turn::Yield => tokio::task::yield_now().await,
                Turn::Wait(None) => self.changed.notified().await,
                Turn::Wait(Some(due)) => {
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                Turn::End => return None,
            }
        }
    }

    fn settlement(self: &Arc<Self>, place: Place, attempt: u32) -> KafkaSettlement {
        KafkaSettlement {
            hands: Arc::clone(self),
            place,
            attempt,
            settled: false,
        }
    }

    fn turn(&self) -> Turn {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Turn::End;
        }
        if state.out >= self.prefetch {
            return Turn::Wait(None);
        }
        let (now, count) = (Instant::now(), state.partitions.len());
        let mut earliest: Option<Instant> = None;
        for step in 0..count {
            let index = (state.turn + step) % count;
            let partition = &mut state.partitions[index];
            let turn = partition.turn(&self.names, self.prefetch, now);
            match turn {
                Turn::Wait(due) => {
                    earliest = match (earliest, due) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                }
                Turn::End => {}
                turn => {
                    state.turn = index + 1;
                    if matches!(turn, Turn::Deliver(..) | Turn::Bury(..)) {
                        state.out += 1;
                    }
                    return turn;
                }
            }
        }
        // What is out may be given back, and is to be handed out again then.
        if state.complete && state.out == 0 && state.partitions.iter().all(Partition::is_over) {
            return Turn::End;
        }
        Turn::Wait(earliest)
    }

    /// Puts a record that is no message into the dead letters; until it is there it counts as handed out.
    fn bury(
        self: &Arc<Self>,
        place: Place,
        origin: String,
        record: rdkafka::message::OwnedMessage,
        why: String,
    ) {
        let mut settlement = Box::new(self.settlement(place, 1));
        let Some(letters) = self.letters.clone() else {
            tracing::warn!(
                group = self.group,
                origin,
                why,
                "a record is no message; it is passed over"
            );
            tokio::spawn(settlement.ack());
            return;
        };
        tracing::error!(
            group = self.group,
            origin,
            why,
            "a record is no message; it goes to the dead letters"
        );
        let group = self.group.clone();
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(100);
            while let Err(error) = letters.put_record(&group, &record, &why).await {
                tracing::warn!(%error, "a dead letter is not stored yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
                // Another has it now, and does the same.
                if settlement.extend(Duration::ZERO).await.is_err() {
                    return;
                }
            }
            if let Err(error) = settlement.ack().await {
                tracing::warn!(%error, "a record that is a dead letter already will come again");
            }
        });
    }

    fn with<T>(&self, place: Place, act: impl FnOnce(&mut Partition) -> T) -> Result<T> {
        let mut state = self.state.lock();
        let phase = state.phase;
        let partition = state
            .partitions
            .iter_mut()
            .find(|partition| partition.assigned == place.assigned);
        match partition {
            Some(partition) => Ok(act(partition)),
            None if phase == Phase::Open => Err(Error::new(
                ErrorKind::Unavailable,
                "settle delivery",
                "the partition was given to another consumer of the group; the message comes again there",
            )),
            None => Err(Error::new(
                ErrorKind::Closed,
                "settle delivery",
                "the subscription is over; the message comes again",
            )),
        }
    }

    /// One less is handed out.
    fn back(&self) {
        let mut state = self.state.lock();
        state.out = state.out.saturating_sub(1);
        drop(state);
        self.changed.notify_one();
    }

    /// The listener was closed.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The stream was dropped: what is out is void.
    pub(super) fn end(&self) {
        self.state.lock().phase = Phase::Ended;
        self.changed.notify_one();
    }

    /// The phase, and how many deliveries are out.
    pub(super) fn phase(&self) -> (Phase, usize) {
        let state = self.state.lock();
        (state.phase, state.out)
    }

    /// The partition is ours from now on.
    pub(super) fn assigned(
        self: &Arc<Self>,
        topic: &str,
        number: i32,
        mut queue: PartitionQueue<Context>,
        bounds: Option<Bounds>,
    ) {
        let stirred = Arc::new(AtomicBool::new(true));
        let (stir, changed) = (Arc::clone(&stirred), Arc::clone(&self.changed));
        // Called with librdkafka's lock on the queue held, so it takes none of ours.
        queue.set_nonempty_callback(move || {
            stir.store(true, Ordering::Release);
            changed.notify_one();
        });
        let mut state = self.state.lock();
        state.assigned += 1;
        let assigned = state.assigned;
        state.partitions.push(Partition {
            topic: topic.into(),
            number,
            assigned,
            queue,
            stirred,
            line: Line::default(),
            stored: None,
            bounds,
        });
        drop(state);
        self.changed.notify_one();
    }

    /// No more partitions come.
    pub(super) fn complete(&self) {
        self.state.lock().complete = true;
        self.changed.notify_one();
    }

    /// How many records of the bounded parts are done with.
    pub(super) fn done(&self) -> u64 {
        let state = self.state.lock();
        let done = state.partitions.iter().map(Partition::done);
        done.map(|records| u64::try_from(records).unwrap_or_default())
            .sum()
    }

    /// The partition is not ours any more: its deliveries are void. What may be committed of it is handed to the consumer first.
    pub(super) fn revoked(&self, consumer: &BaseConsumer<Context>, topic: &str, number: i32) {
        let mut state = self.state.lock();
        let is_it = |partition: &Partition| partition.number == number && &*partition.topic == topic;
        let gone: Vec<Partition> = state
            .partitions
            .extract_if(.., |partition| is_it(partition))
            .collect();
        drop(state);
        for mut partition in gone {
            partition.store(consumer);
        }
    }

    /// All partitions are gone.
    pub(super) fn revoked_all(&self, consumer: &BaseConsumer<Context>) {
        let gone = std::mem::take(&mut self.state.lock().partitions);
        for mut partition in gone {
            partition.store(consumer);
        }
        self.changed.notify_one();
    }

    /// Hands what may be committed to the consumer, which commits it in a while.
    pub(super) fn store(&self, consumer: &BaseConsumer<Context>) {
        for partition in &mut self.state.lock().partitions {
            partition.store(consumer);
        }
    }
}

impl Partition {
    fn turn(&mut self, names: &[MessageName], most_waiting: usize, now: Instant) -> Turn {
        let waits = match self.line.next(now) {
            Next::Ready(offset, waiting) => return self.deliver(offset, waiting),
            Next::NotBefore(due) => due,
        };
        for _ in 0..SKIPS {
            // Enough of them wait behind others of their key.
            if self.line.waiting() >= most_waiting
                || self.is_at_end()
                || !self.stirred.swap(false, Ordering::AcqRel)
            {
                return Turn::Wait(waits);
            }
            let record = match self.queue.poll(Duration::ZERO) {
                None => return Turn::Wait(waits),
                Some(Ok(record)) => record,
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => {
                    // Only readers up to an end ask for these.
                    if let Some(bounds) = &mut self.bounds {
                        bounds.reached = true;
                    }
                    self.stirred.store(true, Ordering::Release);
                    continue;
                }
                Some(Err(error)) => {
                    tracing::warn!(topic = &*self.topic, partition = self.number, %error, "reading a partition");
                    self.stirred.store(true, Ordering::Release);
                    continue;
                }
            };
            // There may be more.
            self.stirred.store(true, Ordering::Release);
            let offset = record.offset();
            if let Some(bounds) = &mut self.bounds {
                bounds.reached = offset + 1 >= bounds.end;
                if offset >= bounds.end {
                    return Turn::Yield;
                }
            }
            match codec::decode(&record, None) {
                Ok(envelope) if !names.is_empty() && !names.contains(envelope.name()) => {
                    self.line.skip(offset)
                }
                Ok(envelope) => {
                    if let Some(ready) = self.line.read(offset, envelope, now) {
                        return self.deliver(offset, ready);
                    }
                }
                Err(unreadable) => {
                    self.line.set_aside(offset);
                    let record = record.detach();
                    let place = Place {
                        assigned: self.assigned,
                        offset,
                    };
                    return Turn::Bury(
                        place,
                        self.origin(offset),
                        Box::new(record),
                        unreadable.0.into_owned(),
                    );
                }
            }
        }
        Turn::Yield
    }

    fn is_at_end(&self) -> bool {
        self.bounds.is_some_and(|bounds| bounds.reached)
    }

    /// Nothing of it will be handed out any more.
    fn is_over(&self) -> bool {
        self.is_at_end() && self.line.waiting() == 0
    }

    fn done(&self) -> i64 {
        self.bounds.map_or(0, |bounds| {
            // A compacted end has no last record to be done with.
            let at = match self.line.committable() {
                Some(at) if !bounds.reached || self.line.is_open() => at,
                None if !bounds.reached => bounds.begin,
                _ => bounds.end,
            };
            at - bounds.begin
        })
    }

    fn deliver(&self, offset: i64, waiting: Waiting) -> Turn {
        let place = Place {
            assigned: self.assigned,
            offset,
        };
        Turn::Deliver(place, self.origin(offset), waiting)
    }

    fn origin(&self, offset: i64) -> String {
        format!("{}/{}/{offset}", self.topic, self.number)
    }

    fn store(&mut self, consumer: &BaseConsumer<Context>) {
        let committable = self.line.committable();
        let Some(offset) = committable.filter(|_| committable > self.stored && self.bounds.is_none()) else {
            return;
        };
        let mut list = TopicPartitionList::new();
        let stored = list
            .add_partition_offset(&self.topic, self.number, Offset::Offset(offset))
            .and_then(|()| consumer.store_offsets(&list));
        match stored {
            Ok(()) => self.stored = committable,
            // Lost to another meanwhile, who goes on from what was committed before.
            Err(error) => {
                tracing::debug!(topic = &*self.topic, partition = self.number, %error, "an offset was not stored");
            }
        }
    }
}

/// Settles one delivery; dropped unsettled, it is given back.
struct KafkaSettlement {
    hands: Arc<Hands>,
    place: Place,
    attempt: u32,
    settled: bool,
}

impl KafkaSettlement {
    fn settle(&mut self, delay: Option<Duration>) -> Result<()> {
        self.settled = true;
        let (offset, attempt) = (self.place.offset, self.attempt.saturating_add(1));
        let result = self.hands.with(self.place, |partition| match delay {
            None => {
                partition.line.settle(offset);
            }
            Some(delay) => partition.line.give_back(offset, attempt, Instant::now() + delay),
        });
        self.hands.back();
        result
    }
}

#[async_trait]
impl Settlement for KafkaSettlement {
    async fn ack(mut self: Box<Self>) -> Result<()> {
        self.settle(None)
    }

    async fn nack(mut self: Box<Self>, delay: Duration) -> Result<()> {
        self.settle(Some(delay))
    }

    /// Nothing has to be done: the consumer stays in its group however long a handler takes.
    async fn extend(&mut self, _hold: Duration) -> Result<()> {
        self.hands.with(self.place, |_| ())
    }
}

impl Drop for KafkaSettlement {
    fn drop(&mut self) {
        if !self.settled {
            // Given back, or void already.
            let _void = self.settle(Some(Duration::ZERO));
        }
    }
}
