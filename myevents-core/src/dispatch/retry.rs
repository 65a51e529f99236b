//! How long to wait between tries: doubling, bounded, and spread so that many do not come back at once.

use std::time::Duration;

/// Waits that double from `first` to `most`. Each is drawn between a half of its step and the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    /// Doubles from `first` to `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most }
    }

    /// The shortest and the longest wait after `failures` failed tries (1 = after the first).
    #[must_use]
    pub fn bounds(&self, failures: u32) -> (Duration, Duration) {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(20));
        let step = self.first.saturating_mul(doubled).min(self.most);
        (step / 2, step)
    }

    /// A wait after `failures` failed tries, within [`bounds`](Self::bounds).
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let (least, most) = self.bounds(failures);
        least + (most - least).mul_f64(rand::random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound_and_stay_within_their_step() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        let steps: Vec<_> = (1..=4)
            .map(|failures| backoff.bounds(failures).1.as_millis())
            .collect();
        assert_eq!(steps, [100, 200, 350, 350]);
        for failures in [1, 2, 3, 90] {
            let (least, most) = backoff.bounds(failures);
            for _ in 0..100 {
                let delay = backoff.delay(failures);
                assert!(least <= delay && delay <= most, "{delay:?}");
            }
        }
    }
}
