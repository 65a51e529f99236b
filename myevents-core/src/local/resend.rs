//! Asks a group's dead letters for those that were sent back, and queues them for that group alone.

use std::sync::{Arc, Weak};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::local::LocalOptions;
use crate::local::broker::Shared;
use crate::local::lanes::Source;
use crate::ports::DeadLetterQueue;

/// The most letters on their way back at once.
const LIMIT: usize = 64;

pub(super) async fn poll_letters(
    shared: Weak<Shared>,
    group: String,
    queue: Arc<dyn DeadLetterQueue>,
    options: LocalOptions,
    stopped: CancellationToken,
) {
    let mut tick = tokio::time::interval(options.resend_interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stopped.cancelled() => return,
        }
        let Some(room) = room(&shared, &group) else {
            return;
        };
        if room == 0 {
            continue;
        }
        match queue.take_due(&group, room, options.resend_lease).await {
            Ok(letters) if letters.is_empty() => {}
            Ok(letters) => {
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                let mut state = shared.state.lock();
                let Some(entry) = state.groups.get_mut(&group) else {
                    return;
                };
                for (id, letter) in letters {
                    // A lease that ran out while the handler still works gives the same letter again.
                    if entry.group.letters.contains_key(letter.envelope.id()) {
                        continue;
                    }
                    let source = Source::SentBack {
                        letter: id.clone(),
                        attempts: letter.attempts,
                    };
                    entry.group.letters.insert(letter.envelope.id().clone(), id);
                    entry.group.push(letter.envelope, source);
                }
                entry.changed.notify_waiters();
            }
            Err(error) => tracing::warn!(group, %error, "letters that were sent back can't be taken"),
        }
    }
}

/// How many more letters may be under way; `None` once the broker is gone.
fn room(shared: &Weak<Shared>, group: &str) -> Option<usize> {
    let shared = shared.upgrade()?;
    let state = shared.state.lock();
    let entry = state.groups.get(group)?;
    if entry.group.members == 0 {
        return Some(0);
    }
    Some(LIMIT.saturating_sub(entry.group.letters.len()))
}
