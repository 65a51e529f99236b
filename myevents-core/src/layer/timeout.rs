//! Bounds how long a caller waits for a port, without ever dropping a driver's future in mid-flight.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use crate::error::Result;
use crate::layer::{Around, Call, Effect};

/// Stops waiting for a call after a time. The call itself runs on in a task of its own, also when the caller goes away:
/// a driver that is dropped between its request and its answer may leave a connection or a transaction half-done.
///
/// # Errors
/// `Unavailable` for a read, `OutcomeUnknown` for a write that was not answered in time, for each item of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Timeout {
    read: Duration,
    write: Duration,
}

impl Timeout {
    /// Waits this long for every call.
    #[must_use]
    pub fn of(limit: Duration) -> Self {
        Self::new(limit, limit)
    }

    /// Waits `read` for calls that change nothing, `write` for the others.
    #[must_use]
    pub fn new(read: Duration, write: Duration) -> Self {
        Self { read, write }
    }

    async fn wait<T: Send + 'static>(&self, call: Call, run: BoxFuture<'static, T>) -> Result<T> {
        let limit = match call.effect {
            Effect::Read => self.read,
            Effect::Write | Effect::GuardedWrite | Effect::Close => self.write,
        };
        // Dropping the handle detaches the task: it is never aborted.
        let task: JoinHandle<T> = tokio::spawn(run);
        match tokio::time::timeout(limit, task).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(stopped)) => Err(call
                .answer_lost("the call panicked or the runtime stopped")
                .caused_by(stopped)),
            Err(_) => Err(call
                .answer_lost("not answered in time")
                .with("waited_ms", limit.as_millis())),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Around for Timeout {
    async fn call<R, F>(&self, call: Call, run: F) -> Result<R>
    where
        R: Send + 'static,
        F: Fn() -> BoxFuture<'static, Result<R>> + Send + Sync,
    {
        self.wait(call, run()).await?
    }

    async fn batch<I, R, F>(&self, call: Call, items: Vec<I>, run: F) -> Vec<Result<R>>
    where
        I: Clone + Send + Sync + 'static,
        R: Send + 'static,
        F: Fn(Vec<I>) -> BoxFuture<'static, Vec<Result<R>>> + Send + Sync,
    {
        let count = items.len();
        match self.wait(call, run(items)).await {
            Ok(answers) => answers,
            Err(error) => (0..count).map(|_| Err(error.duplicate())).collect(),
        }
    }

    async fn once<R>(&self, call: Call, run: BoxFuture<'static, Result<R>>) -> Result<R>
    where
        R: Send + 'static,
    {
        self.wait(call, run).await?
    }
}
