//! Dispatch: name → handler, with order per key, retries, dead letters and the inbox. One for all brokers.
//!
//! ```text
//! listener ─► run (takes) ─► keyed (one of a key at a time) ─► worker (inbox ─► handler ─► retry) ─► ack
//!                                                                   └─► dead letter ─► ack
//! ```
//!
//! A message is acknowledged only after its handler returned `Ok`, or after it is stored as a dead letter.

mod builder;
mod dead_letter;
mod handler;
mod held;
mod inbox;
mod keyed;
mod retry;
mod run;
#[cfg(test)]
mod stop_tests;
#[cfg(test)]
mod tests;
mod trace;
#[cfg(test)]
mod unordered_tests;
mod worker;

use std::time::Duration;

use crate::ports::StartFrom;

pub use builder::DispatchBuilder;
pub use handler::{Context, Handler};
pub use retry::Backoff;
pub use run::Dispatch;

/// What can be set on a [`Dispatch`].
#[derive(Debug, Clone)]
pub struct DispatchOptions {
    /// How often a message is tried before it is a dead letter, what the broker counted included.
    pub max_attempts: u32,
    /// How long a message may wait between its tries in place, all together.
    pub max_wait: Duration,
    /// The waits between tries.
    pub backoff: Backoff,
    /// The waits while our own store is away, or while another holds the message in the inbox.
    pub away_backoff: Backoff,
    /// After this the handler's [`Context::cancelled`] is signalled; it is waited for all the same.
    pub handler_timeout: Duration,
    /// The most handlers at work at once.
    pub concurrency: usize,
    /// The most messages taken and not settled; at least `concurrency` to keep the handlers busy.
    pub prefetch: usize,
    /// For how long a delivery is held at a time: extended at a third of it where the broker can.
    pub hold: Duration,
    /// How long a stop waits for handlers at work.
    pub shutdown_timeout: Duration,
    /// Where a new group starts.
    pub from: StartFrom,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            max_wait: Duration::from_secs(30),
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(10)),
            away_backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)),
            handler_timeout: Duration::from_secs(30),
            concurrency: 64,
            prefetch: 256,
            hold: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(20),
            from: StartFrom::Now,
        }
    }
}
