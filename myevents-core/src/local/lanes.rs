//! One group's queue: a lane a key, whose head alone is handed out, so that order per key holds whatever happens.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::contract::{Envelope, MessageId, MessageName};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::DeadLetterId;

/// Whoever published a message, waiting for all groups.
#[derive(Debug)]
pub(super) struct Publisher {
    open: AtomicUsize,
    settled: AtomicUsize,
    answer: Mutex<Option<oneshot::Sender<Result<()>>>>,
}

impl Publisher {
    pub(super) fn new(groups: usize) -> (Arc<Self>, oneshot::Receiver<Result<()>>) {
        let (sender, receiver) = oneshot::channel();
        let publisher = Self {
            open: AtomicUsize::new(groups),
            settled: AtomicUsize::new(0),
            answer: Mutex::new(Some(sender)),
        };
        (Arc::new(publisher), receiver)
    }

    /// One group is done with the message.
    pub(super) fn settled(&self) {
        self.settled.fetch_add(1, Ordering::AcqRel);
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.send(Ok(()));
        }
    }

    /// One group will never be done with it. `seen` tells whether a handler may have had its effect.
    pub(super) fn failed(&self, seen: bool) {
        let kind = if seen || self.settled.load(Ordering::Acquire) > 0 {
            ErrorKind::OutcomeUnknown
        } else {
            ErrorKind::Unavailable
        };
        self.send(Err(Error::new(
            kind,
            "publish",
            "the local broker was closed before every handler finished",
        )));
    }

    fn send(&self, result: Result<()>) {
        if let Some(sender) = self.answer.lock().take() {
            // Whoever asked may have gone; the handlers carry on without them.
            drop(sender.send(result));
        }
    }
}

/// Where an item came from, and so who hears that it is settled.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Published(Arc<Publisher>),
    SentBack { letter: DeadLetterId, attempts: u32 },
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) envelope: Envelope,
    pub(super) attempt: u32,
    pub(super) source: Source,
    /// It was handed out at least once.
    pub(super) seen: bool,
    /// It is handed out now.
    pub(super) out: bool,
}

/// What a group waits to have handled.
#[derive(Debug, Default)]
pub(super) struct Group {
    names: HashSet<MessageName>,
    all_names: bool,
    items: HashMap<u64, Item>,
    ready: VecDeque<u64>,
    lanes: HashMap<Arc<str>, VecDeque<u64>>,
    /// Letters that were sent back and are on their way, by message.
    pub(super) letters: HashMap<MessageId, DeadLetterId>,
    /// Of these, the ones that failed again: their row is to stay.
    pub(super) failed_again: HashSet<DeadLetterId>,
    pub(super) members: usize,
    pub(super) polls_letters: bool,
    next: u64,
}

impl Group {
    /// Adds wanted names; none at all means every name.
    pub(super) fn want(&mut self, names: &[MessageName]) {
        self.all_names |= names.is_empty();
        self.names.extend(names.iter().cloned());
    }

    pub(super) fn wants(&self, name: &MessageName) -> bool {
        self.all_names || self.names.contains(name)
    }

    pub(super) fn push(&mut self, envelope: Envelope, source: Source) {
        let number = self.next;
        self.next += 1;
        let key = envelope.key();
        if key.is_empty() {
            self.ready.push_back(number);
        } else if let Some(lane) = self.lanes.get_mut(key) {
            lane.push_back(number);
        } else {
            self.lanes.insert(key.into(), VecDeque::from([number]));
            self.ready.push_back(number);
        }
        let item = Item {
            envelope,
            attempt: 1,
            source,
            seen: false,
            out: false,
        };
        self.items.insert(number, item);
    }

    /// Hands out the next item whose key is free.
    pub(super) fn take(&mut self) -> Option<(u64, Envelope, u32)> {
        let number = self.ready.pop_front()?;
        let item = self.items.get_mut(&number)?;
        item.seen = true;
        item.out = true;
        Some((number, item.envelope.clone(), item.attempt))
    }

    /// The item comes again, and its key waits until then.
    pub(super) fn give_back(&mut self, number: u64) -> bool {
        let Some(item) = self.items.get_mut(&number) else {
            return false;
        };
        item.attempt = item.attempt.saturating_add(1);
        item.out = false;
        true
    }

    /// The item may be handed out again.
    pub(super) fn make_ready(&mut self, number: u64) {
        if self.items.get(&number).is_some_and(|item| !item.out) {
            self.ready.push_back(number);
        }
    }

    /// The item is done: its key goes on.
    pub(super) fn remove(&mut self, number: u64) -> Option<Item> {
        let item = self.items.remove(&number)?;
        let key = item.envelope.key();
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.pop_front();
            match lane.front() {
                Some(next) => self.ready.push_back(*next),
                None => {
                    self.lanes.remove(key);
                }
            }
        }
        Some(item)
    }

    /// Drops everything that is not handed out now, for a broker that closes.
    pub(super) fn drop_waiting(&mut self, mut each: impl FnMut(Item)) {
        let waiting: Vec<u64> = self
            .items
            .iter()
            .filter(|(_, item)| !item.out)
            .map(|(number, _)| *number)
            .collect();
        self.ready.clear();
        for number in waiting {
            if let Some(item) = self.items.remove(&number) {
                if let Some(lane) = self.lanes.get_mut(item.envelope.key()) {
                    lane.retain(|other| *other != number);
                    if lane.is_empty() {
                        self.lanes.remove(item.envelope.key());
                    }
                }
                each(item);
            }
        }
    }

    /// The source of a letter that is on its way.
    pub(super) fn sent_back(&self, id: &DeadLetterId) -> Option<&Source> {
        self.items
            .values()
            .map(|item| &item.source)
            .find(|source| matches!(source, Source::SentBack { letter, .. } if letter == id))
    }

    pub(super) fn get(&self, number: u64) -> Option<&Item> {
        self.items.get(&number)
    }

    /// Whether a handler still has something.
    pub(super) fn is_busy(&self) -> bool {
        self.items.values().any(|item| item.out)
    }
}
