//! Which destinations have a message that another one did not take, so that a repeat goes only where it is missing.

use std::collections::{HashMap, VecDeque};

use myevents_core::contract::MessageId;
use parking_lot::Mutex;

/// With more messages than this the oldest are forgotten, down to half as many.
const MOST: usize = 20_000;

/// What an emitter remembers of messages that some of its destinations have. What is forgotten, by a restart or because there
/// are too many, goes to all of them again.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Whether each destination, in its place, has the message.
    taken: HashMap<MessageId, Vec<bool>>,
    /// The messages by when they came, some of which are settled by now.
    order: VecDeque<MessageId>,
}

impl Progress {
    /// Which of `destinations` have the message.
    pub(super) fn of(&self, id: &MessageId, destinations: usize) -> Vec<bool> {
        let known = self.0.lock();
        let taken = known.taken.get(id).cloned();
        taken.unwrap_or_else(|| vec![false; destinations])
    }

    /// Remembers which destinations have the message by now; one that all have is done with.
    pub(super) fn note(&self, id: &MessageId, mut taken: Vec<bool>) {
        let mut known = self.0.lock();
        // Of another emit of it at the same time.
        if let Some(before) = known.taken.get(id) {
            for (now, before) in taken.iter_mut().zip(before) {
                *now |= *before;
            }
        }
        if taken.iter().all(|taken| *taken) {
            known.taken.remove(id);
            return;
        }
        if !taken.contains(&true) {
            return;
        }
        if known.taken.insert(id.clone(), taken).is_none() {
            known.order.push_back(id.clone());
        }
        if known.order.len() > MOST {
            let Known { taken, order } = &mut *known;
            order.retain(|id| taken.contains_key(id));
            while order.len() > MOST / 2
                && let Some(oldest) = order.pop_front()
            {
                taken.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn id(number: usize) -> MessageId {
        MessageId::new(&number.to_string())
    }

    #[test]
    fn only_what_some_have_and_others_not_is_remembered() {
        let progress = Progress::default();
        progress.note(&id(1), vec![false, false]);
        assert_eq!(progress.of(&id(1), 2), [false, false]);
        progress.note(&id(1), vec![true, false]);
        assert_eq!(progress.of(&id(1), 2), [true, false]);
        assert_eq!(progress.of(&id(2), 2), [false, false]);
        progress.note(&id(1), vec![true, true]);
        assert_eq!(
            progress.of(&id(1), 2),
            [false, false],
            "a new message of this id is sent"
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_stays() {
        let progress = Progress::default();
        for number in 0..3 * MOST {
            progress.note(&id(number), vec![true, false]);
            // Every third is settled.
            if number % 3 == 0 {
                progress.note(&id(number), vec![true, true]);
            }
        }
        let known = progress.0.lock();
        assert!(known.order.len() <= MOST && known.taken.len() <= MOST);
        assert!(known.taken.contains_key(&id(3 * MOST - 1)));
        let order: HashSet<&MessageId> = known.order.iter().collect();
        assert!(known.taken.keys().all(|id| order.contains(id)));
    }
}
