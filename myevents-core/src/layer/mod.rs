//! Wrappers of the ports: [`Retry`], [`Timeout`] and [`Chaos`], each usable around every port.
//!
//! A wrapper is an [`Around`]: it decides how a call is carried out, without knowing which call it is. [`Layered`]
//! carries each port's methods to it, once for all wrappers. Capabilities pass through unchanged.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use myevents_core::layer::{Layered, Retry, RetryPolicy, Timeout};
//! use myevents_core::ports::Store;
//!
//! fn patient(store: Arc<dyn Store>) -> Arc<dyn Store> {
//!     let bounded = Arc::new(Layered::new(store, Timeout::of(Duration::from_secs(3))));
//!     Arc::new(Layered::new(bounded, Retry::new(RetryPolicy::default())))
//! }
//! ```

mod broker;
mod chaos;
mod outbox_inbox;
mod retry;
mod store;
mod timeout;

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use chaos::{Chaos, FaultCounts, FaultRates};
pub use retry::{Retry, RetryPolicy};
pub use timeout::Timeout;

use crate::error::{Error, ErrorKind, Result};

/// What a call does to the backend, as far as a wrapper has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes something; a repeat of the same call changes nothing more, or only what a repeat may (a message that is
    /// published twice).
    Write,
    /// Changes something under a guard that its own success removes (an expected version): a repeat after a lost
    /// answer would be refused although the first try succeeded.
    GuardedWrite,
    /// Closes the port.
    Close,
}

/// One call of a port, as a wrapper sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// What is called, as a short verb phrase.
    pub operation: &'static str,
    /// What it does to the backend.
    pub effect: Effect,
}

impl Call {
    const fn read(operation: &'static str) -> Self {
        Self {
            operation,
            effect: Effect::Read,
        }
    }

    const fn write(operation: &'static str) -> Self {
        Self {
            operation,
            effect: Effect::Write,
        }
    }

    const fn guarded(operation: &'static str) -> Self {
        Self {
            operation,
            effect: Effect::GuardedWrite,
        }
    }

    const fn close(operation: &'static str) -> Self {
        Self {
            operation,
            effect: Effect::Close,
        }
    }

    /// The error of a call that was sent and whose answer will not be seen: reads had no effect to speak of.
    fn answer_lost(self, message: &'static str) -> Error {
        let kind = match self.effect {
            Effect::Read | Effect::Close => ErrorKind::Unavailable,
            Effect::Write | Effect::GuardedWrite => ErrorKind::OutcomeUnknown,
        };
        Error::new(kind, self.operation, message)
    }
}

/// How calls are carried out. The futures that `run` makes own all they need, so they can be spawned.
pub trait Around: Debug + Send + Sync + 'static {
    /// Carries out a call that can be made more than once: each `run()` is one call of the wrapped port.
    fn call<R, F>(&self, call: Call, run: F) -> impl Future<Output = Result<R>> + Send
    where
        R: Send + 'static,
        F: Fn() -> BoxFuture<'static, Result<R>> + Send + Sync;

    /// Carries out a call that is answered for each of its items, in their order: each `run(items)` is one call.
    fn batch<I, R, F>(
        &self,
        call: Call,
        items: Vec<I>,
        run: F,
    ) -> impl Future<Output = Vec<Result<R>>> + Send
    where
        I: Clone + Send + Sync + 'static,
        R: Send + 'static,
        F: Fn(Vec<I>) -> BoxFuture<'static, Vec<Result<R>>> + Send + Sync;

    /// Carries out a call that can be made only once. A future that is dropped unpolled has made no call.
    fn once<R>(
        &self,
        call: Call,
        run: BoxFuture<'static, Result<R>>,
    ) -> impl Future<Output = Result<R>> + Send
    where
        R: Send + 'static;
}

/// A port `P` whose calls go through `A`: implements every port that `P` implements.
#[derive(Debug)]
pub struct Layered<P: ?Sized, A> {
    inner: Arc<P>,
    around: Arc<A>,
}

impl<P: ?Sized, A: Around> Layered<P, A> {
    /// Wraps `inner`.
    pub fn new(inner: Arc<P>, around: A) -> Self {
        Self {
            inner,
            around: Arc::new(around),
        }
    }

    /// The wrapped port.
    #[must_use]
    pub fn inner(&self) -> &Arc<P> {
        &self.inner
    }

    /// The wrapper, for its switches and counts.
    #[must_use]
    pub fn around(&self) -> &Arc<A> {
        &self.around
    }
}

impl<P: ?Sized, A> Clone for Layered<P, A> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            around: Arc::clone(&self.around),
        }
    }
}

/// One method of a port through the wrapper: `through!(self, read "find event", [id = id.clone()], port => port.find(&id))`.
/// The named values are made once and cloned for each call.
macro_rules! through {
    ($self:ident, $effect:ident $operation:literal, [$($arg:ident = $owned:expr),*], $port:ident => $call:expr) => {{
        let shared = ::std::sync::Arc::clone(&$self.inner);
        $(let $arg = $owned;)*
        $self
            .around
            .call($crate::layer::Call::$effect($operation), move || {
                let $port = ::std::sync::Arc::clone(&shared);
                $(let $arg = $arg.clone();)*
                Box::pin(async move { $call.await })
            })
            .await
    }};
}
use through;

#[cfg(test)]
mod tests;
