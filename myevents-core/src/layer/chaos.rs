//! Seeded faults for tests and drills: errors before a call, answers lost after it took effect, delays.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::error::{Error, ErrorKind, Result};
use crate::layer::{Around, Call, Effect};

/// How likely each fault is, from 0 to 1. For a batch the first two count for each item.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FaultRates {
    /// The call is not made: `Unavailable`.
    pub before: f64,
    /// The call is made and took effect, and its answer is lost: `OutcomeUnknown`, `Unavailable` for a read.
    pub after: f64,
    /// The call starts late, by a random part of `longest_delay`.
    pub delay: f64,
    /// The longest delay.
    pub longest_delay: Duration,
}

/// How many faults there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounts {
    /// Calls that were not made.
    pub before: u64,
    /// Answers that were lost.
    pub after: u64,
    /// Calls that started late.
    pub delayed: u64,
}

/// Makes faults at random, the same ones for the same seed and order of calls. Closing is left alone.
#[derive(Debug)]
pub struct Chaos {
    reads: FaultRates,
    writes: FaultRates,
    random: Mutex<StdRng>,
    calm: AtomicBool,
    before: AtomicU64,
    after: AtomicU64,
    delayed: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Before,
    After,
}

impl Chaos {
    /// Faults at these rates for every call.
    #[must_use]
    pub fn new(seed: u64, rates: FaultRates) -> Self {
        Self::with_rates(seed, rates, rates)
    }

    /// Faults at `reads` for calls that change nothing, at `writes` for the others.
    #[must_use]
    pub fn with_rates(seed: u64, reads: FaultRates, writes: FaultRates) -> Self {
        Self {
            reads,
            writes,
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            calm: AtomicBool::new(false),
            before: AtomicU64::new(0),
            after: AtomicU64::new(0),
            delayed: AtomicU64::new(0),
        }
    }

    /// Stops the faults (`true`) or lets them happen again.
    pub fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::Relaxed);
    }

    /// How many faults there were until now.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        FaultCounts {
            before: self.before.load(Ordering::Relaxed),
            after: self.after.load(Ordering::Relaxed),
            delayed: self.delayed.load(Ordering::Relaxed),
        }
    }

    fn rates(&self, call: Call) -> FaultRates {
        if self.calm.load(Ordering::Relaxed) {
            return FaultRates::default();
        }
        match call.effect {
            Effect::Read => self.reads,
            Effect::Write | Effect::GuardedWrite => self.writes,
            Effect::Close => FaultRates::default(),
        }
    }

    fn throw(&self, call: Call) -> Option<Fault> {
        let rates = self.rates(call);
        let mut random = self.random.lock();
        // Both are thrown always, so that one rate does not shift the faults of the other.
        let (before, after) = (random.random_bool(rates.before), random.random_bool(rates.after));
        drop(random);
        if before {
            self.before.fetch_add(1, Ordering::Relaxed);
            Some(Fault::Before)
        } else if after {
            self.after.fetch_add(1, Ordering::Relaxed);
            Some(Fault::After)
        } else {
            None
        }
    }

    async fn delay(&self, call: Call) {
        let rates = self.rates(call);
        let (late, part) = {
            let mut random = self.random.lock();
            (random.random_bool(rates.delay), random.random::<f64>())
        };
        if late {
            self.delayed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(rates.longest_delay.mul_f64(part)).await;
        }
    }
}

fn not_made(call: Call) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        call.operation,
        "a planted fault before the call",
    )
}

fn lost(call: Call) -> Error {
    call.answer_lost("a planted fault after the call")
}

#[deny(clippy::missing_trait_methods)]
impl Around for Chaos {
    async fn call<R, F>(&self, call: Call, run: F) -> Result<R>
    where
        R: Send + 'static,
        F: Fn() -> BoxFuture<'static, Result<R>> + Send + Sync,
    {
        self.once(call, run()).await
    }

    async fn batch<I, R, F>(&self, call: Call, items: Vec<I>, run: F) -> Vec<Result<R>>
    where
        I: Clone + Send + Sync + 'static,
        R: Send + 'static,
        F: Fn(Vec<I>) -> BoxFuture<'static, Vec<Result<R>>> + Send + Sync,
    {
        self.delay(call).await;
        let faults: Vec<Option<Fault>> = items.iter().map(|_| self.throw(call)).collect();
        let sent: Vec<I> = items
            .into_iter()
            .zip(&faults)
            .filter(|(_, fault)| !matches!(fault, Some(Fault::Before)))
            .map(|(item, _)| item)
            .collect();
        let mut answers = if sent.is_empty() {
            Vec::new()
        } else {
            run(sent).await
        }
        .into_iter();
        faults
            .into_iter()
            .map(|fault| match fault {
                Some(Fault::Before) => Err(not_made(call)),
                Some(Fault::After) => {
                    // An error that was answered had no effect to lose the answer of, and stays what it is.
                    match answers.next() {
                        Some(Err(error)) => Err(error),
                        _ => Err(lost(call)),
                    }
                }
                None => answers.next().unwrap_or_else(|| Err(lost(call))),
            })
            .collect()
    }

    async fn once<R>(&self, call: Call, run: BoxFuture<'static, Result<R>>) -> Result<R>
    where
        R: Send + 'static,
    {
        self.delay(call).await;
        match self.throw(call) {
            Some(Fault::Before) => Err(not_made(call)),
            Some(Fault::After) => {
                run.await?;
                Err(lost(call))
            }
            None => run.await,
        }
    }
}
