//! What an instance knows of an event between calls: the counter as it was last seen, and entries that need no more than
//! to be taken off the list. All of it may be forgotten at any time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use myevents_core::counter::Counter;
use myevents_core::domain::EventId;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// How many events are remembered.
const MOST_EVENTS: usize = 4_096;

/// Cancels of one event at once: each has an entry on the counter's list, which is short.
const CANCELS: usize = 4;

/// Of so many commits one leaves the list empty for a moment before it: who has to see nothing pending (limits, a group that
/// does not fit) gets a turn beside a process that commits all the time.
const EMPTY_ONCE_IN: u32 = 8;

/// One event.
#[derive(Debug)]
pub(super) struct Desk {
    /// One batch of bookings at a time: two would only make each other's conditions fail.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) cancels: Semaphore,
    /// One clearing of the list at a time; what is carried out meanwhile is cleared together by the next.
    pub(super) clearing: tokio::sync::Mutex<()>,
    counter: Mutex<Option<Counter>>,
    carried_out: Mutex<VecDeque<String>>,
    commits: AtomicU32,
}

impl Desk {
    fn new() -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            cancels: Semaphore::new(CANCELS),
            clearing: tokio::sync::Mutex::default(),
            counter: Mutex::default(),
            carried_out: Mutex::default(),
            commits: AtomicU32::new(0),
        }
    }

    /// The counter as it was last seen. It may let a wish pass, as the server compares again; it never refuses one.
    pub(super) fn remembered(&self) -> Option<Counter> {
        *self.counter.lock()
    }

    pub(super) fn remember(&self, counter: &Counter) {
        let mut known = self.counter.lock();
        if known.is_none_or(|known| known.rev <= counter.rev) {
            *known = Some(*counter);
        }
    }

    /// An entry whose bookings are all stored under its own token: nothing is owed, it is only to be taken off.
    pub(super) fn add_carried_out(&self, token: String) {
        self.carried_out.lock().push_back(token);
    }

    /// Whether the entry still waits to be taken off.
    pub(super) fn is_carried_out(&self, token: &str) -> bool {
        self.carried_out.lock().iter().any(|known| known == token)
    }

    /// Whether any waits.
    pub(super) fn has_carried_out(&self) -> bool {
        !self.carried_out.lock().is_empty()
    }

    /// Hands out the one that waits longest, to be taken off with a commit; now and then none.
    pub(super) fn take_one_carried_out(&self) -> Option<String> {
        let count = self.commits.fetch_add(1, Ordering::Relaxed);
        if count % EMPTY_ONCE_IN == EMPTY_ONCE_IN - 1 {
            return None;
        }
        self.carried_out.lock().pop_front()
    }

    pub(super) fn take_carried_out(&self) -> Vec<String> {
        std::mem::take(&mut *self.carried_out.lock()).into()
    }

    /// It was taken off on another way.
    pub(super) fn forget_carried_out(&self, token: &str) {
        self.carried_out.lock().retain(|known| known != token);
    }

    pub(super) fn put_back(&self, tokens: impl IntoIterator<Item = String>) {
        self.carried_out.lock().extend(tokens);
    }

    fn is_idle(this: &Arc<Self>) -> bool {
        Arc::strong_count(this) == 1 && this.carried_out.lock().is_empty()
    }
}

/// All events.
#[derive(Debug, Default)]
pub(super) struct Desks(Mutex<HashMap<EventId, Arc<Desk>>>);

impl Desks {
    pub(super) fn of(&self, event: &EventId) -> Arc<Desk> {
        let mut desks = self.0.lock();
        if let Some(desk) = desks.get(event) {
            return Arc::clone(desk);
        }
        if desks.len() >= MOST_EVENTS {
            desks.retain(|_, desk| !Desk::is_idle(desk));
        }
        let desk = Arc::new(Desk::new());
        desks.insert(event.clone(), Arc::clone(&desk));
        desk
    }
}

#[cfg(test)]
mod tests {
    use myevents_core::counter::CounterState;
    use myevents_core::domain::Version;

    use super::*;

    #[test]
    fn an_older_counter_does_not_replace_a_newer_one() {
        let desk = Desk::new();
        let mut counter = Counter::new(CounterState::Open, Version(1), Some(5));
        counter.rev = 2;
        desk.remember(&counter);
        desk.remember(&Counter {
            rev: 1,
            sold: 9,
            ..counter
        });
        assert_eq!(desk.remembered(), Some(counter));
    }

    #[test]
    fn idle_events_are_forgotten_and_others_are_not() {
        let desks = Desks::default();
        let id = |number: usize| EventId::from_bytes(&number.to_be_bytes()).unwrap();
        let held = desks.of(&id(0));
        desks.of(&id(1)).add_carried_out("token".into());
        for number in 2..2 * MOST_EVENTS {
            desks.of(&id(number));
        }
        assert!(desks.0.lock().len() <= MOST_EVENTS + 2);
        assert!(Arc::ptr_eq(&held, &desks.of(&id(0))));
        assert_eq!(desks.of(&id(1)).take_carried_out(), ["token"]);
    }
}
