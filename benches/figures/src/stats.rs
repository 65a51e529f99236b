//! Medians, and how sure of them one can be.

use rand::RngExt;

/// A median with the interval that holds it with 90 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} [{:.2}, {:.2}]", self.median, self.low, self.high)
    }
}

/// The middle value; 0 for none.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value below which this share of the values lies; 0 for none.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1) as f64;
    let (below, above) = ((last * share).floor() as usize, (last * share).ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(below), Some(above)) => f64::midpoint(*below, *above),
        _ => 0.0,
    }
}

/// The median of `values` with its 90 % bootstrap interval: the medians of many samples drawn from them with replacement.
pub(crate) fn bootstrap(values: &[f64]) -> Interval {
    let mut medians = Vec::new();
    let mut random = rand::rng();
    for _ in 0..2_000 {
        let sample: Vec<f64> = values
            .iter()
            .map(|_| values[random.random_range(0..values.len())])
            .collect();
        medians.push(median(&sample));
    }
    Interval {
        low: percentile(&medians, 0.05),
        median: median(values),
        high: percentile(&medians, 0.95),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        assert!((median(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!((median(&[]) - 0.0).abs() < 1e-9);
    }

    #[test]
    fn the_interval_holds_the_median() {
        let interval = bootstrap(&[0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 0.7]);
        assert!(interval.low <= interval.median && interval.median <= interval.high);
        assert!(interval.low >= 0.7 && interval.high <= 1.3);
    }
}
