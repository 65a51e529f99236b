//! The SDK's clients, and reading through them: one item, many items, all pages of a query.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use myevents_core::{Error, ErrorKind, Result};

use super::config::DynamoConfig;
use super::error::{fault, unbuilt};
use super::item::Item;
use crate::aws;
use crate::trust::DATABASE_CA;

/// How many keys one `BatchGetItem` takes.
const MAX_KEYS: usize = 100;

/// How often what a batch left out is asked for again, before it counts as throttled.
const MAX_ROUNDS: u32 = 10;

/// A client as the configuration says, with region and credentials by the SDK's chain.
///
/// # Errors
/// `Config` for authorities that can't be read.
pub(super) async fn connect(config: &DynamoConfig) -> Result<Client> {
    let http = aws::http_client(DATABASE_CA, config.ca.as_deref())?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let mut found = loader.load().await;
    if config.endpoint.is_some() && found.region().is_none() {
        // An endpoint of one's own, such as DynamoDB Local, has no region that matters.
        found = found.into_builder().region(Region::new("us-east-1")).build();
    }
    Ok(Client::new(&found))
}

/// Both ways to call: reads are repeated by the SDK, writes never, as their protocols repeat what may be repeated.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    pub(super) reads: Client,
    pub(super) writes: Client,
}

impl Clients {
    pub(super) fn new(client: &Client, config: &DynamoConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(config.connect_timeout)
            .operation_attempt_timeout(config.attempt_timeout)
            .operation_timeout(config.patience.max(config.attempt_timeout * 2))
            .build();
        let with = |retry: RetryConfig| {
            let config = client
                .config()
                .to_builder()
                .retry_config(retry)
                .timeout_config(timeouts.clone())
                .build();
            Client::from_conf(config)
        };
        Self {
            reads: with(RetryConfig::standard().with_max_attempts(3)),
            writes: with(RetryConfig::disabled()),
        }
    }

    /// Reads one item as it is now.
    pub(super) async fn get(&self, operation: &'static str, table: &str, key: Item) -> Result<Option<Item>> {
        let read = self
            .reads
            .get_item()
            .table_name(table)
            .set_key(Some(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault(operation, error).of_read())?;
        Ok(read.item)
    }

    /// Reads many items as they are now, in no order; those that are not there are left out.
    pub(super) async fn get_many(
        &self,
        operation: &'static str,
        wanted: Vec<(&str, Item)>,
    ) -> Result<HashMap<String, Vec<Item>>> {
        let mut found: HashMap<String, Vec<Item>> = HashMap::new();
        for part in wanted.chunks(MAX_KEYS) {
            let mut request = of_keys(part)?;
            let mut round = 0;
            while !request.is_empty() {
                if round > 0 {
                    if round > MAX_ROUNDS {
                        return Err(Error::new(
                            ErrorKind::Unavailable,
                            operation,
                            "DynamoDB throttles; raise the table's capacity or wait",
                        ));
                    }
                    rest(round).await;
                }
                round += 1;
                let read = self
                    .reads
                    .batch_get_item()
                    .set_request_items(Some(request))
                    .send()
                    .await
                    .map_err(|error| fault(operation, error).of_read())?;
                for (table, items) in read.responses.unwrap_or_default() {
                    found.entry(table).or_default().extend(items);
                }
                request = read.unprocessed_keys.unwrap_or_default();
            }
        }
        Ok(found)
    }
}

fn of_keys(part: &[(&str, Item)]) -> Result<HashMap<String, KeysAndAttributes>> {
    let mut keys: HashMap<String, Vec<Item>> = HashMap::new();
    for (table, key) in part {
        keys.entry((*table).to_owned()).or_default().push(key.clone());
    }
    keys.into_iter()
        .map(|(table, keys)| {
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(unbuilt)?;
            Ok((table, keys))
        })
        .collect()
}

/// Waits before the `tries`-th repeat: longer each time, and never as long as another one.
pub(super) async fn rest(tries: u32) {
    let most = Duration::from_millis(10) * 2_u32.saturating_pow(tries.min(5));
    tokio::time::sleep(most.mul_f64(rand::random_range(0.2..1.0))).await;
}

/// A query of one partition, by a table's key or by an index.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) operation: &'static str,
    pub(super) table: String,
    /// `None` = the table itself, read as it is now; indexes follow a little later.
    pub(super) index: Option<&'static str>,
    pub(super) partition: (&'static str, AttributeValue),
    /// Sort key and bounds, both included.
    pub(super) between: Option<(&'static str, AttributeValue, AttributeValue)>,
    pub(super) descending: bool,
    /// How many items a page has at most.
    pub(super) page: usize,
    /// Only these attributes; the cost is the same.
    pub(super) only: Option<&'static [&'static str]>,
}

/// One page of a query, and where the next begins.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) next: Option<Item>,
}

impl Query {
    pub(super) fn new(
        operation: &'static str,
        table: &str,
        index: Option<&'static str>,
        partition: (&'static str, AttributeValue),
    ) -> Self {
        Self {
            operation,
            table: table.to_owned(),
            index,
            partition,
            between: None,
            descending: false,
            page: 1_000,
            only: None,
        }
    }

    pub(super) async fn page(&self, clients: &Clients, from: Option<Item>) -> Result<Page> {
        let mut condition = "#p = :p".to_owned();
        let mut query = clients
            .reads
            .query()
            .table_name(&self.table)
            .set_index_name(self.index.map(str::to_owned))
            .consistent_read(self.index.is_none())
            .scan_index_forward(!self.descending)
            .limit(i32::try_from(self.page.clamp(1, 10_000)).unwrap_or(1_000))
            .set_exclusive_start_key(from)
            .expression_attribute_names("#p", self.partition.0)
            .expression_attribute_values(":p", self.partition.1.clone());
        if let Some((name, low, high)) = &self.between {
            condition.push_str(" AND #s BETWEEN :l AND :h");
            query = query
                .expression_attribute_names("#s", *name)
                .expression_attribute_values(":l", low.clone())
                .expression_attribute_values(":h", high.clone());
        }
        if let Some(only) = self.only {
            let names: Vec<_> = (0..only.len()).map(|number| format!("#a{number}")).collect();
            query = query.projection_expression(names.join(", "));
            for (placeholder, name) in names.into_iter().zip(only) {
                query = query.expression_attribute_names(placeholder, *name);
            }
        }
        let read = query
            .key_condition_expression(condition)
            .send()
            .await
            .map_err(|error| fault(self.operation, error).of_read())?;
        Ok(Page {
            items: read.items.unwrap_or_default(),
            next: read.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }

    /// All items, page after page.
    pub(super) async fn all(&self, clients: &Clients) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let page = self.page(clients, from).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(items),
            }
        }
    }
}
