//! Which connections are worked on: so many at once. The others wait with their request unread, the newest first, and are refused
//! once they waited for long.
//!
//! To read a request and refuse it costs about as much as to do it, so what comes beyond what can be done must not be read. Newest
//! first, as a queue of the oldest serves only those whose patience is over ([adaptive
//! LIFO](https://queue.acm.org/detail.cfm?id=2839461)).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// A connection without a request for so long gives its turn to one that waits. Clients that keep their connections send the next
/// request a moment after the answer to the last one, and with each such moment one more would come in.
const QUIET: Duration = Duration::from_secs(1);

/// And for so long, where only one in [`FEW`] of those with a turn has requests: each of many people asks now and then only.
const SOON: Duration = Duration::from_millis(50);
const FEW: usize = 16;

/// So often it is looked which are quiet, while some wait.
const LOOK: Duration = Duration::from_millis(20);

/// The oldest goes first until one has waited for so long.
const CALM: Duration = Duration::from_millis(100);

/// Who waited longer gets no turn any more: the answer would come too late.
const FRESH: Duration = Duration::from_millis(1_500);

/// Who waited so long is told. Not earlier, as that takes time from those who have a turn, and most ask again at once.
const PATIENCE: Duration = Duration::from_secs(9);

/// Each waits up to so much longer than the one before: who came together is not told together.
const SPREAD: Duration = Duration::from_secs(4);
const SPREAD_OVER: u32 = 32;

/// The turns of a listener.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    begun: Instant,
    state: Mutex<State>,
    /// Somebody waits, and nobody did before.
    crowded: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The connections that have a turn.
    taken: HashMap<u64, Arc<Presence>>,
    waiting: VecDeque<Waiting>,
    /// How many connections there were.
    came: u64,
    /// How often one had to wait.
    waited: u32,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    id: u64,
    presence: Arc<Presence>,
    go: oneshot::Sender<()>,
}

/// What a connection does.
#[derive(Debug, Default)]
struct Presence {
    /// It is among [`State::taken`]. Changed under the lock only.
    has_turn: AtomicBool,
    /// How many of its requests are worked on.
    busy: AtomicUsize,
    /// How many of its requests wait for the rest of their bodies.
    paused: AtomicUsize,
    /// When it was busy last, in milliseconds after [`Turns::begun`].
    rested: AtomicU64,
}

/// A connection, with a turn or without.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    presence: Arc<Presence>,
    id: u64,
    /// See [`Turn::pass`].
    passed: AtomicBool,
}

/// A request that is worked on, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Turn>);

impl Turns {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            begun: Instant::now(),
            state: Mutex::default(),
            crowded: Notify::new(),
        })
    }

    /// A connection that has no turn yet.
    pub(super) fn arrive(self: &Arc<Self>) -> Turn {
        let id = {
            let mut state = self.state.lock();
            state.came += 1;
            state.came
        };
        Turn {
            turns: Arc::clone(self),
            presence: Arc::default(),
            id,
            passed: AtomicBool::new(false),
        }
    }

    /// Takes turns back from quiet connections while others wait. Ends with `stop`.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(self.crowded.notified()).await.is_some() {
            while stop.run_until_cancelled(sleep(LOOK)).await.is_some() {
                let mut state = self.state.lock();
                self.take_back(&mut state);
                self.hand_on(&mut state);
                if state.waiting.is_empty() {
                    break;
                }
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn give(&self, state: &mut State, id: u64, presence: &Arc<Presence>) {
        presence.rested.store(self.now(), Ordering::Relaxed);
        presence.has_turn.store(true, Ordering::SeqCst);
        state.taken.insert(id, Arc::clone(presence));
    }

    fn take_back(&self, state: &mut State) {
        let busy = state
            .taken
            .values()
            .filter(|presence| presence.busy.load(Ordering::SeqCst) > 0);
        let quiet = match busy.count() <= self.most / FEW {
            true => SOON,
            false => QUIET,
        };
        let quiet = u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX);
        let now = self.now();
        state.taken.retain(|_, presence| {
            if now.saturating_sub(presence.rested.load(Ordering::Relaxed)) < quiet {
                return true;
            }
            // Taken before it is looked: a request that begins meanwhile either is seen here or sees that it has none.
            presence.has_turn.store(false, Ordering::SeqCst);
            let keeps = presence.busy.load(Ordering::SeqCst) > 0;
            presence.has_turn.store(keeps, Ordering::SeqCst);
            keeps
        });
    }

    /// Gives the turns that are free to those who wait.
    fn hand_on(&self, state: &mut State) {
        while state.taken.len() < self.most
            && let Some(oldest) = state.waiting.front()
        {
            let next = match oldest.since.elapsed() < CALM {
                true => state.waiting.pop_front(),
                false => state.waiting.pop_back(),
            };
            if let Some(next) = next
                && !next.go.is_closed()
            {
                self.give(state, next.id, &next.presence);
                // Who gives up just now finds the turn given, and gives it back.
                let _given = next.go.send(());
            }
        }
    }
}

impl Turn {
    /// A turn for what has come, if one is free. Whether it has one now.
    pub(super) fn try_take(&self) -> bool {
        self.take_free(&mut self.turns.state.lock())
    }

    fn take_free(&self, state: &mut State) -> bool {
        if self.presence.has_turn.load(Ordering::SeqCst) {
            return true;
        }
        let free = state.taken.len() < self.turns.most;
        if free {
            self.turns.give(state, self.id, &self.presence);
        }
        free
    }

    /// A turn for one request, free or not; the connection ends with it.
    pub(super) fn pass(&self) {
        self.passed.store(true, Ordering::Relaxed);
        self.take_anyway();
    }

    /// Whether its turn was for one request.
    pub(super) fn passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }

    fn take_anyway(&self) {
        let mut state = self.turns.state.lock();
        if !self.presence.has_turn.load(Ordering::SeqCst) {
            self.turns.give(&mut state, self.id, &self.presence);
        }
    }

    /// A turn, as soon as one is free. `false` for who waited too long. May be dropped at any time.
    pub(super) async fn take(&self) -> bool {
        let since = Instant::now();
        let (turn, patience) = {
            let mut state = self.turns.state.lock();
            if self.take_free(&mut state) {
                return true;
            }
            // The oldest have given up, if any.
            while state.waiting.front().is_some_and(|oldest| oldest.go.is_closed()) {
                state.waiting.pop_front();
            }
            if state.waiting.is_empty() {
                self.turns.crowded.notify_one();
            }
            let (go, turn) = oneshot::channel();
            state.waiting.push_back(Waiting {
                since,
                id: self.id,
                presence: Arc::clone(&self.presence),
                go,
            });
            state.waited = state.waited.wrapping_add(1);
            let longer = SPREAD * (state.waited % SPREAD_OVER) / SPREAD_OVER;
            (turn, PATIENCE + longer)
        };
        let given = timeout(patience, turn).await.is_ok() && since.elapsed() <= FRESH;
        if !given {
            self.give_back();
        }
        given
    }

    fn give_back(&self) {
        let mut state = self.turns.state.lock();
        if self.presence.has_turn.swap(false, Ordering::SeqCst) {
            state.taken.remove(&self.id);
            self.turns.hand_on(&mut state);
        }
    }

    /// Whether what the client sends may be read: it has a turn, or the rest of a body is waited for.
    pub(super) fn may_read(&self) -> bool {
        self.presence.has_turn.load(Ordering::SeqCst) || self.presence.paused.load(Ordering::SeqCst) > 0
    }

    /// A request is worked on from now on.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.work();
        Busy(Arc::clone(self))
    }

    fn work(&self) {
        self.presence.busy.fetch_add(1, Ordering::SeqCst);
        if !self.presence.has_turn.load(Ordering::SeqCst) {
            self.take_anyway();
        }
    }

    fn rest(&self) {
        self.presence.rested.store(self.turns.now(), Ordering::Relaxed);
        self.presence.busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// A request waits for the rest of its body, which is no work.
    pub(super) fn pause(&self) {
        self.presence.paused.fetch_add(1, Ordering::SeqCst);
        self.rest();
    }

    /// It waits no longer.
    pub(super) fn resume(&self) {
        self.work();
        self.presence.paused.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Busy {
    pub(super) fn turn(&self) -> Arc<Turn> {
        Arc::clone(&self.0)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.rest();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    fn watched(most: usize) -> (Arc<Turns>, CancellationToken) {
        let turns = Turns::new(most);
        let stop = CancellationToken::new();
        tokio::spawn(Arc::clone(&turns).watch(stop.clone()));
        (turns, stop)
    }

    async fn let_in(turns: &Arc<Turns>) -> Arc<Turn> {
        let turn = turns.arrive();
        assert!(turn.take().await);
        Arc::new(turn)
    }

    /// Begins to wait, and is known to wait.
    async fn waiting(turns: &Arc<Turns>) -> JoinHandle<Option<Arc<Turn>>> {
        let turn = turns.arrive();
        assert!(!turn.try_take());
        let waiting = tokio::spawn(async move { turn.take().await.then(|| Arc::new(turn)) });
        tokio::task::yield_now().await;
        waiting
    }

    /// It was so long, and then until the next look.
    #[track_caller]
    fn assert_seen_after(time: Duration, begun: Instant) {
        let took = begun.elapsed();
        assert!((time..=time + 2 * LOOK).contains(&took), "{took:?}");
    }

    fn taken(turns: &Turns) -> usize {
        turns.state.lock().taken.len()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_first_until_it_waited_for_long_then_the_newest() {
        let (turns, _stop) = watched(1);
        let first = let_in(&turns).await;
        let busy = first.begin();
        let (second, third) = (waiting(&turns).await, waiting(&turns).await);
        drop((busy, first));
        let second = second.await.unwrap().unwrap();
        assert!(!third.is_finished());
        let busy = second.begin();
        sleep(2 * CALM).await;
        let fourth = waiting(&turns).await;
        drop((busy, second));
        let fourth = fourth.await.unwrap().unwrap();
        assert!(!third.is_finished());
        drop(fourth);
        assert!(third.await.unwrap().is_some());
        assert_eq!(taken(&turns), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_too_long_gets_no_turn_and_is_told_in_the_end() {
        let (turns, _stop) = watched(1);
        let first = let_in(&turns).await;
        let busy = first.begin();
        let begun = Instant::now();
        let (second, third) = (waiting(&turns).await, waiting(&turns).await);
        assert!(second.await.unwrap().is_none() && third.await.unwrap().is_none());
        assert_eq!(begun.elapsed(), PATIENCE + SPREAD * 2 / SPREAD_OVER);
        let (late, later) = (waiting(&turns).await, waiting(&turns).await);
        sleep(FRESH + LOOK).await;
        drop((busy, first));
        assert!(late.await.unwrap().is_none() && later.await.unwrap().is_none());
        assert_eq!(taken(&turns), 0);
        let_in(&turns).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_connection_gives_its_turn_away_and_a_busy_one_does_not() {
        let (turns, _stop) = watched(2);
        let (quiet, working) = (let_in(&turns).await, let_in(&turns).await);
        let busy = working.begin();
        let begun = Instant::now();
        let new = waiting(&turns).await.await.unwrap().unwrap();
        assert_seen_after(QUIET, begun);
        assert!(!quiet.may_read() && working.may_read() && new.may_read());
        assert!(!quiet.try_take());
        let new_busy = new.begin();
        let again = tokio::spawn(async move { quiet.take().await });
        sleep(QUIET / 4).await;
        assert!(!again.is_finished());
        drop(new_busy);
        assert!(again.await.unwrap());
        drop(busy);
        let probe = turns.arrive();
        probe.pass();
        assert!(probe.may_read() && probe.passed());
        drop((working, new, probe));
        assert_eq!(taken(&turns), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn where_most_are_quiet_turns_go_round_faster() {
        let (turns, _stop) = watched(FEW);
        let mut people = Vec::new();
        for _ in 0..FEW {
            people.push(let_in(&turns).await);
        }
        let busy = people[0].begin();
        let begun = Instant::now();
        assert!(waiting(&turns).await.await.unwrap().is_some());
        assert_seen_after(SOON, begun);
        drop((busy, people));
        assert_eq!(taken(&turns), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_body_is_not_busy_and_goes_on_when_it_comes() {
        let (turns, _stop) = watched(1);
        let slow = let_in(&turns).await;
        let busy = slow.begin();
        slow.pause();
        let other = waiting(&turns).await.await.unwrap();
        assert!(other.is_some() && slow.may_read());
        slow.resume();
        assert_eq!(taken(&turns), 2);
        drop((busy, slow, other));
        assert_eq!(taken(&turns), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_takes_no_turn() {
        let (turns, _stop) = watched(1);
        let first = let_in(&turns).await;
        let busy = first.begin();
        let (second, third) = (waiting(&turns).await, waiting(&turns).await);
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        drop((busy, first));
        assert!(third.await.unwrap().is_some());
        assert_eq!(taken(&turns), 0);
    }
}
