//! DynamoDB: our store, and one transaction of three items a booking.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use aws_smithy_http_client::Builder as HttpBuilder;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::Client;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use myevents_adapters::dynamodb::aws_sdk_dynamodb::primitives::Blob;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
    TransactWriteItem, Update,
};
use myevents_adapters::dynamodb::{DynamoConfig, DynamoStore};
use myevents_core::domain::EventId;
use myevents_core::ports::Store;

use crate::{Bare, clock};

const PREFIX: &str = "bench-";

/// A client of the stand-in, which takes any credentials.
pub(crate) fn client(url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .http_client(HttpBuilder::new().build_http())
        .endpoint_url(url)
        .build();
    Client::from_conf(config)
}

/// Our store on the server.
pub(crate) async fn store(client: &Client) -> Result<Arc<dyn Store>> {
    open(client, PREFIX).await
}

async fn open(client: &Client, prefix: &str) -> Result<Arc<dyn Store>> {
    let mut config = DynamoConfig::service("bookingservice");
    config.table_prefix = prefix.to_owned();
    Ok(Arc::new(DynamoStore::with_client(client, config, clock()).await?))
}

/// The bare driver.
#[derive(Debug)]
pub(crate) struct Direct {
    client: Client,
    event: Vec<u8>,
    next: AtomicU64,
}

const COUNTERS: &str = "bare-counters";
const BOOKINGS: &str = "bare-bookings";
const OUTBOX: &str = "bare-outbox";

impl Direct {
    pub(crate) async fn new(client: Client, event: &EventId) -> Result<Self> {
        for table in [COUNTERS, BOOKINGS, OUTBOX] {
            let attribute = AttributeDefinition::builder()
                .attribute_name("ID")
                .attribute_type(ScalarAttributeType::S);
            let key = KeySchemaElement::builder()
                .attribute_name("ID")
                .key_type(KeyType::Hash);
            client
                .create_table()
                .table_name(table)
                .billing_mode(BillingMode::PayPerRequest)
                .attribute_definitions(attribute.build()?)
                .key_schema(key.build()?)
                .send()
                .await?;
        }
        client
            .put_item()
            .table_name(COUNTERS)
            .item("ID", AttributeValue::S("hot".to_owned()))
            .item("Available", AttributeValue::N("2000000000".to_owned()))
            .send()
            .await?;
        Ok(Self {
            client,
            event: event.as_bytes().to_vec(),
            next: AtomicU64::new(0),
        })
    }

    async fn try_book(&self, id: &str) -> Result<bool> {
        let one = || AttributeValue::N("1".to_owned());
        let counter = Update::builder()
            .table_name(COUNTERS)
            .key("ID", AttributeValue::S("hot".to_owned()))
            .condition_expression("Available >= :one")
            .update_expression("SET Available = Available - :one")
            .expression_attribute_values(":one", one())
            .build()?;
        let put = |table: &str| {
            Put::builder()
                .table_name(table)
                .item("ID", AttributeValue::S(id.to_owned()))
                .item("Seats", one())
                .condition_expression("attribute_not_exists(ID)")
                .build()
        };
        let sent = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(counter).build())
            .transact_items(TransactWriteItem::builder().put(put(BOOKINGS)?).build())
            .transact_items(TransactWriteItem::builder().put(put(OUTBOX)?).build())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) => {
                let conflict = error
                    .as_service_error()
                    .is_some_and(|error| error.is_transaction_canceled_exception());
                if conflict { Ok(false) } else { Err(error.into()) }
            }
        }
    }
}

impl Bare for Direct {
    async fn book(&self) -> Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        while !self.try_book(&id).await? {}
        Ok(())
    }

    async fn read(&self) -> Result<()> {
        let found = self
            .client
            .get_item()
            .table_name(format!("{PREFIX}events"))
            .key("ID", AttributeValue::B(Blob::new(self.event.clone())))
            .consistent_read(true)
            .send()
            .await?;
        found.item.map(drop).context("no event")
    }

    async fn relay(&self, _count: usize) -> Result<Option<f64>> {
        Ok(None)
    }

    async fn new_store(&self, number: usize) -> Result<Arc<dyn Store>> {
        open(&self.client, &format!("{PREFIX}relay-{number}-")).await
    }
}
