//! What the clients of one run counted: latencies, statuses, and every booking that was accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// A booking the service said yes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The event's place in the plan.
    pub event: usize,
    /// The booking's id.
    pub id: String,
    /// Its seats.
    pub seats: u64,
    /// Whether it was cancelled afterwards.
    pub cancelled: bool,
}

/// The counts of one client, or of all together.
#[derive(Debug)]
pub struct Tally {
    /// In microseconds.
    pub latency: Histogram<u64>,
    /// How often each outcome came.
    pub outcomes: BTreeMap<String, u64>,
    /// The accepted bookings.
    pub accepted: Vec<Accepted>,
    /// Requests that were repeats.
    pub retries: u64,
    /// The bytes of all bodies read.
    pub body_bytes: u64,
    /// How long the run took.
    pub elapsed: Duration,
}

impl Default for Tally {
    fn default() -> Self {
        // One microsecond to ten minutes with three digits; the bounds are constants, so this cannot fail.
        #[allow(
            clippy::expect_used,
            reason = "the bounds are constants within the histogram's limits"
        )]
        let latency = Histogram::new_with_bounds(1, 600_000_000, 3).expect("constant bounds are valid");
        Self {
            latency,
            outcomes: BTreeMap::new(),
            accepted: Vec::new(),
            retries: 0,
            body_bytes: 0,
            elapsed: Duration::ZERO,
        }
    }
}

impl Tally {
    /// Notes one request.
    pub fn note(&mut self, outcome: &str, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros.max(1));
        match self.outcomes.get_mut(outcome) {
            Some(count) => *count += 1,
            None => {
                self.outcomes.insert(outcome.to_owned(), 1);
            }
        }
    }

    /// Adds another client's counts.
    pub fn add(&mut self, other: Self) {
        // Both have the same bounds, so that adding cannot fail.
        let added = self.latency.add(&other.latency);
        debug_assert!(added.is_ok());
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.accepted.extend(other.accepted);
        self.retries += other.retries;
        self.body_bytes += other.body_bytes;
    }

    /// Answered requests a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.latency.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// A latency in milliseconds.
    #[must_use]
    pub fn millis(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1000.0
    }

    /// All of it for a program to read.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "requests": self.latency.len(),
            "per_second": self.per_second(),
            "outcomes": self.outcomes,
            "accepted": self.accepted.len(),
            "seats": self.accepted.iter().map(|each| each.seats).sum::<u64>(),
            "retries": self.retries,
            "latency_ms": {
                "p50": self.millis(50.0), "p90": self.millis(90.0), "p99": self.millis(99.0),
                "p99.9": self.millis(99.9), "max": self.latency.max() as f64 / 1000.0,
                "mean": self.latency.mean() / 1000.0,
            },
        })
    }
}
