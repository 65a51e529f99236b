//! How many ask at once, and when it is so many that no further connection is taken.
//!
//! Whoever is let in has to be answered, and to read a request and refuse it costs about as much as to do it. So past a bound the others
//! wait before the door, where they cost nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// It has to have been fewer for so long: clients that keep their connections send the next request a moment after the answer to the
/// last one, and with each such moment some more would come in.
const REST: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    now: AtomicUsize,
    /// When it was full last.
    full: Mutex<Option<Instant>>,
}

/// One of the crowd, until it is dropped.
#[derive(Debug)]
pub(super) struct Present(Arc<Crowd>);

impl Crowd {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            now: AtomicUsize::new(0),
            full: Mutex::default(),
        })
    }

    pub(super) fn enter(self: &Arc<Self>) -> Present {
        if self.now.fetch_add(1, Ordering::Relaxed) + 1 >= self.most {
            *self.full.lock() = Some(Instant::now());
        }
        Present(Arc::clone(self))
    }

    /// Ends once it has been fewer for a while.
    pub(super) async fn room(&self) {
        loop {
            let rested = match self.now.load(Ordering::Relaxed) < self.most {
                true => self.full.lock().map_or(REST, |full| full.elapsed()),
                false => Duration::ZERO,
            };
            match REST.checked_sub(rested) {
                Some(left) if !left.is_zero() => sleep(left).await,
                _ => return,
            }
        }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_room_again_once_it_was_fewer_for_a_while() {
        let crowd = Crowd::new(2);
        let begun = Instant::now();
        let first = crowd.enter();
        crowd.room().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);

        let second = crowd.enter();
        let waiting = tokio::spawn({
            let crowd = Arc::clone(&crowd);
            async move { crowd.room().await }
        });
        sleep(4 * REST).await;
        assert!(!waiting.is_finished());
        // A moment with fewer is none.
        drop(second);
        sleep(REST / 2).await;
        let second = crowd.enter();
        drop((first, second));
        sleep(REST * 3 / 4).await;
        assert!(!waiting.is_finished());
        waiting.await.unwrap();
        assert!(begun.elapsed() >= REST * 11 / 2, "{:?}", begun.elapsed());
    }
}
