//! Keys for machines: a small collection of their own, by id.

use async_trait::async_trait;
use mongodb::bson::{Bson, doc};
use mongodb::options::FindOptions;
use myevents_core::domain::{AuditEntry, Text, UnixSeconds};
use myevents_core::ports::{ApiKey, ApiKeyHash, ApiKeyId, ApiKeys};
use myevents_core::{Error, ErrorKind, Result};

use super::audit;
use super::codec::{Fields, binary};
use super::error::malformed;
use super::store::MongoStore;

fn key_of(fields: Fields<'_>) -> Result<ApiKey> {
    let hash = fields.bytes("hash")?.and_then(|hash| hash.try_into().ok());
    Ok(ApiKey {
        hash: ApiKeyHash(hash.ok_or_else(|| malformed("an API key has no hash"))?),
        name: Text::from_stored(fields.need_str("name")?),
        scopes: fields.need_str("scopes")?.to_owned(),
        created: UnixSeconds::from_stored(fields.need_int("created")?),
        last_used: fields.int("used")?.map(UnixSeconds::from_stored),
    })
}

#[async_trait]
impl ApiKeys for MongoStore {
    async fn add_key(&self, key: &ApiKey, entry: &AuditEntry) -> Result<()> {
        const OPERATION: &str = "add API key";
        let line = audit::element(entry);
        let document = doc! {
            "_id": binary(key.id().as_bytes()),
            "hash": binary(&key.hash.0),
            "name": key.name.as_str(),
            "scopes": key.scopes.as_str(),
            "created": key.created.get(),
            "audit": [line.clone()],
        };
        let own = document.get("_id").cloned().unwrap_or(Bson::Null);
        let added = self.run(OPERATION, move |inner| async move {
            let keys = &inner.link.api_keys;
            let added = inner.link.insert(OPERATION, keys, document).await?;
            if added {
                inner.move_later_of(keys, own, line);
            }
            Ok(added)
        });
        if added.await? {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Conflict, OPERATION, "the key is there"))
        }
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>> {
        const OPERATION: &str = "list API keys";
        let link = &self.inner(OPERATION)?.link;
        let mut options = FindOptions::default();
        options.sort = Some(doc! { "_id": 1 });
        let decode = |document: &mongodb::bson::RawDocument| key_of(Fields(document)).map(Some);
        let there = doc! { "gone": { "$ne": true } };
        link.find(OPERATION, &link.api_keys, there, options, usize::MAX, decode)
            .await
    }

    /// A key that is gone has its hash no more, and its record stays until its line of the audit log is in the log.
    async fn remove_key(&self, id: &ApiKeyId, entry: &AuditEntry) -> Result<bool> {
        const OPERATION: &str = "remove API key";
        let own = binary(id.as_bytes());
        let line = audit::element(entry);
        let filter = doc! { "_id": own.clone(), "gone": { "$ne": true } };
        let update = doc! {
            // Of a hash that no key has, so that processes of before can still read all keys.
            "$set": { "gone": true, "hash": binary(&[0; 32]), "name": "", "scopes": "" },
            "$push": { "audit": line.clone() },
        };
        self.run(OPERATION, move |inner| async move {
            let keys = &inner.link.api_keys;
            let gone = inner.link.update(OPERATION, keys, filter, update).await?;
            if gone {
                inner.move_later_of(keys, own, line);
            }
            Ok(gone)
        })
        .await
    }

    async fn note_use(&self, id: &ApiKeyId, at: UnixSeconds) -> Result<()> {
        const OPERATION: &str = "note use of API key";
        let filter = doc! { "_id": binary(id.as_bytes()), "gone": { "$ne": true } };
        let update = doc! { "$max": { "used": at.get() } };
        self.run(OPERATION, move |inner| async move {
            inner
                .link
                .update(OPERATION, &inner.link.api_keys, filter, update)
                .await
        })
        .await
        .map(drop)
    }
}
