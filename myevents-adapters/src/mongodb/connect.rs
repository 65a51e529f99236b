//! Opening by options, and what operators ask of the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use myevents_core::ports::Clock;
use myevents_core::{Error, ErrorKind, Result};

use super::{MongoConfig, MongoStore};
use crate::connect::{CheckResult, OpenStore, StoreOptions, StoreTools};

fn config(options: &StoreOptions) -> MongoConfig {
    if options.tool {
        MongoConfig::tool(&options.location, &options.role)
    } else {
        MongoConfig::service(&options.location, &options.role).create_indexes(options.create_tables)
    }
}

pub(crate) async fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<OpenStore> {
    let store = Arc::new(MongoStore::open(config(options), clock).await?);
    Ok(OpenStore {
        store: Arc::<MongoStore>::clone(&store),
        dead_letters: Arc::<MongoStore>::clone(&store),
        tools: store,
    })
}

#[async_trait]
impl StoreTools for MongoStore {
    async fn check(&self) -> Result<CheckResult> {
        let report = self.check_store().await?;
        Ok(CheckResult {
            sound: report.is_sound(),
            report: report.to_string(),
        })
    }

    async fn quick_check(&self) -> Result<CheckResult> {
        let unfinished = self.inner("check store")?.unfinished().await?;
        Ok(CheckResult {
            sound: unfinished == 0,
            report: if unfinished == 0 {
                String::new()
            } else {
                format!("{unfinished} events hold bookings or cancels that nobody carries out")
            },
        })
    }

    async fn backup(&self, _folder: &Path) -> Result<PathBuf> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "back up",
            "a MongoDB database is backed up by its own tools, such as mongodump",
        ))
    }
}
