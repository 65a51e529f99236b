//! Opening by options, and what operators ask of the tables.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use myevents_core::ports::{Clock, DatabaseHandler};
use myevents_core::{Error, ErrorKind, Result};

use super::{DynamoConfig, DynamoStore};
use crate::connect::{CheckResult, OpenStore, StoreOptions, StoreTools};

fn config(options: &StoreOptions) -> DynamoConfig {
    let mut config = if options.tool {
        DynamoConfig::tool(&options.role)
    } else {
        DynamoConfig::service(&options.role)
    };
    config.endpoint = Some(options.location.clone()).filter(|location| !location.is_empty());
    config.create_tables = options.create_tables && !options.tool;
    config.table_prefix.clone_from(&options.table_prefix);
    config
}

pub(crate) async fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<OpenStore> {
    let store = Arc::new(DynamoStore::open(config(options), clock).await?);
    Ok(OpenStore {
        store: Arc::<DynamoStore>::clone(&store),
        dead_letters: Arc::<DynamoStore>::clone(&store),
        tools: store,
    })
}

#[async_trait]
impl StoreTools for DynamoStore {
    async fn check(&self) -> Result<CheckResult> {
        let found = self.open_for("check store")?.check_all().await?;
        Ok(CheckResult {
            sound: found.faults.is_empty(),
            report: found.to_string(),
        })
    }

    async fn quick_check(&self) -> Result<CheckResult> {
        self.ping().await?;
        Ok(CheckResult {
            sound: true,
            report: String::new(),
        })
    }

    async fn backup(&self, _folder: &Path) -> Result<PathBuf> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "back up",
            "DynamoDB makes its own backups: turn point-in-time recovery on for all tables, or use `myevents export`",
        ))
    }
}
