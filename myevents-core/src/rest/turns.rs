//! Whose turn it is: so many requests are worked on at once, the others wait, and under overload the newest goes first.
//!
//! Where more comes than can be done, a queue in which the oldest goes first serves only those whose patience is over. So as long as
//! nobody has waited for long the oldest goes first; from then on the newest, and who waited too long is refused: adaptive LIFO, as in
//! [Fail at Scale](https://queue.acm.org/detail.cfm?id=2839461). To refuse costs about as much as to serve, so that refusals are not
//! hurried either: while there is somebody to serve they wait until their [`PATIENCE`] is over.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::rest::problem::Problem;

/// While the oldest has waited for no longer than this, it is the next.
const CALM: Duration = Duration::from_millis(100);
/// Who waited longer is not served any more.
const STALE: Duration = Duration::from_secs(1);
/// And knows it after so long at the latest.
const PATIENCE: Duration = Duration::from_secs(8);
/// While turns are free so many are refused in one go.
const REFUSED_AT_ONCE: usize = 8;

/// Bounds the requests of routers that share it which are worked on at once. A request takes its turn once its body is there, so that
/// a client that sends slowly keeps it from nobody.
#[derive(Debug)]
pub struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
    /// Whether a task does so.
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
            let (tell, given) = oneshot::channel();
            let since = Instant::now();
            state.forget_the_gone(since);
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
                    if !state.waiting.is_empty()
                        && !state.refusing
                        && let Ok(runtime) = Handle::try_current()
                    {
                        state.refusing = true;
                        runtime.spawn(Arc::clone(&self).refuse_the_stale());
                    }
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

    /// While turns are free those who waited too long are told, a few at a time: whoever comes meanwhile finds no crowd before them.
    async fn refuse_the_stale(self: Arc<Self>) {
        loop {
            {
                let mut state = self.0.lock();
                let now = Instant::now();
                let stale = state.waiting.iter().take(REFUSED_AT_ONCE);
                let stale = stale.take_while(|one| now - one.since > STALE).count();
                if state.free == 0 || stale == 0 {
                    state.refusing = false;
                    return;
                }
                state.waiting.drain(..stale);
            }
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

    /// Those whose patience is over have left without a word.
    fn forget_the_gone(&mut self, now: Instant) {
        while self
            .waiting
            .pop_front_if(|oldest| now - oldest.since > PATIENCE || oldest.tell.is_closed())
            .is_some()
        {}
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
