//! Waits that double, with a spread, and start over after a success.

use std::time::Duration;

use tokio::time::Instant;

/// When something may be tried again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    failures: u32,
    until: Instant,
}

impl Rest {
    /// The rest after one more failure than `before`.
    pub(super) fn after(before: Option<Self>, first: Duration, most: Duration) -> Self {
        let failures = before.map_or(0, |rest| rest.failures);
        let step = first
            .saturating_mul(2_u32.saturating_pow(failures.min(20)))
            .min(most);
        // Half of the step is drawn, so that many relays do not come back at once.
        let wait = step / 2 + (step / 2).mul_f64(rand::random::<f64>());
        Self {
            failures: failures.saturating_add(1),
            until: Instant::now() + wait,
        }
    }

    pub(super) fn until(self) -> Instant {
        self.until
    }

    pub(super) fn end(&mut self, now: Instant) {
        self.until = self.until.min(now);
    }

    pub(super) fn is_over(self, now: Instant) -> bool {
        self.until <= now
    }
}
