//! Fixtures that need no server: the `local` broker, and any fixture with its ports wrapped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{BrokerFixture, BrokerPlace, BrokerTimes};
use crate::error::Result;
use crate::local::{LocalBroker, LocalOptions};
use crate::memory::MemoryStore;
use crate::observe::NoObserver;
use crate::ports::{BrokerCapabilities, DeadLetters, EventEmitter, EventListener, SystemClock};
use crate::testkit::FaultProxy;

/// The `local` broker with dead letters in memory: each place is a broker of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalFixture;

#[derive(Debug)]
struct LocalPlace {
    broker: LocalBroker,
    store: Arc<MemoryStore>,
}

fn broker() -> LocalBroker {
    let options = LocalOptions {
        resend_interval: Duration::from_millis(20),
        ..LocalOptions::default()
    };
    LocalBroker::new(options, Arc::new(NoObserver))
}

#[async_trait]
impl BrokerFixture for LocalFixture {
    fn capabilities(&self) -> BrokerCapabilities {
        EventEmitter::capabilities(&broker())
    }

    fn times(&self) -> BrokerTimes {
        BrokerTimes {
            quiet: Duration::from_millis(150),
            slack: Duration::from_secs(5),
            notices_dead_peer: None,
            hold: None,
            most_messages: None,
        }
    }

    async fn place(&self) -> Result<Arc<dyn BrokerPlace>> {
        Ok(Arc::new(LocalPlace {
            broker: broker(),
            store: Arc::new(MemoryStore::new(Arc::new(SystemClock))),
        }))
    }
}

#[async_trait]
impl BrokerPlace for LocalPlace {
    async fn emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        Ok(Arc::new(self.broker.clone()))
    }

    async fn legacy_emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        self.emitter().await
    }

    async fn emitter_to_nowhere(&self) -> Result<Option<Arc<dyn EventEmitter>>> {
        Ok(None)
    }

    async fn listener(&self) -> Result<Arc<dyn EventListener>> {
        Ok(Arc::new(self.broker.clone()))
    }

    async fn dead_letters(&self, group: &str) -> Result<Arc<dyn DeadLetters>> {
        Ok(self.broker.dead_letters(group, self.store.clone()))
    }

    fn network(&self) -> Option<Arc<FaultProxy>> {
        None
    }
}

type Wrap<T> = Arc<dyn Fn(Arc<T>) -> Arc<T> + Send + Sync>;

/// A fixture whose emitters and listeners go through wrappers.
#[derive(Clone)]
pub struct WrappedFixture {
    inner: Arc<dyn BrokerFixture>,
    emitter: Wrap<dyn EventEmitter>,
    listener: Wrap<dyn EventListener>,
}

impl fmt::Debug for WrappedFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedFixture")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl WrappedFixture {
    /// Wraps nothing yet.
    pub fn new(inner: impl BrokerFixture + 'static) -> Self {
        Self {
            inner: Arc::new(inner),
            emitter: Arc::new(|emitter| emitter),
            listener: Arc::new(|listener| listener),
        }
    }

    /// Wraps each emitter.
    #[must_use]
    pub fn emitters(
        mut self,
        wrap: impl Fn(Arc<dyn EventEmitter>) -> Arc<dyn EventEmitter> + Send + Sync + 'static,
    ) -> Self {
        self.emitter = Arc::new(wrap);
        self
    }

    /// Wraps each listener.
    #[must_use]
    pub fn listeners(
        mut self,
        wrap: impl Fn(Arc<dyn EventListener>) -> Arc<dyn EventListener> + Send + Sync + 'static,
    ) -> Self {
        self.listener = Arc::new(wrap);
        self
    }
}

#[async_trait]
impl BrokerFixture for WrappedFixture {
    fn capabilities(&self) -> BrokerCapabilities {
        self.inner.capabilities()
    }

    fn times(&self) -> BrokerTimes {
        self.inner.times()
    }

    async fn place(&self) -> Result<Arc<dyn BrokerPlace>> {
        Ok(Arc::new(WrappedPlace {
            place: self.inner.place().await?,
            fixture: self.clone(),
        }))
    }
}

#[derive(Debug)]
struct WrappedPlace {
    place: Arc<dyn BrokerPlace>,
    fixture: WrappedFixture,
}

#[async_trait]
impl BrokerPlace for WrappedPlace {
    async fn emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        Ok((self.fixture.emitter)(self.place.emitter().await?))
    }

    async fn legacy_emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        Ok((self.fixture.emitter)(self.place.legacy_emitter().await?))
    }

    async fn emitter_to_nowhere(&self) -> Result<Option<Arc<dyn EventEmitter>>> {
        let emitter = self.place.emitter_to_nowhere().await?;
        Ok(emitter.map(|emitter| (self.fixture.emitter)(emitter)))
    }

    async fn listener(&self) -> Result<Arc<dyn EventListener>> {
        Ok((self.fixture.listener)(self.place.listener().await?))
    }

    async fn dead_letters(&self, group: &str) -> Result<Arc<dyn DeadLetters>> {
        self.place.dead_letters(group).await
    }

    fn network(&self) -> Option<Arc<FaultProxy>> {
        self.place.network()
    }
}
