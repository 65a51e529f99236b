//! A clock that stands still until a test moves it, so that leases end when the test says so.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::UnixMillis;
use crate::ports::Clock;

/// A [`Clock`] under the test's control. Starts in the year 2026.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: UnixMillis) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves the clock on.
    pub fn advance(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::at(UnixMillis(1_780_000_000_000))
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}
