//! The `local` broker: in process, and nothing is lost. `emit` answers only when every group's handler has settled.

mod broker;
mod dead_letters;
mod handles;
mod lanes;
mod resend;
mod settle;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::contract::MessageName;

pub use broker::LocalBroker;
pub use handles::{LocalEmitter, LocalListener};

/// What can be set on a [`LocalBroker`].
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Names that need a subscriber: without one they are `Unroutable` and stay in the outbox. Any other message that
    /// nobody wants is accepted and counted.
    pub required_names: Vec<MessageName>,
    /// The largest body in bytes; a larger one is `TooLarge`.
    pub max_message_bytes: usize,
    /// How often a group's dead letters are asked for those that were sent back.
    pub resend_interval: Duration,
    /// For how long a letter that was sent back is taken out of its place while its handler runs.
    pub resend_lease: Duration,
    /// How long closing waits for handlers of open publishes.
    pub close_timeout: Duration,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            required_names: default_required_names(),
            max_message_bytes: 204_800,
            resend_interval: Duration::from_millis(500),
            resend_lease: Duration::from_secs(120),
            close_timeout: Duration::from_secs(2),
        }
    }
}

/// The names that need a subscriber unless said otherwise: without them a booking service knows no event.
#[must_use]
pub fn default_required_names() -> Vec<MessageName> {
    ["event.created", "event.updated", "event.cancelled"]
        .map(MessageName::from_static)
        .to_vec()
}
