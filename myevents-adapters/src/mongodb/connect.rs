//! Opening by options, and what operators ask of the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use myevents_core::domain::{AuditEntry, Booking, IdSecret, LocationId, LocationRecord, UserId, UserRecord};
use myevents_core::ports::{Clock, Inserted, PageOf, ParkedMessage};
use myevents_core::{Error, ErrorKind, Result};

use super::{MongoConfig, MongoStore, transfer};
use crate::connect::{CheckResult, OpenStore, StoreOptions, StoreTools};

fn config(options: &StoreOptions) -> MongoConfig {
    let mut config = if options.tool {
        MongoConfig::tool(&options.location, &options.role)
    } else {
        MongoConfig::service(&options.location, &options.role).create_indexes(options.create_tables)
    };
    config.ca.clone_from(&options.ca);
    config
}

pub(crate) async fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<OpenStore> {
    let store = Arc::new(MongoStore::open(config(options), clock).await?);
    Ok(OpenStore {
        store: Arc::<MongoStore>::clone(&store),
        api_keys: Arc::<MongoStore>::clone(&store),
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

    async fn unmoved_audit(&self) -> Result<Option<u64>> {
        self.inner("count lines of the audit log")?
            .unmoved_audit()
            .await
            .map(Some)
    }

    async fn backup(&self, _folder: &Path) -> Result<PathBuf> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "back up",
            "a MongoDB database is backed up by its own tools, such as mongodump",
        ))
    }

    async fn all_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        transfer::locations(&self.inner("list locations")?.link, after, limit).await
    }

    async fn users(&self, after: Option<&UserId>, limit: usize) -> Result<PageOf<UserRecord, UserId>> {
        transfer::users(&self.inner("list users")?.link, after, limit).await
    }

    async fn removed_users(&self, after: Option<&UserId>, limit: usize) -> Result<PageOf<UserId, UserId>> {
        transfer::removed_users(&self.inner("list removed users")?.link, after, limit).await
    }

    async fn is_removed(&self, user: &UserId) -> Result<bool> {
        transfer::is_removed(&self.inner("find removed user")?.link, user).await
    }

    async fn adopt_id_secret(&self, secret: &IdSecret) -> Result<()> {
        let secret = secret.clone();
        self.run("adopt id secret", move |inner| async move {
            inner.adopt_id_secret(&secret).await
        })
        .await
    }

    async fn import_bookings(&self, bookings: &[Booking]) -> Vec<Result<Inserted<Booking>>> {
        let given = bookings.to_vec();
        let stored = self.run("import bookings", move |inner| async move {
            Ok(inner.import_bookings(&given).await)
        });
        let refuse = |error: Error| bookings.iter().map(|_| Err(error.duplicate())).collect();
        stored.await.unwrap_or_else(refuse)
    }

    async fn import_parked(&self, messages: &[ParkedMessage]) -> Result<()> {
        let messages = messages.to_vec();
        self.run("import messages", move |inner| async move {
            inner.import_parked(&messages).await
        })
        .await
    }

    async fn import_audit(&self, entries: &[AuditEntry]) -> Result<u64> {
        let entries = entries.to_vec();
        self.run("import audit log", move |inner| async move {
            inner.import_audit(&entries).await
        })
        .await
    }
}
