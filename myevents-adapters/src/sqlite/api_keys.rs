//! Keys for machines.

use async_trait::async_trait;
use myevents_core::domain::{AuditEntry, Text, UnixSeconds};
use myevents_core::ports::{ApiKey, ApiKeyHash, ApiKeyId, ApiKeys};
use myevents_core::{Error, ErrorKind, Result};
use rusqlite::{Row, params};

use super::error::during;
use super::job::Durability;
use super::reader::{all, change};
use super::store::SqliteStore;
use super::{audit, codec};

const COLUMNS: &str = "hash, name, scopes, created, used";

fn key_from_row(row: &Row<'_>) -> Result<ApiKey> {
    const OPERATION: &str = "read API key";
    let hash: [u8; 32] = row.get(0).map_err(during(OPERATION))?;
    let name: String = row.get(1).map_err(during(OPERATION))?;
    let used: Option<i64> = row.get(4).map_err(during(OPERATION))?;
    Ok(ApiKey {
        hash: ApiKeyHash(hash),
        name: Text::from_stored(&name),
        scopes: row.get(2).map_err(during(OPERATION))?,
        created: UnixSeconds::from_stored(codec::int(row, 3)?),
        last_used: used.map(UnixSeconds::from_stored),
    })
}

#[async_trait]
impl ApiKeys for SqliteStore {
    async fn add_key(&self, key: &ApiKey, entry: &AuditEntry) -> Result<()> {
        const OPERATION: &str = "add API key";
        let (key, entry) = (key.clone(), entry.clone());
        self.write(1, Durability::Synced, move |tx| {
            let added = change(
                tx.connection(),
                OPERATION,
                "INSERT OR IGNORE INTO api_keys (id, hash, name, scopes, created) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    key.id().as_bytes(),
                    key.hash.0,
                    key.name.as_str(),
                    key.scopes,
                    key.created.get()
                ],
            )?;
            if added == 0 {
                return Err(Error::new(ErrorKind::Conflict, OPERATION, "the key is there"));
            }
            audit::append(tx, Some(&entry))
        })
        .await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>> {
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM api_keys ORDER BY id");
            all(connection, "list API keys", &sql, [], key_from_row)
        })
        .await
    }

    async fn remove_key(&self, id: &ApiKeyId, entry: &AuditEntry) -> Result<bool> {
        let (id, entry) = (*id, entry.clone());
        self.write(1, Durability::Synced, move |tx| {
            let sql = "DELETE FROM api_keys WHERE id = ?1";
            let removed = change(tx.connection(), "remove API key", sql, [id.as_bytes()])? > 0;
            if removed {
                audit::append(tx, Some(&entry))?;
            }
            Ok(removed)
        })
        .await
    }

    async fn note_use(&self, id: &ApiKeyId, at: UnixSeconds) -> Result<()> {
        let id = *id;
        self.write(1, Durability::Relaxed, move |tx| {
            change(
                tx.connection(),
                "note use of API key",
                "UPDATE api_keys SET used = ?2 WHERE id = ?1 AND (used IS NULL OR used < ?2)",
                params![id.as_bytes(), at.get()],
            )
            .map(drop)
        })
        .await
    }
}
