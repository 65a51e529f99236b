//! Repeats whole calls whose error says that a repeat can help. Retries that belong to a commit protocol stay inside
//! the backend.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::layer::{Around, Call, Effect};

/// How often and how long calls are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most calls, the first included.
    pub tries: usize,
    /// The pause before the second call; doubled for each further one. Up to as much again is added at random, so that
    /// callers who failed together don't come back together.
    pub first_pause: Duration,
    /// The longest pause before that addition.
    pub longest_pause: Duration,
    /// No call starts later than this after the first.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 5,
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_secs(1),
            deadline: Duration::from_secs(10),
        }
    }
}

/// Repeats calls that failed with a [retryable](Error::is_retryable) error, within a [`RetryPolicy`].
///
/// * What a batch answered for good is not asked again: only the items with a retryable error are.
/// * A guarded write whose outcome is unknown is not repeated, as its own success would refuse the repeat.
/// * When all tries failed and one of them may have taken effect, the answer is `OutcomeUnknown`.
/// * Settling a delivery is not repeated, as the delivery is used up: the broker hands it out again.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    policy: RetryPolicy,
}

impl Retry {
    /// Repeats as `policy` says.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy }
    }

    fn pauses(&self) -> Pauses {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.policy.first_pause)
            .with_max_delay(self.policy.longest_pause)
            .with_max_times(self.policy.tries.saturating_sub(1))
            .with_jitter()
            .build();
        Pauses {
            backoff,
            end: Instant::now() + self.policy.deadline,
        }
    }
}

struct Pauses {
    backoff: backon::ExponentialBackoff,
    end: Instant,
}

impl Pauses {
    /// Waits before the next call; `false` = there shall be none.
    async fn wait(&mut self) -> bool {
        let Some(pause) = self.backoff.next() else {
            return false;
        };
        if Instant::now() + pause > self.end {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

fn may_repeat(call: Call, error: &Error) -> bool {
    match call.effect {
        Effect::Close => false,
        Effect::GuardedWrite => {
            error.is_retryable() && !matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::Overloaded)
        }
        // A full queue or a deadline that has passed is not cured by the pauses of a wrapper: the caller decides.
        Effect::Read | Effect::Write => error.is_retryable() && error.kind() != ErrorKind::Overloaded,
    }
}

fn remember(unknown: &mut Option<Error>, error: Error) {
    if error.kind() == ErrorKind::OutcomeUnknown {
        *unknown = Some(error);
    }
}

/// Once a try may have taken effect, a later "nothing was applied" speaks only of the later try.
fn last_word(unknown: Option<Error>, error: Error) -> Error {
    match unknown {
        Some(unknown) if error.is_retryable() || error.kind() == ErrorKind::Closed => unknown,
        _ => error,
    }
}

#[deny(clippy::missing_trait_methods)]
impl Around for Retry {
    async fn call<R, F>(&self, call: Call, run: F) -> Result<R>
    where
        R: Send + 'static,
        F: Fn() -> BoxFuture<'static, Result<R>> + Send + Sync,
    {
        let mut pauses = self.pauses();
        let mut unknown = None;
        loop {
            match run().await {
                Err(error) if may_repeat(call, &error) && pauses.wait().await => {
                    tracing::debug!(operation = call.operation, %error, "repeating a call");
                    remember(&mut unknown, error);
                }
                answer => return answer.map_err(|error| last_word(unknown, error)),
            }
        }
    }

    async fn batch<I, R, F>(&self, call: Call, items: Vec<I>, run: F) -> Vec<Result<R>>
    where
        I: Clone + Send + Sync + 'static,
        R: Send + 'static,
        F: Fn(Vec<I>) -> BoxFuture<'static, Vec<Result<R>>> + Send + Sync,
    {
        let mut pauses = self.pauses();
        let mut unknown: Vec<Option<Error>> = items.iter().map(|_| None).collect();
        let mut answers = run(items.clone()).await;
        loop {
            let open: Vec<usize> = (0..answers.len())
                .filter(|place| matches!(&answers[*place], Err(error) if may_repeat(call, error)))
                .collect();
            if open.is_empty() || !pauses.wait().await {
                return answers
                    .into_iter()
                    .zip(unknown)
                    .map(|(answer, unknown)| answer.map_err(|error| last_word(unknown, error)))
                    .collect();
            }
            let again = open.iter().map(|place| items[*place].clone()).collect();
            for (place, answer) in open.into_iter().zip(run(again).await) {
                if let Err(error) = std::mem::replace(&mut answers[place], answer) {
                    remember(&mut unknown[place], error);
                }
            }
        }
    }

    async fn once<R>(&self, _call: Call, run: BoxFuture<'static, Result<R>>) -> Result<R>
    where
        R: Send + 'static,
    {
        run.await
    }
}
