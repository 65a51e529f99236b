//! A real Kafka for tests, with the fault proxy before it, and places in it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use myevents_adapters::kafka::rdkafka::ClientConfig;
use myevents_adapters::kafka::{KafkaBroker, KafkaConfig};
use myevents_core::ports::{BrokerCapabilities, DeadLetters, EventEmitter, EventListener};
use myevents_core::testkit::FaultProxy;
use myevents_core::testkit::broker::{BrokerFixture, BrokerPlace, BrokerTimes};
use myevents_servers::Server;
use tokio::runtime::Handle;

/// How long a consumer may be silent, and between two polls.
pub(crate) const HOLD: Duration = Duration::from_millis(1_500);
/// After this a publish is given up.
pub(crate) const DELIVERY: Duration = Duration::from_secs(3);

static PLACES: AtomicU32 = AtomicU32::new(0);

/// One node whose clients all come through the proxy.
#[derive(Debug)]
pub(crate) struct Kafka {
    pub(crate) server: parking_lot::Mutex<Server>,
    pub(crate) proxy: Arc<FaultProxy>,
}

impl Kafka {
    /// Starts one; none where it is not installed, which is noted as a skip.
    pub(crate) async fn start(test: &'static str) -> Result<Option<Arc<Self>>> {
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || {
            let mut proxy = None;
            let server = Server::start_behind(test, |address| {
                let started = handle.block_on(FaultProxy::start(address))?;
                let front = started.address();
                proxy = Some(started);
                Ok(front)
            })?;
            Ok(server.zip(proxy).map(|(server, proxy)| {
                Arc::new(Self {
                    server: parking_lot::Mutex::new(server),
                    proxy: Arc::new(proxy),
                })
            }))
        })
        .await?
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Client settings with short times.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", self.address().to_string())
            .set("session.timeout.ms", HOLD.as_millis().to_string())
            .set("max.poll.interval.ms", HOLD.as_millis().to_string())
            .set("heartbeat.interval.ms", "200");
        client
    }

    /// The settings of a fresh topic with this many partitions.
    pub(crate) fn config(&self, partitions: u32) -> KafkaConfig {
        self.named(&new_topic(), partitions)
    }

    pub(crate) fn named(&self, topic: &str, partitions: u32) -> KafkaConfig {
        let mut config = KafkaConfig::from_client_config(self.client());
        config.topic = topic.to_owned();
        config.partitions = partitions;
        config.delivery_timeout = DELIVERY;
        config.request_timeout = Duration::from_secs(3);
        config
    }

    pub(crate) async fn kill(self: &Arc<Self>) -> Result<()> {
        self.on_server(Server::kill).await
    }

    pub(crate) async fn stop(self: &Arc<Self>) -> Result<()> {
        self.on_server(Server::stop).await
    }

    pub(crate) async fn restart(self: &Arc<Self>) -> Result<()> {
        self.on_server(Server::restart).await
    }

    async fn on_server(self: &Arc<Self>, act: fn(&mut Server) -> Result<()>) -> Result<()> {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || act(&mut this.server.lock())).await?
    }
}

/// A topic's name that nobody else has.
pub(crate) fn new_topic() -> String {
    let number = PLACES.fetch_add(1, Ordering::SeqCst);
    format!("t{}-{number}", std::process::id())
}

/// The broker suite's view of it.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) kafka: Arc<Kafka>,
    pub(crate) partitions: u32,
}

#[async_trait]
impl BrokerFixture for Fixture {
    fn capabilities(&self) -> BrokerCapabilities {
        KafkaBroker::new(self.kafka.config(1)).unwrap().capabilities()
    }

    fn times(&self) -> BrokerTimes {
        BrokerTimes {
            quiet: Duration::from_millis(500),
            slack: Duration::from_secs(2),
            notices_dead_peer: Some(DELIVERY),
            hold: Some(HOLD),
        }
    }

    async fn place(&self) -> myevents_core::Result<Arc<dyn BrokerPlace>> {
        let config = self.kafka.config(self.partitions);
        Ok(Arc::new(Place {
            broker: KafkaBroker::new(config.clone())?,
            config,
            kafka: Arc::clone(&self.kafka),
        }))
    }
}

#[derive(Debug)]
struct Place {
    broker: KafkaBroker,
    config: KafkaConfig,
    kafka: Arc<Kafka>,
}

#[async_trait]
impl BrokerPlace for Place {
    async fn emitter(&self) -> myevents_core::Result<Arc<dyn EventEmitter>> {
        Ok(Arc::new(self.broker.emitter()?))
    }

    async fn legacy_emitter(&self) -> myevents_core::Result<Arc<dyn EventEmitter>> {
        let mut config = self.config.clone();
        config.legacy_names = true;
        Ok(Arc::new(KafkaBroker::new(config)?.emitter()?))
    }

    async fn emitter_to_nowhere(&self) -> myevents_core::Result<Option<Arc<dyn EventEmitter>>> {
        let mut config = self.kafka.config(1);
        config.create_topics = false;
        Ok(Some(Arc::new(KafkaBroker::new(config)?.emitter()?)))
    }

    async fn listener(&self) -> myevents_core::Result<Arc<dyn EventListener>> {
        Ok(Arc::new(self.broker.listener()))
    }

    async fn dead_letters(&self, group: &str) -> myevents_core::Result<Arc<dyn DeadLetters>> {
        Ok(Arc::new(self.broker.dead_letters(group)?))
    }

    fn network(&self) -> Option<Arc<FaultProxy>> {
        Some(Arc::clone(&self.kafka.proxy))
    }
}
