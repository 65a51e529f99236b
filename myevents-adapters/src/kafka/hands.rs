//! What a subscription holds: its partitions' lines, how much is handed out, and how deliveries are settled.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::message::OwnedMessage;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::consumer::Context;
use super::letters::Letters;
use super::partition::{Bounds, Partition, Place, Turn};
use super::settlement::KafkaSettlement;
use myevents_core::contract::MessageName;
use myevents_core::ports::{Delivery, Settlement as _};
use myevents_core::{Error, ErrorKind, Result};

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

impl State {
    fn with<T>(&mut self, place: Place, act: impl FnOnce(&mut Partition) -> T) -> Result<T> {
        let phase = self.phase;
        let partition = self
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
                    let settlement = KafkaSettlement::new(self, place, waiting.attempt);
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

    fn turn(&self) -> Turn {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Turn::End;
        }
        if state.out >= self.prefetch {
            return Turn::Wait(None);
        }
        let count = state.partitions.len();
        let mut earliest: Option<Instant> = None;
        for step in 0..count {
            let index = (state.turn + step) % count;
            let partition = &mut state.partitions[index];
            let turn = partition.turn(&self.names, self.prefetch);
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
    fn bury(self: &Arc<Self>, place: Place, origin: String, record: OwnedMessage, why: String) {
        let mut settlement = KafkaSettlement::new(self, place, 1);
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

    /// Does something with the partition that a record is of, while it is ours.
    pub(super) fn with<T>(&self, place: Place, act: impl FnOnce(&mut Partition) -> T) -> Result<T> {
        self.state.lock().with(place, act)
    }

    /// The same for a delivery that is handed out no more.
    pub(super) fn back(&self, place: Place, act: impl FnOnce(&mut Partition)) -> Result<()> {
        let mut state = self.state.lock();
        let done = state.with(place, act);
        state.out = state.out.saturating_sub(1);
        drop(state);
        self.changed.notify_one();
        done
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
        queue: PartitionQueue<Context>,
        bounds: Option<Bounds>,
    ) {
        let changed = Arc::clone(&self.changed);
        let mut state = self.state.lock();
        state.assigned += 1;
        let partition = Partition::new((topic, number), state.assigned, queue, bounds, changed);
        state.partitions.push(partition);
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
