//! The relay: takes messages from the outbox to the broker, in order per entity, and confirms what the broker took.

mod handover;

pub use handover::{Handover, HandoverReceiver, handover};
