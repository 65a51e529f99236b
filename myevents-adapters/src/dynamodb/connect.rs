//! Opening by options, and what operators ask of the tables.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use myevents_core::domain::{AuditEntry, Booking, IdSecret, LocationId, LocationRecord, UserId, UserRecord};
use myevents_core::ports::{Clock, DatabaseHandler, Inserted, PageOf, ParkedMessage};
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
    config.ca.clone_from(&options.ca);
    config.create_tables = options.create_tables && !options.tool;
    config.table_prefix.clone_from(&options.table_prefix);
    config
}

pub(crate) async fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<OpenStore> {
    let store = Arc::new(DynamoStore::open(config(options), clock).await?);
    Ok(OpenStore {
        store: Arc::<DynamoStore>::clone(&store),
        api_keys: Arc::<DynamoStore>::clone(&store),
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

    async fn all_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        self.open_for("list locations")?.all_locations(after, limit).await
    }

    async fn users(&self, after: Option<&UserId>, limit: usize) -> Result<PageOf<UserRecord, UserId>> {
        self.open_for("list users")?.users(after, limit).await
    }

    async fn removed_users(&self, after: Option<&UserId>, limit: usize) -> Result<PageOf<UserId, UserId>> {
        self.open_for("list removed users")?
            .removed_users(after, limit)
            .await
    }

    async fn is_removed(&self, user: &UserId) -> Result<bool> {
        self.open_for("find removed user")?.is_removed(user).await
    }

    async fn adopt_id_secret(&self, secret: &IdSecret) -> Result<()> {
        let secret = secret.clone();
        self.write("adopt id secret", move |store| async move {
            store.adopt_id_secret(&secret).await
        })
        .await
    }

    async fn import_bookings(&self, bookings: &[Booking]) -> Vec<Result<Inserted<Booking>>> {
        let given = bookings.to_vec();
        let stored = self.write("import bookings", move |store| async move {
            Ok(store.import_bookings(&given).await)
        });
        let refuse = |error: Error| bookings.iter().map(|_| Err(error.duplicate())).collect();
        stored.await.unwrap_or_else(refuse)
    }

    async fn import_parked(&self, messages: &[ParkedMessage]) -> Result<()> {
        let messages = messages.to_vec();
        self.write("import messages", move |store| async move {
            store.import_parked(&messages).await
        })
        .await
    }

    async fn import_audit(&self, entries: &[AuditEntry]) -> Result<u64> {
        let entries = entries.to_vec();
        self.write("import audit log", move |store| async move {
            store.import_audit(&entries).await
        })
        .await
    }
}
