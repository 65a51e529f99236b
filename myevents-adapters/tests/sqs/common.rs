//! What the tests of SQS share: the servers, brokers over them, and a raw client beside ours.
#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_adapters::sns::{SnsTopic, aws_sdk_sns, with_clients};
use myevents_adapters::sqs::aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use myevents_adapters::sqs::aws_sdk_sqs::{Client, Config, config};
use myevents_adapters::sqs::{SqsBroker, SqsConfig};
use myevents_core::Result;
use myevents_core::contract::Envelope;
use myevents_core::ports::{
    BrokerCapabilities, DeadLetters, DeliveryStream, EventEmitter, EventListener, Subscription,
};
use myevents_core::testkit::FaultProxy;
use myevents_core::testkit::broker::{BrokerFixture, BrokerPlace, BrokerTimes};
use myevents_servers::skip::full_scale;
use myevents_servers::{Kind, Server};
use parking_lot::Mutex;

/// A server of this test's own. `None` where there is none to start, which is noted.
pub(crate) async fn server(test: &'static str, kind: Kind) -> Option<Server> {
    if let Ok(filter) = std::env::var("TEST_LOG") {
        // A second test of the process finds it there already.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
    }
    let starting = move || Server::start_or_skip(test, kind).expect("the server starts");
    tokio::task::spawn_blocking(starting)
        .await
        .expect("a task that only waits")
}

/// A name of a queue that no other test uses, with the end that says what it is.
pub(crate) fn unique(end: &str) -> String {
    format!("t{:016x}{end}", rand::random::<u64>())
}

/// The settings of a client for a server that takes any credentials.
pub(crate) fn settings(endpoint: &str) -> config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
}

/// A plain HTTP client, as the SDK has none by itself.
pub(crate) fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    Client::from_conf(settings(endpoint).http_client(http).build())
}

/// A client of SNS, likewise.
pub(crate) fn topics(endpoint: &str) -> aws_sdk_sns::Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let settings = aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(http);
    aws_sdk_sns::Client::from_conf(settings.build())
}

/// A fresh topic on a server that knows policies at once.
pub(crate) fn topic(end: &str) -> SnsTopic {
    let mut topic = SnsTopic::new(unique(end));
    topic.policy_wait = Duration::ZERO;
    topic
}

/// How long a message is hidden from others; longer than a request may take on a busy machine.
const HOLD: Duration = Duration::from_secs(6);

/// A fresh queue, and little patience.
pub(crate) fn options(end: &str) -> SqsConfig {
    let mut config = SqsConfig::new("suite", unique(end));
    config.wait_time = Duration::from_secs(1);
    config.visibility_timeout = HOLD;
    config.request_timeout = Duration::from_secs(5);
    config.connect_timeout = Duration::from_secs(2);
    config.reconnect = (Duration::from_millis(20), Duration::from_millis(500));
    config.letters_hidden = Duration::from_secs(5);
    config
}

/// The same with the patience of a service, for tests that take nothing away: the machine may be busy.
pub(crate) fn patient(end: &str) -> SqsConfig {
    let mut config = options(end);
    config.visibility_timeout = Duration::from_secs(30);
    config.request_timeout = Duration::from_secs(20);
    config.connect_timeout = Duration::from_secs(10);
    config.letters_hidden = Duration::from_secs(60);
    config
}

pub(crate) fn broker(endpoint: &str, config: SqsConfig) -> SqsBroker {
    SqsBroker::with_client(&client(endpoint), config).expect("good settings")
}

/// SQS for the suite: each place has queues and a fault proxy of its own.
#[derive(Debug)]
pub(crate) struct Queues {
    pub(crate) endpoint: String,
    /// The end of the queues' names: `.fifo`, or nothing.
    pub(crate) end: &'static str,
    /// Whether an SNS topic is before the queues.
    pub(crate) topic: bool,
}

#[derive(Debug)]
struct Place {
    config: SqsConfig,
    topic: Option<SnsTopic>,
    proxy: Arc<FaultProxy>,
    groups: Groups,
}

/// The groups that somebody of the place subscribed. Their queues are the destinations, as an operator lists them.
type Groups = Arc<Mutex<BTreeSet<String>>>;

impl Queues {
    /// ElasticMQ writes each message to its disk: about 100 come and go a second. A receive from one of its FIFO queues takes
    /// time by the number of groups times that of the groups in flight, and each message that comes is tried on every receive
    /// that waits: with 5,000 messages and 50 consumers it hands out 34 a second. moto, where the topic is, becomes slow with
    /// any queue's depth.
    fn most_messages(&self) -> Option<usize> {
        match (self.topic, self.end, full_scale()) {
            (true, ..) => Some(80),
            (false, "", true) => None,
            (false, "", false) => Some(800),
            (false, _, true) => Some(800),
            (false, _, false) => Some(400),
        }
    }

    /// moto looks once, at the beginning of a receive, which groups of a FIFO queue are in flight, and guards nothing against
    /// requests at the same time: with one receive at a time it does not give a message out twice, or to nobody until its
    /// time is over.
    fn options(&self) -> SqsConfig {
        let mut config = options(self.end);
        if self.topic {
            config.open_receives = 1;
            config.open_requests = 1;
            config.visibility_timeout = Duration::from_secs(10);
        }
        config
    }
}

#[async_trait]
impl BrokerFixture for Queues {
    fn capabilities(&self) -> BrokerCapabilities {
        let config = options(self.end);
        if self.topic {
            let topic = SnsTopic::new(unique(self.end));
            let broker = with_clients(&topics(&self.endpoint), &client(&self.endpoint), topic, config);
            return broker.expect("good settings").emitter().capabilities();
        }
        broker(&self.endpoint, config).emitter().capabilities()
    }

    fn times(&self) -> BrokerTimes {
        BrokerTimes {
            quiet: Duration::from_millis(500),
            // Delays are whole seconds.
            slack: Duration::from_secs(20),
            // A receive that waits, the rest after its failure, and the next.
            notices_dead_peer: Some(Duration::from_secs(15)),
            hold: Some(HOLD),
            most_messages: self.most_messages(),
        }
    }

    async fn place(&self) -> Result<Arc<dyn BrokerPlace>> {
        let address: SocketAddr = self
            .endpoint
            .trim_start_matches("http://")
            .parse()
            .expect("the endpoint is an address");
        let proxy = FaultProxy::start(address).await.expect("a free port");
        Ok(Arc::new(Place {
            config: self.options(),
            topic: self.topic.then(|| topic(self.end)),
            proxy: Arc::new(proxy),
            groups: Groups::default(),
        }))
    }
}

impl Place {
    fn endpoint(&self) -> String {
        format!("http://{}", self.proxy.address())
    }

    fn broker(&self, config: SqsConfig) -> Result<SqsBroker> {
        let endpoint = self.endpoint();
        match &self.topic {
            Some(topic) => with_clients(&topics(&endpoint), &client(&endpoint), topic.clone(), config),
            None => SqsBroker::with_client(&client(&endpoint), config),
        }
    }

    fn emitting(&self, config: SqsConfig) -> Result<Arc<dyn EventEmitter>> {
        if self.topic.is_some() {
            return Ok(self.broker(config)?.emitter());
        }
        Ok(Arc::new(ToGroups {
            current: Mutex::new((Vec::new(), self.broker(config.clone())?.emitter())),
            config,
            endpoint: self.endpoint(),
            groups: Arc::clone(&self.groups),
        }))
    }
}

#[async_trait]
impl BrokerPlace for Place {
    async fn emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        self.emitting(self.config.clone())
    }

    async fn legacy_emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        let mut config = self.config.clone();
        config.legacy_names = true;
        self.emitting(config)
    }

    async fn emitter_to_nowhere(&self) -> Result<Option<Arc<dyn EventEmitter>>> {
        let end = if self.config.is_fifo() { ".fifo" } else { "" };
        let mut config = options(end);
        config.create_queues = false;
        if self.topic.is_some() {
            let mut topic = topic(end);
            topic.create = false;
            let endpoint = self.endpoint();
            let broker = with_clients(&topics(&endpoint), &client(&endpoint), topic, config)?;
            return Ok(Some(broker.emitter()));
        }
        Ok(Some(self.broker(config)?.emitter()))
    }

    async fn listener(&self) -> Result<Arc<dyn EventListener>> {
        Ok(Arc::new(Listed {
            inner: self.broker(self.config.clone())?.listener(),
            groups: Arc::clone(&self.groups),
        }))
    }

    async fn dead_letters(&self, group: &str) -> Result<Arc<dyn DeadLetters>> {
        Ok(self.broker(self.config.clone())?.dead_letters(group)?)
    }

    fn network(&self) -> Option<Arc<FaultProxy>> {
        Some(Arc::clone(&self.proxy))
    }
}

/// A listener whose groups are put on the list of destinations.
#[derive(Debug)]
struct Listed {
    inner: Arc<dyn EventListener>,
    groups: Groups,
}

#[async_trait]
impl EventListener for Listed {
    fn capabilities(&self) -> BrokerCapabilities {
        self.inner.capabilities()
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<DeliveryStream> {
        self.groups.lock().insert(subscription.group.clone());
        self.inner.subscribe(subscription).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

/// An emitter to the queues that are listed at the time.
#[derive(Debug)]
struct ToGroups {
    config: SqsConfig,
    endpoint: String,
    groups: Groups,
    current: Mutex<(Vec<String>, Arc<dyn EventEmitter>)>,
}

impl ToGroups {
    fn current(&self) -> (Vec<String>, Arc<dyn EventEmitter>) {
        let groups = self.groups.lock();
        let mut listed: Vec<String> = groups.iter().map(|group| queue_of(&self.config, group)).collect();
        drop(groups);
        if listed.is_empty() {
            listed.push(self.config.queue.clone());
        }
        let mut current = self.current.lock();
        if current.0 != listed {
            let mut config = self.config.clone();
            config.destinations.clone_from(&listed);
            *current = (listed, broker(&self.endpoint, config).emitter());
        }
        current.clone()
    }
}

/// As the documentation says.
pub(crate) fn queue_of(config: &SqsConfig, group: &str) -> String {
    match config.queue.strip_suffix(".fifo") {
        Some(base) => format!("{base}-{group}.fifo"),
        None => format!("{}-{group}", config.queue),
    }
}

#[async_trait]
impl EventEmitter for ToGroups {
    fn capabilities(&self) -> BrokerCapabilities {
        self.current().1.capabilities()
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        self.current().1.emit(messages).await
    }

    async fn ping(&self) -> Result<()> {
        self.current().1.ping().await
    }

    async fn close(&self) -> Result<()> {
        self.current().1.close().await
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
