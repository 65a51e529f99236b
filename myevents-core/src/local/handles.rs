//! Emitters and listeners of their own over one local broker: closing one leaves the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::contract::Envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::local::LocalBroker;
use crate::local::broker::closed;
use crate::ports::{BrokerCapabilities, DeliveryStream, EventEmitter, EventListener, Subscription};

/// An emitter of its own. Closing it waits for its open publishes, at most
/// [`LocalOptions::close_timeout`](crate::local::LocalOptions::close_timeout); those that are open then answer
/// `OutcomeUnknown`.
#[derive(Debug)]
pub struct LocalEmitter {
    broker: LocalBroker,
    closed: AtomicBool,
    open: Arc<AtomicUsize>,
    answered: Arc<Notify>,
    given_up: CancellationToken,
}

impl LocalEmitter {
    pub(super) fn new(broker: LocalBroker) -> Self {
        Self {
            broker,
            closed: AtomicBool::new(false),
            open: Arc::default(),
            answered: Arc::default(),
            given_up: CancellationToken::new(),
        }
    }
}

/// Counts one call as open, also when its future is dropped.
struct Open<'a>(&'a LocalEmitter);

impl<'a> Open<'a> {
    fn new(emitter: &'a LocalEmitter) -> Self {
        emitter.open.fetch_add(1, Ordering::AcqRel);
        Self(emitter)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.answered.notify_waiters();
        }
    }
}

#[async_trait]
impl EventEmitter for LocalEmitter {
    fn capabilities(&self) -> BrokerCapabilities {
        EventEmitter::capabilities(&self.broker)
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        let _open = Open::new(self);
        if self.closed.load(Ordering::Acquire) {
            return messages.iter().map(|_| Err(closed("publish"))).collect();
        }
        tokio::select! {
            biased;
            results = self.broker.emit(messages) => results,
            () = self.given_up.cancelled() => messages
                .iter()
                .map(|_| {
                    Err(Error::new(
                        ErrorKind::OutcomeUnknown,
                        "publish",
                        "the emitter was closed before every handler finished",
                    ))
                })
                .collect(),
        }
    }

    async fn ping(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed("ping"));
        }
        self.broker.ping().await
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        let all_answered = async {
            loop {
                let answered = self.answered.notified();
                tokio::pin!(answered);
                answered.as_mut().enable();
                if self.open.load(Ordering::Acquire) == 0 {
                    return;
                }
                answered.await;
            }
        };
        if tokio::time::timeout(self.broker.close_timeout(), all_answered)
            .await
            .is_err()
        {
            tracing::warn!("handlers of open publishes did not finish before the emitter was closed");
        }
        self.given_up.cancel();
        Ok(())
    }
}

/// A listener of its own. Closing it ends its streams; its groups keep what is published for whoever subscribes next.
#[derive(Debug)]
pub struct LocalListener {
    broker: LocalBroker,
    stopped: CancellationToken,
}

impl LocalListener {
    pub(super) fn new(broker: LocalBroker, stopped: CancellationToken) -> Self {
        Self { broker, stopped }
    }
}

#[async_trait]
impl EventListener for LocalListener {
    fn capabilities(&self) -> BrokerCapabilities {
        EventListener::capabilities(&self.broker)
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<DeliveryStream> {
        if self.stopped.is_cancelled() {
            return Err(closed("subscribe"));
        }
        self.broker.subscribe_until(subscription, self.stopped.clone())
    }

    async fn close(&self) -> Result<()> {
        self.stopped.cancel();
        Ok(())
    }
}
