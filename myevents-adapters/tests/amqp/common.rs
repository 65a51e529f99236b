//! What the tests of RabbitMQ share: the server, a broker over it, and a raw client beside ours.
#![allow(dead_code, reason = "each test program uses its part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_adapters::amqp::lapin::{Connection, ConnectionProperties};
use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, AmqpUrl, QueueType};
use myevents_core::Result;
use myevents_core::ports::{
    BrokerCapabilities, DeadLetters, EventEmitter, EventListener, IdSource as _, RandomIds,
};
use myevents_core::testkit::FaultProxy;
use myevents_core::testkit::broker::{BrokerFixture, BrokerPlace, BrokerTimes};
use myevents_servers::{Kind, Server};

/// A RabbitMQ of this test's own, which it may kill. `None` where there is none to start, which is noted.
pub(crate) async fn server(test: &'static str) -> Option<Server> {
    if let Ok(filter) = std::env::var("TEST_LOG") {
        // A second test of the process finds it there already.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
    }
    let starting = move || Server::start_or_skip(test, Kind::Amqp).expect("RabbitMQ starts");
    tokio::task::spawn_blocking(starting)
        .await
        .expect("a task that only waits")
}

/// A name that no other test uses.
pub(crate) fn unique(what: &str) -> String {
    let id = RandomIds.message_id();
    format!("{what}-{id}")
}

/// Settings for a port on this machine: a fresh exchange and queue, and no patience.
pub(crate) fn config(port: u16, queue_type: QueueType) -> AmqpConfig {
    let url = AmqpUrl::parse(&format!("amqp://guest:guest@127.0.0.1:{port}")).expect("a good URL");
    let mut config = AmqpConfig::new(vec![url], "suite", unique("suite"));
    config.exchange.clone_from(&config.queue);
    config.queue_type = queue_type;
    config.heartbeat = Duration::from_secs(3);
    config.reconnect = (Duration::from_millis(20), Duration::from_millis(500));
    config.publish_wait = Duration::from_secs(5);
    config.confirm_timeout = Duration::from_secs(10);
    config
}

/// The same with the patience of a service, for tests that take nothing away: the machine may be busy.
pub(crate) fn patient(port: u16, queue_type: QueueType) -> AmqpConfig {
    let mut config = config(port, queue_type);
    config.heartbeat = Duration::from_secs(30);
    config.publish_wait = Duration::from_secs(6);
    config.confirm_timeout = Duration::from_secs(30);
    config
}

/// A connection of the raw client.
pub(crate) async fn raw(port: u16) -> Arc<Connection> {
    let url = format!("amqp://guest:guest@127.0.0.1:{port}");
    let properties = ConnectionProperties::default();
    Arc::new(
        Connection::connect(&url, properties)
            .await
            .expect("RabbitMQ is there"),
    )
}

/// RabbitMQ for the suite: each place has an exchange, queues and a fault proxy of its own.
#[derive(Debug)]
pub(crate) struct Rabbit {
    pub(crate) port: u16,
    pub(crate) queue_type: QueueType,
}

#[derive(Debug)]
struct Place {
    config: AmqpConfig,
    proxy: Arc<FaultProxy>,
}

#[async_trait]
impl BrokerFixture for Rabbit {
    fn capabilities(&self) -> BrokerCapabilities {
        let broker = AmqpBroker::connect(config(self.port, self.queue_type)).expect("good settings");
        broker.emitter().capabilities()
    }

    fn times(&self) -> BrokerTimes {
        BrokerTimes {
            quiet: Duration::from_millis(300),
            slack: Duration::from_secs(10),
            // Silent for twice the heartbeat.
            notices_dead_peer: Some(Duration::from_secs(6)),
            hold: None,
            most_messages: None,
        }
    }

    async fn place(&self) -> Result<Arc<dyn BrokerPlace>> {
        let broker = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let proxy = FaultProxy::start(broker).await.expect("a free port");
        Ok(Arc::new(Place {
            config: config(proxy.address().port(), self.queue_type),
            proxy: Arc::new(proxy),
        }))
    }
}

impl Place {
    fn broker(&self) -> Result<AmqpBroker> {
        AmqpBroker::connect(self.config.clone())
    }
}

#[async_trait]
impl BrokerPlace for Place {
    async fn emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        Ok(self.broker()?.emitter())
    }

    async fn legacy_emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        let mut config = self.config.clone();
        config.legacy_names = true;
        Ok(AmqpBroker::connect(config)?.emitter())
    }

    async fn emitter_to_nowhere(&self) -> Result<Option<Arc<dyn EventEmitter>>> {
        let mut config = self.config.clone();
        config.create = false;
        config.exchange = unique("nowhere");
        Ok(Some(AmqpBroker::connect(config)?.emitter()))
    }

    async fn listener(&self) -> Result<Arc<dyn EventListener>> {
        Ok(self.broker()?.listener())
    }

    async fn dead_letters(&self, group: &str) -> Result<Arc<dyn DeadLetters>> {
        Ok(self.broker()?.dead_letters(group))
    }

    fn network(&self) -> Option<Arc<FaultProxy>> {
        Some(Arc::clone(&self.proxy))
    }
}

/// Asks again and again until it is so; fails after a minute.
pub(crate) async fn eventually<F, Fut>(what: &str, mut is_so: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(60), asking).await;
    assert!(within.is_ok(), "{what} did not come within a minute");
}
