//! What a message becomes that is given up on.

use crate::dispatch::run::Core;
use crate::error::Error;
use crate::ports::{DeadLetter, Delivery};

/// The letter of a delivery that failed `attempts` times, last with `error`.
pub(super) fn letter(core: &Core, delivery: &Delivery, attempts: u32, error: &Error) -> DeadLetter {
    DeadLetter {
        consumer: core.group.clone(),
        origin: delivery.origin.clone(),
        reason: error.to_string(),
        attempts,
        at: core.clock.now(),
        envelope: delivery.envelope.clone(),
    }
}
