//! Order per key: each message of a key waits until the one before it is settled; other keys go on.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

/// Tells the next message of the key how this one ended; dropped unsent, that it was given back.
pub(super) type Settled = oneshot::Sender<()>;
/// What a message waits for: its predecessor.
pub(super) type Turn = oneshot::Receiver<()>;

/// A place in the line of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    key: Arc<str>,
    number: u64,
}

/// The last message of each key that is not settled yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    last: HashMap<Arc<str>, (u64, Turn)>,
    next: u64,
}

impl Lines {
    /// Lines up behind the last message of `key`, if there is one.
    pub(super) fn join(&mut self, key: &str) -> (Place, Option<Turn>, Settled) {
        let number = self.next;
        self.next += 1;
        let key: Arc<str> = key.into();
        let (settled, turn) = oneshot::channel();
        let before = self.last.insert(Arc::clone(&key), (number, turn));
        (Place { key, number }, before.map(|(_, turn)| turn), settled)
    }

    /// Forgets a message that ended, so that an idle key costs nothing.
    pub(super) fn leave(&mut self, place: &Place) {
        if self
            .last
            .get(&place.key)
            .is_some_and(|(number, _)| *number == place.number)
        {
            self.last.remove(&place.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_a_line_and_an_idle_key_is_forgotten() {
        let mut lines = Lines::default();
        let (first, before_first, settled) = lines.join("a");
        assert!(before_first.is_none());
        let (second, before_second, _keep) = lines.join("a");
        let (_, other, _keep_other) = lines.join("b");
        assert!(other.is_none());
        lines.leave(&first);
        settled.send(()).unwrap();
        assert_eq!(before_second.unwrap().await, Ok(()));
        lines.leave(&second);
        assert!(lines.join("a").1.is_none());
    }
}
