//! The fast way from a write to the relay: rows born leased are handed over in memory. A bounded hint, never a promise.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::ports::OutboxRow;

/// Makes a hand-over that holds at most `capacity` rows.
#[must_use]
pub fn handover(capacity: usize) -> (Handover, HandoverReceiver) {
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        wake: Notify::new(),
        capacity,
    });
    (Handover(Arc::clone(&shared)), HandoverReceiver(shared))
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    rows: Vec<OutboxRow>,
    surplus: Vec<OutboxRow>,
    woken: bool,
    /// The relay is gone: what is offered is left to its lease.
    abandoned: bool,
}

/// The side of the writers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handover(Arc<Shared>);

impl Handover {
    /// Offers rows to the relay. Never waits: what does not fit is released by the relay and found by its polling.
    /// A write that leased nothing may still have left a message behind an earlier one, so no rows at all
    /// [`wake`](Self::wake) the relay.
    pub fn offer(&self, rows: Vec<OutboxRow>) {
        if rows.is_empty() {
            self.wake();
            return;
        }
        let mut state = self.0.state.lock();
        if state.abandoned {
            return;
        }
        if state.rows.len() + rows.len() > self.0.capacity {
            // Of what a relay that is stuck does not even release, the leases run out.
            if state.surplus.len() <= self.0.capacity {
                state.surplus.extend(rows);
            }
        } else {
            state.rows.extend(rows);
        }
        drop(state);
        self.0.wake.notify_one();
    }

    /// Tells the relay that something may wait in the outbox which was not handed over.
    pub fn wake(&self) {
        self.0.state.lock().woken = true;
        self.0.wake.notify_one();
    }
}

/// The side of the relay.
#[derive(Debug)]
pub struct HandoverReceiver(Arc<Shared>);

impl Drop for HandoverReceiver {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        *state = State {
            abandoned: true,
            ..State::default()
        };
    }
}

impl HandoverReceiver {
    /// What was offered since the last call: the rows to emit, and the surplus to release.
    pub fn take(&self) -> (Vec<OutboxRow>, Vec<OutboxRow>) {
        let mut state = self.0.state.lock();
        (
            std::mem::take(&mut state.rows),
            std::mem::take(&mut state.surplus),
        )
    }

    /// Whether somebody woke the relay since the last call: something may wait that was not handed over.
    pub(super) fn take_woken(&self) -> bool {
        std::mem::take(&mut self.0.state.lock().woken)
    }

    /// Waits until something was offered since the last call of `notified`, or somebody woke the relay.
    pub async fn notified(&self) {
        self.0.wake.notified().await;
    }
}
