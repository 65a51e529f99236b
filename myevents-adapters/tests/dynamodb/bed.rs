//! A store on DynamoDB Local, each with tables of its own, and values that the tests store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use myevents_adapters::dynamodb::aws_sdk_dynamodb::types::AttributeValue;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::{Client, Config, config, primitives::Blob};
use myevents_adapters::dynamodb::{DynamoConfig, DynamoStore};
use myevents_core::Result;
use myevents_core::domain::EventId;
use myevents_core::ports::{ApiKeys, Clock, DeadLetterQueue, Store, SystemClock};
use myevents_core::testkit::{FaultProxy, StoreBed, StoreFixture, TestClock};

pub(crate) const ROLE: &str = "suite";

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

/// A prefix that no other bed has.
pub(crate) fn fresh_prefix() -> String {
    format!("t{:016x}-", rand::random::<u64>())
}

pub(crate) fn options(prefix: &str) -> DynamoConfig {
    let mut config = DynamoConfig::service(ROLE);
    config.table_prefix = prefix.to_owned();
    // This server's indexes follow at once.
    config.index_patience = Duration::from_millis(20);
    config
}

pub(crate) async fn open(endpoint: &str, prefix: &str) -> DynamoStore {
    open_with(&client(endpoint), options(prefix), Arc::new(SystemClock)).await
}

pub(crate) async fn open_with(client: &Client, config: DynamoConfig, clock: Arc<dyn Clock>) -> DynamoStore {
    match DynamoStore::with_client(client, config, clock).await {
        Ok(store) => store,
        Err(error) => panic!("the store does not open: {error}, {error:?}"),
    }
}

/// Stores on one server.
#[derive(Debug)]
pub(crate) struct Dynamo {
    pub(crate) endpoint: String,
}

#[derive(Debug)]
struct Bed {
    store: Arc<DynamoStore>,
    client: Client,
    proxy: FaultProxy,
    prefix: String,
    clock: Arc<TestClock>,
}

#[async_trait]
impl StoreFixture for Dynamo {
    fn name(&self) -> String {
        "dynamodb".to_owned()
    }

    async fn create(&self) -> Result<Box<dyn StoreBed>> {
        let address = self
            .endpoint
            .trim_start_matches("http://")
            .parse()
            .expect("the endpoint is an address");
        let proxy = FaultProxy::start(address).await.expect("a proxy listens");
        let client = client(&format!("http://{}", proxy.address()));
        let clock = Arc::new(TestClock::default());
        let prefix = fresh_prefix();
        let store = DynamoStore::with_client(&client, options(&prefix), clock.clone()).await?;
        Ok(Box::new(Bed {
            store: Arc::new(store),
            client,
            proxy,
            prefix,
            clock,
        }))
    }
}

#[async_trait]
impl StoreBed for Bed {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn api_keys(&self) -> Option<Arc<dyn ApiKeys>> {
        Some(self.store.clone())
    }

    fn dead_letters(&self) -> Option<Arc<dyn DeadLetterQueue>> {
        Some(self.store.clone())
    }

    async fn second(&self) -> Result<Option<Arc<dyn Store>>> {
        let second =
            DynamoStore::with_client(&self.client, options(&self.prefix), self.clock.clone()).await?;
        Ok(Some(Arc::new(second)))
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    fn crash_points(&self) -> &'static [&'static str] {
        myevents_adapters::dynamodb::CRASH_POINTS
    }

    async fn plant_drift(&self, event: &EventId, seats: i64) -> Result<bool> {
        let planted = self
            .client
            .update_item()
            .table_name(format!("{}inventory", self.prefix))
            .key("ID", AttributeValue::B(Blob::new(event.as_bytes())))
            .update_expression("ADD Sold :seats")
            .expression_attribute_values(":seats", AttributeValue::N(seats.to_string()))
            .send()
            .await;
        Ok(planted.is_ok())
    }

    async fn set_reachable(&self, reachable: bool) -> Result<bool> {
        if reachable {
            self.proxy.accept_again().await.expect("the proxy listens again");
        } else {
            self.proxy.refuse().await;
            self.proxy.cut();
        }
        Ok(true)
    }
}
