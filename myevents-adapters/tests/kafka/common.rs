//! A real Kafka for tests, with the fault proxy before it, and places in it.
#![allow(dead_code, reason = "two test programs share this, and each uses a part")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use myevents_adapters::kafka::rdkafka::ClientConfig;
use myevents_adapters::kafka::{KafkaBroker, KafkaConfig};
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::ports::{
    BrokerCapabilities, Clock as _, DeadLetters, Delivery, DeliveryStream, EventEmitter, EventListener,
    IdSource as _, RandomIds, StartFrom, Subscription, SystemClock,
};
use myevents_core::testkit::FaultProxy;
use myevents_core::testkit::broker::{BrokerFixture, BrokerPlace, BrokerTimes};
use myevents_servers::{Kind, Server, require};
use tokio::runtime::Handle;

/// How long a consumer may be silent, and between two polls.
pub(crate) const HOLD: Duration = Duration::from_secs(6);
/// After this a publish is given up.
pub(crate) const DELIVERY: Duration = Duration::from_secs(6);

static PLACES: AtomicU32 = AtomicU32::new(0);
/// Tells this run's topics from those of other runs on the shared server.
static RUN: LazyLock<u64> = LazyLock::new(rand::random);

/// One node: a test's own, whose clients come through a proxy, or the shared one.
#[derive(Debug)]
pub(crate) struct Kafka {
    /// How clients name it.
    address: String,
    own: Option<(parking_lot::Mutex<Server>, Arc<FaultProxy>)>,
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
                    address: proxy.address().to_string(),
                    own: Some((parking_lot::Mutex::new(server), Arc::new(proxy))),
                })
            }))
        })
        .await?
    }

    /// The one that all tests share, whoever runs it; none is noted as a skip.
    pub(crate) async fn shared(test: &'static str) -> Result<Option<Arc<Self>>> {
        let url = tokio::task::spawn_blocking(move || require(test, Kind::Kafka)).await?;
        Ok(url.map(|address| Arc::new(Self { address, own: None })))
    }

    /// One that is there, by its address.
    pub(crate) fn at(address: String) -> Self {
        Self { address, own: None }
    }

    fn own(&self) -> &(parking_lot::Mutex<Server>, Arc<FaultProxy>) {
        self.own.as_ref().expect("faults are for a test's own Kafka")
    }

    pub(crate) fn proxy(&self) -> Arc<FaultProxy> {
        Arc::clone(&self.own().1)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Client settings with short times.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", self.address())
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
        tokio::task::spawn_blocking(move || act(&mut this.own().0.lock())).await?
    }
}

/// A topic's name that nobody else has.
pub(crate) fn new_topic() -> String {
    let number = PLACES.fetch_add(1, Ordering::SeqCst);
    format!("t{:x}-{number}", *RUN)
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
            slack: Duration::from_secs(10),
            notices_dead_peer: Some(DELIVERY),
            hold: Some(HOLD),
            most_messages: None,
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
        Some(self.kafka.proxy())
    }
}

/// Waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A message of the tests' own name.
pub(crate) fn message(key: &str, number: usize) -> Envelope {
    Envelope::builder(RandomIds.message_id(), MessageName::from_static("test.made"), key)
        .time(SystemClock.now())
        .body(format!(r#"{{"number":{number}}}"#))
        .build()
}

/// The number in the body of [`message`].
pub(crate) fn number(envelope: &Envelope) -> usize {
    let body: serde_json::Value = serde_json::from_slice(envelope.body()).unwrap();
    usize::try_from(body["number"].as_u64().unwrap()).unwrap()
}

/// A subscription to everything.
pub(crate) fn everything(group: &str, prefetch: usize) -> Subscription {
    Subscription {
        group: group.to_owned(),
        names: Vec::new(),
        prefetch,
        from: StartFrom::Now,
    }
}

/// Publishes one by one a key, keys side by side, each again while its error says so. Answers how often that was.
pub(crate) async fn publish(
    emitter: Arc<dyn EventEmitter>,
    messages: Vec<Envelope>,
    pace: Duration,
) -> Result<usize> {
    let mut by_key: BTreeMap<String, Vec<Envelope>> = BTreeMap::new();
    for message in messages {
        by_key.entry(message.key().to_owned()).or_default().push(message);
    }
    let runs = by_key.into_values().map(|run| {
        let emitter = Arc::clone(&emitter);
        async move {
            let mut again = 0;
            for message in run {
                while let Err(error) = emitter.emit(std::slice::from_ref(&message)).await.remove(0) {
                    anyhow::ensure!(error.is_retryable(), "{error:?}");
                    again += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                tokio::time::sleep(pace).await;
            }
            anyhow::Ok(again)
        }
    });
    Ok(futures_util::future::try_join_all(runs).await?.into_iter().sum())
}

/// The next delivery.
pub(crate) async fn next(stream: &mut DeliveryStream) -> Delivery {
    tokio::time::timeout(PATIENCE, stream.next())
        .await
        .expect("no delivery came")
        .expect("the stream ended")
}

/// Fails if a delivery comes within half a second.
pub(crate) async fn nothing(stream: &mut DeliveryStream) {
    let more = tokio::time::timeout(Duration::from_millis(500), stream.next()).await;
    assert!(more.is_err(), "{more:?}");
}

/// Asks until it is so.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < end, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
