//! When a queue or topic last answered, so that whether it is there is asked only in doubt: each request costs money.

use std::time::Duration;

use myevents_core::Result;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long an answer is believed if nothing failed since.
const BELIEVED: Duration = Duration::from_secs(60);

/// The time at which something last happened.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Option<Instant>>);

impl Pulse {
    /// It happened now.
    pub(crate) fn beat(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    /// As if it had never happened.
    pub(crate) fn stop(&self) {
        *self.0.lock() = None;
    }

    /// It happened if an entry of a request went well, and is in doubt if the request failed as a whole.
    pub(crate) fn note(&self, answered: &Result<Vec<Result<()>>>) {
        match answered {
            Ok(results) if results.iter().any(Result::is_ok) => self.beat(),
            Ok(_) => {}
            Err(_) => self.stop(),
        }
    }

    /// Whether it happened lately, and after the last of `failures`.
    pub(crate) fn is_felt(&self, failures: Option<&Self>) -> bool {
        let failed = failures.and_then(|failures| *failures.0.lock());
        let last = *self.0.lock();
        last.is_some_and(|last| last.elapsed() < BELIEVED && failed.is_none_or(|failed| failed < last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_believed_for_a_minute_or_until_something_fails() {
        let (answers, failures) = (Pulse::default(), Pulse::default());
        let moment = Duration::from_millis(1);
        assert!(!answers.is_felt(Some(&failures)), "never asked");
        answers.beat();
        assert!(answers.is_felt(Some(&failures)) && answers.is_felt(None));
        tokio::time::advance(BELIEVED - moment).await;
        assert!(answers.is_felt(None));
        tokio::time::advance(moment).await;
        assert!(!answers.is_felt(None), "too long ago");
        answers.beat();
        tokio::time::advance(moment).await;
        failures.beat();
        assert!(!answers.is_felt(Some(&failures)), "something failed since");
        tokio::time::advance(moment).await;
        answers.beat();
        assert!(answers.is_felt(Some(&failures)));
        answers.stop();
        assert!(!answers.is_felt(None));
    }
}
