//! The broker suite on `local`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_core::Result;
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::memory::MemoryStore;
use myevents_core::observe::NoObserver;
use myevents_core::ports::{BrokerCapabilities, DeadLetters, EventEmitter, EventListener, SystemClock};
use myevents_core::testkit::FaultProxy;
use myevents_core::testkit::broker::{BrokerFixture, BrokerPlace, BrokerTimes, run_broker_suite};

#[derive(Debug)]
struct Local;

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
impl BrokerFixture for Local {
    fn capabilities(&self) -> BrokerCapabilities {
        EventEmitter::capabilities(&broker())
    }

    fn times(&self) -> BrokerTimes {
        BrokerTimes {
            quiet: Duration::from_millis(150),
            slack: Duration::from_secs(1),
            notices_dead_peer: None,
            hold: None,
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

#[tokio::test(flavor = "multi_thread")]
async fn the_local_broker_passes_the_suite() {
    let report = run_broker_suite(&Local).await;
    println!("{report}");
    if let Err(failure) = report.into_result() {
        panic!("{failure}");
    }
}
