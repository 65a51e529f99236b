//! Rates of many callers at once, in alternating rounds, and the median of the paired ratios.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

/// Calls a second that `callers` make one after the other each, for `time`.
///
/// # Errors
/// The first call that fails.
pub(crate) async fn rate<F, W>(callers: usize, time: Duration, call: F) -> Result<f64>
where
    F: Fn() -> W + Clone + Send + 'static,
    W: Future<Output = Result<()>> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (call, done) = (call.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                while began.elapsed() < time {
                    call().await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

/// What the rounds of a pair came to.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pairs: Vec<(f64, f64)>,
}

impl Rounds {
    /// Measures both sides once, the first one first in even rounds.
    ///
    /// # Errors
    /// When a side fails.
    pub(crate) async fn add(
        &mut self,
        round: usize,
        ours: impl Future<Output = Result<f64>>,
        bare: impl Future<Output = Result<f64>>,
    ) -> Result<()> {
        let pair = if round.is_multiple_of(2) {
            let ours = ours.await?;
            (ours, bare.await?)
        } else {
            let bare = bare.await?;
            (ours.await?, bare)
        };
        self.pairs.push(pair);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The median of the ratios, with their range.
    pub(crate) fn ratio(&self) -> String {
        let ratios = sorted(self.pairs.iter().map(|(ours, bare)| ours / bare));
        let ends = (ratios.first().copied(), ratios.last().copied());
        let (low, high) = (ends.0.unwrap_or_default(), ends.1.unwrap_or_default());
        format!("{:.2} [{low:.2}, {high:.2}]", middle(&ratios))
    }

    pub(crate) fn ours(&self) -> f64 {
        middle(&sorted(self.pairs.iter().map(|(ours, _)| *ours)))
    }

    pub(crate) fn bare(&self) -> f64 {
        middle(&sorted(self.pairs.iter().map(|(_, bare)| *bare)))
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The middle value; 0 for none.
pub(crate) fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
