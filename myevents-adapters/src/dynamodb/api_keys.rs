//! Keys for machines: one partition of `state`, by id.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::TransactWriteItem;
use myevents_core::domain::{AuditEntry, Text, UnixSeconds};
use myevents_core::ports::{ApiKey, ApiKeyHash, ApiKeyId, ApiKeys};
use myevents_core::{Error, ErrorKind, Result};

use super::client::Query;
use super::codec::state_key;
use super::error::malformed;
use super::expression::Expression;
use super::item::{Item, bytes, get_bytes, get_number, get_text, number, opt_number, text};
use super::names::*;
use super::store::{DynamoStore, Shared};
use super::transact::transact;

const API_KEY: &str = "api-key";
const HASH: &str = "Hash";
const USED_AT: &str = "UsedAt";

fn key_of(id: &ApiKeyId) -> Item {
    state_key(API_KEY, id.as_bytes())
}

fn key_from_item(item: &Item) -> Result<ApiKey> {
    let hash = get_bytes(item, HASH)?.try_into();
    Ok(ApiKey {
        hash: ApiKeyHash(hash.map_err(|_| malformed("the hash of an API key has not 32 bytes"))?),
        name: Text::from_stored(get_text(item, "Label")?),
        scopes: get_text(item, "Scopes")?.to_owned(),
        created: UnixSeconds::from_stored(get_number(item, "CreatedAt")?),
        last_used: opt_number(item, USED_AT)?.map(UnixSeconds::from_stored),
    })
}

impl Shared {
    /// Changes a key with its line of the audit log; answers whether the change's condition held.
    async fn change_key(
        &self,
        operation: &'static str,
        change: TransactWriteItem,
        audit: &AuditEntry,
    ) -> Result<bool> {
        let mut actions = vec![change];
        actions.extend(self.audit_actions(Some(audit))?);
        transact(&self.clients, operation, actions, self.end_of_patience())
            .await?
            .applied()
    }
}

#[async_trait]
impl ApiKeys for DynamoStore {
    async fn add_key(&self, key: &ApiKey, audit: &AuditEntry) -> Result<()> {
        const OPERATION: &str = "add API key";
        let add = Expression::new()
            .set(HASH, bytes(&key.hash.0))
            .set("Label", text(key.name.as_str()))
            .set("Scopes", text(key.scopes.as_str()))
            .set("CreatedAt", number(key.created.get()))
            .when_absent(HASH);
        let (item, audit) = (key_of(&key.id()), audit.clone());
        self.write(OPERATION, move |store| async move {
            let change = add.update(&store.tables.state, item)?;
            if store.change_key(OPERATION, change, &audit).await? {
                return Ok(());
            }
            Err(Error::new(ErrorKind::Conflict, OPERATION, "the key is there"))
        })
        .await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>> {
        const OPERATION: &str = "list API keys";
        let store = self.open_for(OPERATION)?;
        let query = Query::new(OPERATION, &store.tables.state, None, (KIND, text(API_KEY)));
        query
            .all(&store.clients)
            .await?
            .iter()
            .map(key_from_item)
            .collect()
    }

    async fn remove_key(&self, id: &ApiKeyId, audit: &AuditEntry) -> Result<bool> {
        const OPERATION: &str = "remove API key";
        let (item, audit) = (key_of(id), audit.clone());
        self.write(OPERATION, move |store| async move {
            let there = Expression::new().when_present(HASH);
            let change = there.delete(&store.tables.state, item)?;
            store.change_key(OPERATION, change, &audit).await
        })
        .await
    }

    async fn note_use(&self, id: &ApiKeyId, at: UnixSeconds) -> Result<()> {
        const OPERATION: &str = "note use of API key";
        let item = key_of(id);
        let note = Expression::new()
            .set(USED_AT, number(at.get()))
            .when_present(HASH)
            .when_absent_or(USED_AT, vec![(USED_AT, "<", number(at.get()))]);
        self.write(OPERATION, move |store| async move {
            store
                .change(OPERATION, &store.tables.state, item, &note)
                .await
                .map(drop)
        })
        .await
    }
}
