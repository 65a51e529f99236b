//! DynamoDB: our store, and one transaction of three items a booking, of the same items in tables of the same form.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use aws_smithy_http_client::Builder as HttpBuilder;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::Client;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use myevents_adapters::dynamodb::aws_sdk_dynamodb::primitives::Blob;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
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

type Item = HashMap<String, AttributeValue>;

/// The bare driver.
#[derive(Debug)]
pub(crate) struct Direct {
    client: Client,
    event: Vec<u8>,
    /// A booking as our store keeps it, and the outbox item with its message alone.
    booking: Item,
    message: Item,
    next: AtomicU64,
}

const BARE: &str = "bare-";

fn hot() -> AttributeValue {
    AttributeValue::B(Blob::new(*b"hot"))
}

impl Direct {
    /// `event` has exactly one booking in our store, with its message.
    pub(crate) async fn new(client: Client, event: &EventId) -> Result<Self> {
        // It makes the tables and their indexes.
        open(&client, BARE).await?.close().await?;
        client
            .put_item()
            .table_name(format!("{BARE}inventory"))
            .item("ID", hot())
            .item("Available", AttributeValue::N("2000000000".to_owned()))
            .send()
            .await?;
        let first = async |table: &str| {
            let found = client
                .scan()
                .table_name(format!("{PREFIX}{table}"))
                .consistent_read(true)
                .send()
                .await?;
            found.items().first().cloned().context("nothing to go by")
        };
        Ok(Self {
            booking: first("bookings").await?,
            message: first("outbox").await?,
            client,
            event: event.as_bytes().to_vec(),
            next: AtomicU64::new(0),
        })
    }

    async fn try_book(&self, number: u64) -> Result<bool> {
        let counter = Update::builder()
            .table_name(format!("{BARE}inventory"))
            .key("ID", hot())
            .condition_expression("Available >= :one")
            .update_expression("SET Available = Available - :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .build()?;
        // As random as ours.
        let id: [u8; 16] = rand::random();
        let mut booking = self.booking.clone();
        booking.insert("ID".to_owned(), AttributeValue::B(Blob::new(&id[..12])));
        booking.insert("DateID".to_owned(), AttributeValue::S(format!("{number:032x}")));
        let mut message = self.message.clone();
        message.insert("ID".to_owned(), AttributeValue::B(Blob::new(id)));
        let put = |table: &str, item: Item| {
            Put::builder()
                .table_name(format!("{BARE}{table}"))
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(ID)")
                .build()
        };
        let sent = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(counter).build())
            .transact_items(
                TransactWriteItem::builder()
                    .put(put("bookings", booking)?)
                    .build(),
            )
            .transact_items(TransactWriteItem::builder().put(put("outbox", message)?).build())
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
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        while !self.try_book(number).await? {}
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
