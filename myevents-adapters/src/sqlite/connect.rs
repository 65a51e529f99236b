//! Opening by options, restoring, and what operators ask of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use myevents_core::domain::{AuditEntry, Booking, IdSecret, LocationId, LocationRecord, UserId, UserRecord};
use myevents_core::ports::{Clock, Inserted, PageOf, ParkedMessage};
use myevents_core::{Error, ErrorKind, Result};

use super::job::Durability;
use super::{SqliteConfig, SqliteStore, audit, transfer, users};
use crate::connect::{OpenStore, StoreOptions};
use crate::tools::{CheckResult, StoreTools};

/// Bookings of one transaction of an import.
const IMPORTED_AT_ONCE: usize = 1_000;

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
        api_keys: Arc::<SqliteStore>::clone(&store),
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

    async fn all_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        let after = after.cloned();
        self.read(move |connection| transfer::locations(connection, after.as_ref(), limit))
            .await
    }

    async fn users(&self, after: Option<&UserId>, limit: usize) -> Result<PageOf<UserRecord, UserId>> {
        let after = after.cloned();
        self.read(move |connection| transfer::users(connection, after.as_ref(), limit))
            .await
    }

    async fn removed_users(&self, after: Option<&UserId>, limit: usize) -> Result<PageOf<UserId, UserId>> {
        let after = after.cloned();
        self.read(move |connection| transfer::removed_users(connection, after.as_ref(), limit))
            .await
    }

    async fn is_removed(&self, user: &UserId) -> Result<bool> {
        self.reads()
            .point(|connection| users::is_removed(connection, user))
    }

    async fn adopt_id_secret(&self, secret: &IdSecret) -> Result<()> {
        let adopted = secret.clone();
        self.write(1, Durability::Synced, move |tx| {
            transfer::adopt_id_secret(tx, &adopted)
        })
        .await?;
        self.take_secret(secret);
        Ok(())
    }

    async fn import_bookings(&self, bookings: &[Booking]) -> Vec<Result<Inserted<Booking>>> {
        let mut results = Vec::with_capacity(bookings.len());
        for chunk in bookings.chunks(IMPORTED_AT_ONCE) {
            let given = chunk.to_vec();
            let stored = self.write(chunk.len(), Durability::Synced, move |tx| {
                transfer::import_bookings(tx, &given)
            });
            match stored.await {
                Ok(chunk) => results.extend(chunk),
                Err(error) => results.extend(chunk.iter().map(|_| Err(error.duplicate()))),
            }
        }
        results
    }

    async fn import_parked(&self, messages: &[ParkedMessage]) -> Result<()> {
        let messages = messages.to_vec();
        self.write(messages.len(), Durability::Synced, move |tx| {
            transfer::import_parked(tx, &messages)
        })
        .await
    }

    async fn import_audit(&self, entries: &[AuditEntry]) -> Result<u64> {
        let entries = entries.to_vec();
        self.write(entries.len(), Durability::Synced, move |tx| {
            audit::import(tx, &entries)
        })
        .await
    }
}
