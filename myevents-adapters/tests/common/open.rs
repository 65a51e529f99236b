//! Opens any store that a test can open.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::sync::Arc;

use myevents_adapters::connect::{self, OpenStore, StoreOptions};
use myevents_core::ports::SystemClock;

pub(crate) async fn open(options: &StoreOptions) -> OpenStore {
    #[cfg(feature = "dynamodb")]
    if options.kind == "dynamodb" {
        return open_dynamodb(options).await;
    }
    connect::store(options, Arc::new(SystemClock)).await.unwrap()
}

/// With credentials of our own, as the SDK's chain would look for them in the environment.
#[cfg(feature = "dynamodb")]
async fn open_dynamodb(options: &StoreOptions) -> OpenStore {
    use myevents_adapters::dynamodb::aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use myevents_adapters::dynamodb::aws_sdk_dynamodb::{Client, Config};
    use myevents_adapters::dynamodb::{DynamoConfig, DynamoStore};

    let settings = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(&options.location)
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    let mut config = DynamoConfig::service(&options.role);
    config.table_prefix.clone_from(&options.table_prefix);
    // This server's indexes follow at once.
    config.index_patience = std::time::Duration::from_millis(20);
    let client = Client::from_conf(settings.build());
    let store = DynamoStore::with_client(&client, config, Arc::new(SystemClock)).await;
    let store = Arc::new(store.unwrap());
    OpenStore {
        store: Arc::<DynamoStore>::clone(&store),
        api_keys: Arc::<DynamoStore>::clone(&store),
        dead_letters: Arc::<DynamoStore>::clone(&store),
        tools: store,
    }
}
