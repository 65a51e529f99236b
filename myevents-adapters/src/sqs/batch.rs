//! Gathers what many callers ask into batches: while requests are open, newcomers wait together for the next.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use myevents_core::Result;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::error::unanswered;

/// The most entries that one request takes.
pub(crate) const MOST_ENTRIES: usize = 10;
/// So many requests are begun for what is there; more only when a whole batch waits.
const EAGER: usize = 2;

type Perform<T> = Box<dyn Fn(Vec<T>) -> BoxFuture<'static, Vec<Result<()>>> + Send + Sync>;

/// Performs entries in batches. An entry is performed to its end whether or not its caller still waits.
pub(crate) struct Batcher<T>(Arc<Inner<T>>);

struct Inner<T> {
    operation: &'static str,
    most_bytes: usize,
    most_open: usize,
    perform: Perform<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    waiting: VecDeque<Waiting<T>>,
    open: usize,
}

struct Waiting<T> {
    entry: T,
    bytes: usize,
    answer: oneshot::Sender<Result<()>>,
}

/// The entries of a request, and where each is answered.
type Batch<T> = (Vec<T>, Vec<oneshot::Sender<Result<()>>>);

/// The answer to one entry, to be waited for.
pub(crate) type Answer = oneshot::Receiver<Result<()>>;

impl<T> Clone for Batcher<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Batcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Batcher")
            .field("operation", &self.0.operation)
            .field("waiting", &state.waiting.len())
            .field("open", &state.open)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Batcher<T> {
    /// `perform` answers each entry of a batch in its place.
    pub(crate) fn new(
        operation: &'static str,
        most_bytes: usize,
        most_open: usize,
        perform: impl Fn(Vec<T>) -> BoxFuture<'static, Vec<Result<()>>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            operation,
            most_bytes,
            most_open,
            perform: Box::new(perform),
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                open: 0,
            }),
        }))
    }

    /// Hands in entries with their sizes; they leave in their order, as far as one request holds them.
    pub(crate) fn submit(&self, entries: impl IntoIterator<Item = (T, usize)>) -> Vec<Answer> {
        let mut state = self.0.state.lock();
        let mut answers = Vec::new();
        for (entry, bytes) in entries {
            let (answer, waiting) = oneshot::channel();
            answers.push(waiting);
            state.waiting.push_back(Waiting { entry, bytes, answer });
        }
        let full = state.waiting.len() / MOST_ENTRIES;
        let eager = usize::from(!state.waiting.is_empty());
        let wanted = if state.open < EAGER { full.max(eager) } else { full };
        for _ in 0..wanted.min(self.0.most_open.saturating_sub(state.open)) {
            state.open += 1;
            tokio::spawn(Arc::clone(&self.0).run());
        }
        answers
    }

    /// Hands in one entry and waits for its answer.
    pub(crate) async fn perform(&self, entry: T, bytes: usize) -> Result<()> {
        match self.submit([(entry, bytes)]).pop() {
            Some(answer) => self.answer(answer).await,
            None => Err(unanswered(self.0.operation)),
        }
    }

    /// Waits for an answer.
    pub(crate) async fn answer(&self, answer: Answer) -> Result<()> {
        answer.await.unwrap_or_else(|_| Err(unanswered(self.0.operation)))
    }
}

impl<T: Send + 'static> Inner<T> {
    async fn run(self: Arc<Self>) {
        // Whoever is about to hand something in joins the first batch.
        tokio::task::yield_now().await;
        // Its end is counted even if a request panics.
        let mut open = Open {
            inner: &self,
            counted: true,
        };
        while let Some((entries, answers)) = open.take() {
            let mut results = (self.perform)(entries).await.into_iter();
            for answer in answers {
                let result = results.next().unwrap_or_else(|| Err(unanswered(self.operation)));
                // Whoever asked may have stopped waiting.
                let _ = answer.send(result);
            }
        }
    }
}

/// One of the requests that may be open at once.
struct Open<'a, T> {
    inner: &'a Inner<T>,
    counted: bool,
}

impl<T> Open<'_, T> {
    /// The next batch; `None` and this one ends.
    fn take(&mut self) -> Option<Batch<T>> {
        let mut state = self.inner.state.lock();
        let (mut entries, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        while entries.len() < MOST_ENTRIES
            && let Some(next) = state.waiting.front()
            && (entries.is_empty() || bytes + next.bytes <= self.inner.most_bytes)
            && let Some(next) = state.waiting.pop_front()
        {
            bytes += next.bytes;
            entries.push(next.entry);
            answers.push(next.answer);
        }
        if entries.is_empty() {
            state.open -= 1;
            self.counted = false;
            return None;
        }
        Some((entries, answers))
    }
}

impl<T> Drop for Open<'_, T> {
    fn drop(&mut self) {
        if self.counted {
            self.inner.state.lock().open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use myevents_core::{Error, ErrorKind};
    use tokio::sync::Semaphore;

    use super::*;

    type Seen = Arc<Mutex<Vec<Vec<usize>>>>;

    /// Each batch waits for a permit; what is divisible by 7 fails.
    fn gated(most_bytes: usize, most_open: usize) -> (Batcher<usize>, Seen, Arc<Semaphore>) {
        let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
        let (noting, waiting) = (Arc::clone(&seen), Arc::clone(&gate));
        let batcher = Batcher::new("test", most_bytes, most_open, move |entries: Vec<usize>| {
            noting.lock().push(entries.clone());
            let gate = Arc::clone(&waiting);
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                let answer = |entry: &usize| match entry % 7 {
                    0 => Err(Error::new(ErrorKind::Rejected, "test", "seven")),
                    _ => Ok(()),
                };
                entries.iter().map(answer).collect()
            })
        });
        (batcher, seen, gate)
    }

    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn while_requests_are_open_newcomers_wait_together() {
        let (batcher, seen, gate) = gated(1_000, 8);
        let first = batcher.submit([(1, 1)]);
        settle().await;
        let second = batcher.submit([(2, 1)]);
        settle().await;
        // Two are open: these wait, until a whole batch is there.
        let few = batcher.submit((3..6).map(|entry| (entry, 1)));
        settle().await;
        assert_eq!(*seen.lock(), [vec![1], vec![2]]);
        let rest = batcher.submit((6..14).map(|entry| (entry, 1)));
        settle().await;
        assert_eq!(seen.lock()[2], (3..13).collect::<Vec<_>>());
        gate.add_permits(10);
        let mut results = Vec::new();
        for answer in first.into_iter().chain(second).chain(few).chain(rest) {
            results.push(batcher.answer(answer).await.is_ok());
        }
        let expected: Vec<bool> = (1..14).map(|entry| entry % 7 != 0).collect();
        assert_eq!(results, expected, "each has its own answer");
        assert_eq!(seen.lock().len(), 4);
    }

    #[tokio::test]
    async fn a_batch_keeps_within_its_bytes_and_requests_within_their_bound() {
        let (batcher, seen, gate) = gated(100, 2);
        let answers = batcher.submit((0..6).map(|entry| (entry, 40)));
        let large = batcher.submit([(8, 500)]);
        settle().await;
        assert_eq!(*seen.lock(), [vec![0, 1], vec![2, 3]]);
        gate.add_permits(10);
        for answer in answers.into_iter().chain(large) {
            let _ = batcher.answer(answer).await;
        }
        assert_eq!(
            *seen.lock(),
            [vec![0, 1], vec![2, 3], vec![4, 5], vec![8]],
            "what is too large by itself goes alone"
        );
    }

    #[tokio::test]
    async fn what_was_handed_in_is_done_though_nobody_waits() {
        let (batcher, seen, gate) = gated(100, 1);
        drop(batcher.submit([(1, 1), (2, 1)]));
        gate.add_permits(1);
        settle().await;
        assert_eq!(*seen.lock(), [vec![1, 2]]);
        gate.add_permits(1);
        assert!(batcher.perform(3, 1).await.is_ok());
    }
}
