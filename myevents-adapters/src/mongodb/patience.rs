//! How long a step of a protocol that met a failure is tried on, and the pauses between tries.

use std::time::Duration;

use tokio::time::Instant;

use super::config::MongoConfig;

/// The longest pause.
const LONGEST: Duration = Duration::from_millis(500);

/// Tries that are left to a call.
#[derive(Debug)]
pub(super) struct Patience {
    whole: Duration,
    until: Option<Instant>,
    failures: u32,
    misses: u32,
}

impl Patience {
    pub(super) fn new(config: &MongoConfig) -> Self {
        Self {
            whole: config.patience,
            until: None,
            failures: 0,
            misses: 0,
        }
    }

    /// Waits before the try after a failure; answers `false` when there is no time for one before `deadline`.
    pub(super) async fn another_try(&mut self, deadline: Instant) -> bool {
        let now = Instant::now();
        let until = *self.until.get_or_insert(now + self.whole);
        self.failures = self.failures.saturating_add(1);
        let pause = jitter(Duration::from_millis(10) * 2_u32.pow(self.failures.min(8)));
        if now + pause > until.min(deadline) {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// Lets others go first after a condition was not met: not at all the first time, then longer and longer.
    pub(super) async fn pause(&mut self) {
        self.misses = self.misses.saturating_add(1);
        if self.misses > 1 {
            tokio::time::sleep(jitter(Duration::from_millis(1) * 2_u32.pow(self.misses.min(6)))).await;
        }
    }
}

fn jitter(most: Duration) -> Duration {
    most.min(LONGEST).mul_f64(rand::random_range(0.5..1.0))
}
