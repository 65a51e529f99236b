//! The gate of an event: what changes its counter goes through one at a time in this process, as two transactions on one
//! item only disturb each other. It remembers the counter as this process last knew it.

use std::collections::HashMap;
use std::sync::Arc;

use myevents_core::counter::Counter;
use myevents_core::domain::EventId;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// How many events are remembered before those that nobody is at are forgotten.
const MOST: usize = 10_000;

type Remembered = Arc<tokio::sync::Mutex<Option<Counter>>>;

/// The gates of all events.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<EventId, Remembered>>);

/// The turn at one event; behind it what is remembered of the counter, which may grant but never refuse.
pub(super) type Turn = OwnedMutexGuard<Option<Counter>>;

impl Gates {
    /// Waits for the turn at `event`. Turns are given in the order they were asked for.
    pub(super) async fn turn(&self, event: &EventId) -> Turn {
        let gate = {
            let mut gates = self.0.lock();
            if gates.len() >= MOST && !gates.contains_key(event) {
                gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            }
            Arc::clone(gates.entry(event.clone()).or_default())
        };
        gate.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_idle_ones_are_forgotten() {
        let gates = Gates::default();
        let event = EventId::from([1; 12]);
        let turn = gates.turn(&event).await;
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(5), gates.turn(&event))
                .await
                .is_err()
        );
        for number in 0..u32::try_from(MOST).unwrap() + 5 {
            let mut id = [0; 12];
            id[..4].copy_from_slice(&number.to_be_bytes());
            drop(gates.turn(&EventId::from(id)).await);
        }
        let held = gates.0.lock();
        assert!(held.len() <= MOST && held.contains_key(&event), "{}", held.len());
        drop(turn);
    }
}
