//! The consumer group's name, what it hears, and how long it tries.

use std::time::Duration;

use super::LEASE;
use crate::contract::{BookingCancelled, EventBooked, EventCancelled, Message, MessageName};
use crate::dispatch::{Backoff, DispatchOptions};
use crate::ports::{MessageOrder, StartFrom};

/// The consumer group that mails.
pub const GROUP: &str = "mail";

/// Messages in hand at once; connections bound how many mails are on their way.
const WRITING: usize = 64;
/// Messages held where those that are put off wait in place, for minutes.
const HELD: usize = 1_024;
/// Tries of a mail that the server asks to send later, where the broker does not keep order and waits by itself.
const TRIES: u32 = 50;
/// How long such a mail waits in place elsewhere, all together. Servers that make strangers come back do so for some minutes.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
const LATER: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(5 * 60));
/// Between two tries while the server is away.
const AWAY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
/// The mails of a cancelled event are one message; after this its round ends and the next goes on, long before a broker would take
/// the message for lost.
const ONE_ROUND: Duration = Duration::from_secs(4 * 60);
/// What a stop may take for the mails in hand.
const IN_HAND: Duration = Duration::from_secs(8);

/// A process that dies in the middle of a mail leaves its lease behind: who finds it waits for its end, and does not give up before.
const _: () = assert!(PATIENCE.as_secs() > LEASE.as_secs());

/// The names that the group hears.
#[must_use]
pub fn subscribe_names() -> Vec<MessageName> {
    vec![
        EventBooked::name(),
        BookingCancelled::name(),
        EventCancelled::name(),
    ]
}

/// How the group takes its messages from a broker that keeps this order. It begins with what is published after its first start:
/// nobody is mailed about the past.
#[must_use]
pub fn dispatch_options(order: MessageOrder) -> DispatchOptions {
    DispatchOptions {
        max_attempts: TRIES,
        max_wait: PATIENCE,
        backoff: LATER,
        away_backoff: AWAY,
        handler_timeout: ONE_ROUND,
        concurrency: WRITING,
        prefetch: match order {
            MessageOrder::None => 2 * WRITING,
            _ => HELD,
        },
        shutdown_timeout: IN_HAND,
        from: StartFrom::Now,
        ..DispatchOptions::default()
    }
}
