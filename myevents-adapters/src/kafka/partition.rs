//! A partition while it is ours: its queue is read as far as there is room, and what is settled of it is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::codec;
use super::consumer::Context;
use super::line::{Line, Next, Waiting};
use myevents_core::contract::MessageName;

/// Records that nobody wants, passed over in one go before others get their turn.
const SKIPS: usize = 256;

/// A partition while it is ours.
pub(super) struct Partition {
    pub(super) topic: Arc<str>,
    pub(super) number: i32,
    /// Tells this time that it is ours from others.
    pub(super) assigned: u64,
    queue: PartitionQueue<Context>,
    /// Something may be in the queue.
    stirred: Arc<AtomicBool>,
    pub(super) line: Line,
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
pub(super) struct Place {
    pub(super) assigned: u64,
    pub(super) offset: i64,
}

/// What the stream is to do.
pub(super) enum Turn {
    Deliver(Place, String, Waiting),
    /// A record that is no message goes to the dead letters.
    Bury(Place, String, Box<OwnedMessage>, String),
    /// Others first; there is more.
    Yield,
    Wait(Option<Instant>),
    End,
}

impl Partition {
    /// `changed` is told when there is something to read again.
    pub(super) fn new(
        (topic, number): (&str, i32),
        assigned: u64,
        mut queue: PartitionQueue<Context>,
        bounds: Option<Bounds>,
        changed: Arc<Notify>,
    ) -> Self {
        let stirred = Arc::new(AtomicBool::new(true));
        let stir = Arc::clone(&stirred);
        // Called with librdkafka's lock on the queue held, so it takes none of ours.
        queue.set_nonempty_callback(move || {
            stir.store(true, Ordering::Release);
            changed.notify_one();
        });
        Self {
            topic: topic.into(),
            number,
            assigned,
            queue,
            stirred,
            line: Line::default(),
            stored: None,
            bounds,
        }
    }

    pub(super) fn turn(&mut self, names: &[MessageName], most_waiting: usize) -> Turn {
        let waits = match self.line.next() {
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
                Some(Err(KafkaError::PartitionEOF(_))) => {
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
                    if let Some(ready) = self.line.read(offset, envelope) {
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
    pub(super) fn is_over(&self) -> bool {
        self.is_at_end() && self.line.waiting() == 0
    }

    pub(super) fn done(&self) -> i64 {
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

    pub(super) fn store(&mut self, consumer: &BaseConsumer<Context>) {
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
