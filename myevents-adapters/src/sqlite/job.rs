//! One write: what it runs, how much it weighs, and whom it answers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

use super::tx::Tx;

/// Whether a job's effect must have reached the disk when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Yes: state, messages, marks.
    Synced,
    /// No: leases and confirms, whose loss means a repeat and nothing worse.
    Relaxed,
}

/// A write on its way through the writer thread.
pub(super) trait Job: Send {
    fn run(&mut self, tx: &Tx<'_>) -> Result<()>;
    fn finish(self: Box<Self>, commit: Result<(), &Error>);
    fn weight(&self) -> usize;
    fn durability(&self) -> Durability;
    /// Whether it must not run twice, so that it needs a savepoint from the start.
    fn once(&self) -> bool;
}

/// A job that runs a closure and answers through a channel.
pub(super) struct JobOf<T, F> {
    pub(super) work: F,
    pub(super) weight: usize,
    pub(super) durability: Durability,
    pub(super) once: bool,
    pub(super) result: Option<Result<T>>,
    pub(super) answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnMut(&Tx<'_>) -> Result<T> + Send> Job for JobOf<T, F> {
    fn run(&mut self, tx: &Tx<'_>) -> Result<()> {
        let work = &mut self.work;
        let result = catch_unwind(AssertUnwindSafe(|| work(tx))).unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Internal,
                "write",
                "a fault of this program stopped the write; nothing was stored",
            ))
        });
        let outcome = match &result {
            Ok(_) => Ok(()),
            Err(error) => Err(error.duplicate()),
        };
        self.result = Some(result);
        outcome
    }

    fn finish(self: Box<Self>, commit: Result<(), &Error>) {
        let answer = match (commit, self.result) {
            (Err(error), _) => Err(error.duplicate()),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(Error::new(ErrorKind::Internal, "write", "a write was skipped")),
        };
        // Whoever asked may have gone away; the write stands.
        let _ = self.answer.send(answer);
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn once(&self) -> bool {
        self.once
    }
}
