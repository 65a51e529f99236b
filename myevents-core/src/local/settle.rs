//! A member's seat in its group, bounded by its prefetch, and the settlement of what was handed to it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::contract::Envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::local::broker::Shared;
use crate::local::lanes::Source;
use crate::ports::Settlement;

/// One subscription. Dropping it leaves the group, whose messages wait for another member.
pub(super) struct Seat {
    shared: Arc<Shared>,
    group: Arc<str>,
    changed: Arc<Notify>,
    prefetch: usize,
    held: Arc<AtomicUsize>,
    stopped: CancellationToken,
}

impl Seat {
    pub(super) fn new(
        shared: Arc<Shared>,
        group: String,
        changed: Arc<Notify>,
        prefetch: usize,
        stopped: CancellationToken,
    ) -> Self {
        Self {
            stopped,
            shared,
            group: group.into(),
            changed,
            prefetch,
            held: Arc::default(),
        }
    }

    /// Waits for the next message; `None` once the listener is closed.
    pub(super) async fn next(&self) -> Option<(u64, Envelope, u32)> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listening starts before looking, or a change in between would be missed.
            changed.as_mut().enable();
            if self.stopped.is_cancelled() {
                return None;
            }
            if let Some(taken) = self.try_take() {
                return Some(taken);
            }
            tokio::select! {
                () = changed => {}
                () = self.stopped.cancelled() => return None,
            }
        }
    }

    fn try_take(&self) -> Option<(u64, Envelope, u32)> {
        if self.held.load(Ordering::Acquire) >= self.prefetch {
            return None;
        }
        let mut state = self.shared.state.lock();
        let taken = state.groups.get_mut(&*self.group)?.group.take()?;
        self.held.fetch_add(1, Ordering::AcqRel);
        Some(taken)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if let Some(entry) = state.groups.get_mut(&*self.group) {
            entry.group.members = entry.group.members.saturating_sub(1);
        }
    }
}

/// Settles one delivery; dropped unsettled it gives the delivery back.
pub(super) struct LocalSettlement {
    shared: Arc<Shared>,
    group: Arc<str>,
    changed: Arc<Notify>,
    held: Arc<AtomicUsize>,
    number: u64,
    settled: bool,
}

impl fmt::Debug for LocalSettlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSettlement")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl LocalSettlement {
    pub(super) fn new(seat: &Seat, number: u64) -> Self {
        Self {
            shared: Arc::clone(&seat.shared),
            group: Arc::clone(&seat.group),
            changed: Arc::clone(&seat.changed),
            held: Arc::clone(&seat.held),
            number,
            settled: false,
        }
    }

    fn let_go(&mut self) {
        self.settled = true;
        self.held.fetch_sub(1, Ordering::AcqRel);
    }

    fn gone(&self) -> Error {
        Error::new(ErrorKind::Closed, "settle", "the delivery is not held any more")
    }

    /// The letter to delete, if this was one that was sent back and was handled now.
    fn finish(&mut self) -> Result<Option<Letter>> {
        let mut state = self.shared.state.lock();
        let Some(entry) = state.groups.get_mut(&*self.group) else {
            return Err(self.gone());
        };
        let Some(item) = entry.group.remove(self.number) else {
            return Err(self.gone());
        };
        let letter = match item.source {
            Source::Published(publisher) => {
                publisher.settled();
                None
            }
            Source::SentBack { letter, .. } => {
                entry.group.letters.remove(item.envelope.id());
                let handled = !entry.group.failed_again.remove(&letter);
                entry
                    .letters
                    .clone()
                    .filter(|_| handled)
                    .map(|place| Letter { place, id: letter })
            }
        };
        Ok(letter)
    }

    fn give_back(&mut self, delay: Duration) -> Result<()> {
        let closed = {
            let mut state = self.shared.state.lock();
            let listener_closed = state.listener_closed;
            let Some(entry) = state.groups.get_mut(&*self.group) else {
                return Err(self.gone());
            };
            if !entry.group.give_back(self.number) {
                return Err(self.gone());
            }
            if listener_closed {
                // Nobody will take it again: whoever published it keeps it.
                if let Some(item) = entry.group.remove(self.number)
                    && let Source::Published(publisher) = item.source
                {
                    publisher.failed(true);
                }
            } else if delay.is_zero() {
                entry.group.make_ready(self.number);
            }
            listener_closed
        };
        if !closed && !delay.is_zero() {
            let (shared, group, changed) = (
                Arc::clone(&self.shared),
                Arc::clone(&self.group),
                Arc::clone(&self.changed),
            );
            let number = self.number;
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let mut state = shared.state.lock();
                if let Some(entry) = state.groups.get_mut(&*group) {
                    entry.group.make_ready(number);
                }
                drop(state);
                changed.notify_waiters();
            });
        }
        Ok(())
    }
}

struct Letter {
    place: Arc<dyn crate::ports::DeadLetterQueue>,
    id: crate::ports::DeadLetterId,
}

#[async_trait]
impl Settlement for LocalSettlement {
    async fn ack(mut self: Box<Self>) -> Result<()> {
        self.let_go();
        let letter = self.finish();
        self.changed.notify_waiters();
        if let Some(letter) = letter? {
            // Should this fail, the letter comes again when its lease ends.
            letter.place.discard(&[letter.id]).await?;
        }
        Ok(())
    }

    async fn nack(mut self: Box<Self>, delay: Duration) -> Result<()> {
        self.let_go();
        let given_back = self.give_back(delay);
        self.changed.notify_waiters();
        given_back
    }

    async fn extend(&mut self, _hold: Duration) -> Result<()> {
        let state = self.shared.state.lock();
        let held = state
            .groups
            .get(&*self.group)
            .is_some_and(|entry| entry.group.get(self.number).is_some());
        if held { Ok(()) } else { Err(self.gone()) }
    }
}

impl Drop for LocalSettlement {
    fn drop(&mut self) {
        if !self.settled {
            self.let_go();
            // It can only be gone, and then there is nothing to give back.
            drop(self.give_back(Duration::ZERO));
            self.changed.notify_waiters();
        }
    }
}
