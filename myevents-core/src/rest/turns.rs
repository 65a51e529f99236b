//! Whose turn it is: so many requests are worked on at once, the others wait, and under overload the newest goes first.
//!
//! Where more comes than can be done, a queue in which the oldest goes first serves only those whose patience is over. So as long as
//! nobody has waited for long the oldest goes first; from then on the newest, and who waited too long is refused: adaptive LIFO, as in
//! [Fail at Scale](https://queue.acm.org/detail.cfm?id=2839461). To refuse costs about as much as to serve, so that where the processor
//! is the bound refusals are not hurried: they take their turn behind the requests.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::rest::problem::Problem;

/// While the oldest has waited for no longer than this, it is the next.
const CALM: Duration = Duration::from_millis(100);
/// Who waited longer is not served any more, and refused when there is time for it.
const STALE: Duration = Duration::from_secs(1);
/// After so long at the latest.
const PATIENCE: Duration = Duration::from_secs(8);

/// Bounds the requests of routers that share it which are worked on at once. A request takes its turn once its body is there, so that
/// a client that sends slowly keeps it from nobody.
#[derive(Debug)]
pub struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
    /// Whether a task tells those who waited too long.
    refusing: bool,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// Dropped, it refuses.
    tell: oneshot::Sender<Turn>,
}

/// Given back when it is dropped.
#[derive(Debug)]
struct Turn(Option<Arc<Turns>>);

/// A request's own place: without a turn at first, and with one from [`take_turn`](Self::take_turn) until its last copy is dropped.
#[derive(Debug, Clone)]
pub(super) struct Place(Arc<(Arc<Turns>, OnceLock<Turn>)>);

impl Turns {
    /// For so many requests at once, one at least.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self(Mutex::new(State {
            free: at_once.max(1),
            waiting: VecDeque::new(),
            refusing: false,
        }))
    }

    /// A turn, or nothing for who waited too long.
    async fn take(self: &Arc<Self>) -> Option<Turn> {
        let given = {
            let mut state = self.0.lock();
            if state.free > 0 {
                state.free -= 1;
                return Some(Turn(Some(Arc::clone(self))));
            }
            if !state.refusing {
                state.refusing = true;
                tokio::spawn(Arc::clone(self).refuse_the_stale());
            }
            let (tell, given) = oneshot::channel();
            let since = Instant::now();
            state.waiting.push_back(Waiting { since, tell });
            given
        };
        // A turn that comes in the moment in which this ends is dropped with the channel, and so given back.
        timeout(PATIENCE, given).await.ok()?.ok()
    }

    fn give_back(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.0.lock();
                let Some(next) = state.next(Instant::now()) else {
                    state.free += 1;
                    return;
                };
                next
            };
            match next.tell.send(Turn(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // Gone meanwhile; the turn is not given back by its drop, as it is passed on right here.
                Err(mut turn) => turn.0 = None,
            }
        }
    }

    /// While somebody waits, tells those who waited too long, one each time that the runtime comes round to it: at once where the
    /// processor has time, seldom where it has none.
    async fn refuse_the_stale(self: Arc<Self>) {
        loop {
            let due = {
                let mut state = self.0.lock();
                let Some(oldest) = state.waiting.front() else {
                    state.refusing = false;
                    return;
                };
                let due = oldest.since + STALE;
                if due <= Instant::now() || oldest.tell.is_closed() {
                    state.waiting.pop_front();
                }
                due
            };
            tokio::time::sleep_until(due).await;
            tokio::task::yield_now().await;
        }
    }
}

impl State {
    /// Who is next of those that are not stale.
    fn next(&mut self, now: Instant) -> Option<Waiting> {
        loop {
            let next = match now - self.waiting.front()?.since <= CALM {
                true => self.waiting.pop_front(),
                false => self.waiting.pop_back_if(|newest| now - newest.since <= STALE),
            };
            let next = next?;
            if !next.tell.is_closed() {
                return Some(next);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.give_back();
        }
    }
}

impl Place {
    pub(super) fn new(turns: &Arc<Turns>) -> Self {
        Self(Arc::new((Arc::clone(turns), OnceLock::new())))
    }

    /// Waits for a turn, once.
    pub(super) async fn take_turn(&self) -> Result<(), Problem> {
        let (turns, own) = &*self.0;
        if own.get().is_none() {
            let turn = turns.take().await.ok_or_else(waited_too_long)?;
            // Nobody else takes one for the same request; if somebody did, this one is given back.
            let _first = own.set(turn);
        }
        Ok(())
    }
}

fn waited_too_long() -> Problem {
    Problem::of(
        "overloaded",
        "more requests wait than the service can answer in time; nothing was done: repeat it with the same Idempotency-Key",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(delay: Duration, turns: &Arc<Turns>) -> tokio::task::JoinHandle<(Duration, Option<Turn>)> {
        tokio::time::sleep(delay).await;
        let turns = Arc::clone(turns);
        let waiting = tokio::spawn(async move {
            let begun = Instant::now();
            let turn = turns.take().await;
            (begun.elapsed(), turn)
        });
        tokio::task::yield_now().await;
        waiting
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_first_and_the_newest_once_somebody_waits_for_long() {
        let turns = Arc::new(Turns::new(1));
        let held = turns.take().await.unwrap();
        let first = after(Duration::ZERO, &turns).await;
        let second = after(CALM / 2, &turns).await;
        let third = after(CALM / 4, &turns).await;
        drop(held);
        let (_, held) = first.await.unwrap();
        assert!(held.is_some());
        assert!(!second.is_finished() && !third.is_finished());
        tokio::time::sleep(CALM).await;
        drop(held);
        let (_, held) = third.await.unwrap();
        assert!(held.is_some() && !second.is_finished());
        drop(held);
        assert!(second.await.unwrap().1.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_too_long_is_refused_and_takes_nobodys_turn() {
        let turns = Arc::new(Turns::new(1));
        let held = turns.take().await.unwrap();
        let refused = after(Duration::ZERO, &turns).await;
        let (waited, turn) = refused.await.unwrap();
        assert!(turn.is_none());
        assert!(
            waited >= STALE && waited < STALE + Duration::from_millis(10),
            "{waited:?}"
        );
        let gone = after(Duration::ZERO, &turns).await;
        let next = after(Duration::ZERO, &turns).await;
        gone.abort();
        tokio::task::yield_now().await;
        drop(held);
        assert!(next.await.unwrap().1.is_some());
        // Nobody has it now, so nobody waits.
        assert!(turns.take().await.is_some());
        assert_eq!(turns.0.lock().free, 1);
    }

    #[tokio::test]
    async fn none_is_lost_and_none_is_given_twice() {
        let turns = Arc::new(Turns::new(3));
        let at_work = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut all = Vec::new();
        for number in 0..300_u32 {
            let (turns, at_work) = (Arc::clone(&turns), Arc::clone(&at_work));
            all.push(tokio::spawn(async move {
                let turn = turns.take().await;
                let now = at_work.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                assert!(now < 3, "{now} besides");
                tokio::time::sleep(Duration::from_micros(u64::from(number % 7) * 100)).await;
                at_work.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                drop(turn);
            }));
            if number % 5 == 0 {
                // A client that goes away, before its turn or with it.
                tokio::task::yield_now().await;
                let gone = {
                    let turns = Arc::clone(&turns);
                    tokio::spawn(async move { turns.take().await })
                };
                tokio::task::yield_now().await;
                gone.abort();
            }
        }
        for one in all {
            one.await.unwrap();
        }
        assert_eq!(turns.0.lock().free, 3);
    }
}
