//! The relay: takes messages from the outbox to the broker, in order per entity, and confirms what the broker took.
//!
//! ```text
//! write ─► handover ─┐
//!                    ├─► lanes (one open message an entity) ─► emit ─► confirm
//! outbox.claim ──────┘        └─ failed: release · refused for good: park
//! ```

mod backoff;
mod engine;
mod handover;
mod jobs;
mod lanes;
#[cfg(test)]
mod lease_tests;
mod settle;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use engine::Relay;
pub use handover::{Handover, HandoverReceiver, handover};

/// A lease for stores that several processes share. What a killed process held waits so long for the others, who can't
/// know that it is dead. A relay that sleeps longer repeats messages, nothing worse.
pub const SHARED_LEASE: Duration = Duration::from_secs(6);

/// What can be set on a [`Relay`].
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// How often the outbox is asked when nothing else says that something may wait.
    pub poll_interval: Duration,
    /// The shortest time between two claims that confirms cause.
    pub poll_gap: Duration,
    /// The most rows of one claim.
    pub claim_limit: usize,
    /// For how long rows are held at a time; extended at a third of it.
    pub lease: Duration,
    /// The most messages handed to the broker and not answered.
    pub max_in_flight: usize,
    /// The most rows held at all; what is handed over beyond it is released.
    pub max_held: usize,
    /// The most messages of one `emit`, each of another entity. `None`: 1 on `local`, where a message is answered only
    /// when its handlers finished and must not wait for others, else 100.
    pub max_batch: Option<usize>,
    /// The size of the one batch that asks whether the broker is back.
    pub probe_batch: usize,
    /// The first wait after the broker did not answer, or an entity's message was not taken; it doubles.
    pub backoff_first: Duration,
    /// The longest such wait.
    pub backoff_most: Duration,
    /// Under which service's name, and how often, the outbox's depth is observed; `None` = never.
    pub report_depth: Option<(String, Duration)>,
    /// How long a stop waits for open emits and their confirms.
    pub shutdown_timeout: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(500),
            poll_gap: Duration::from_millis(20),
            claim_limit: 1_000,
            lease: Duration::from_secs(30),
            max_in_flight: 1_024,
            max_held: 8_192,
            max_batch: None,
            probe_batch: 8,
            backoff_first: Duration::from_millis(100),
            backoff_most: Duration::from_secs(4),
            report_depth: None,
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// What one step of the relay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayOutcome {
    /// Rows taken from the outbox.
    pub claimed: usize,
    /// Rows handed over in memory.
    pub handed_over: usize,
    /// Messages the broker took.
    pub emitted: usize,
    /// Rows deleted from the outbox.
    pub confirmed: usize,
    /// Messages the broker did not take, or may not have taken.
    pub failed: usize,
    /// Rows given back.
    pub released: usize,
    /// Rows set aside for good.
    pub parked: usize,
}
