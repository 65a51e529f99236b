//! Opening by options, restoring, and what operators ask of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use myevents_core::ports::Clock;
use myevents_core::{Error, ErrorKind, Result};

use super::{SqliteConfig, SqliteStore};
use crate::connect::{CheckResult, OpenStore, StoreOptions, StoreTools};

fn config(options: &StoreOptions) -> SqliteConfig {
    if options.tool {
        SqliteConfig::tool(&options.location, &options.role)
    } else {
        SqliteConfig::service(&options.location, &options.role)
    }
}

pub(crate) async fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<OpenStore> {
    let config = config(options);
    // Opening a file blocks.
    let opening = tokio::task::spawn_blocking(move || SqliteStore::open(config, clock));
    let opened = opening.await.map_err(|panic| {
        Error::new(ErrorKind::Internal, "open store", "opening it panicked").caused_by(panic)
    })?;
    let store = Arc::new(opened?);
    Ok(OpenStore {
        store: Arc::<SqliteStore>::clone(&store),
        dead_letters: Arc::<SqliteStore>::clone(&store),
        tools: store,
    })
}

pub(crate) fn restore(options: &StoreOptions, folder: &Path) -> Result<()> {
    SqliteStore::restore(folder, &config(options))
}

#[async_trait]
impl StoreTools for SqliteStore {
    async fn check(&self) -> Result<CheckResult> {
        let report = self.check_store().await?;
        Ok(CheckResult {
            sound: report.is_sound(),
            report: report.to_string(),
        })
    }

    async fn quick_check(&self) -> Result<CheckResult> {
        let damage = SqliteStore::quick_check(self).await?;
        Ok(CheckResult {
            sound: damage.is_empty(),
            report: damage.join("; "),
        })
    }

    async fn backup(&self, folder: &Path) -> Result<PathBuf> {
        SqliteStore::backup(self, folder).await
    }
}
