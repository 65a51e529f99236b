//! Keys for machines: a small collection of their own, by id.

use async_trait::async_trait;
use mongodb::bson::doc;
use mongodb::options::FindOptions;
use myevents_core::domain::{Text, UnixSeconds};
use myevents_core::ports::{ApiKey, ApiKeyHash, ApiKeyId, ApiKeys};
use myevents_core::{Error, ErrorKind, Result};

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
    async fn add_key(&self, key: &ApiKey) -> Result<()> {
        const OPERATION: &str = "add API key";
        let document = doc! {
            "_id": binary(key.id().as_bytes()),
            "hash": binary(&key.hash.0),
            "name": key.name.as_str(),
            "scopes": key.scopes.as_str(),
            "created": key.created.get(),
        };
        let added = self.run(OPERATION, move |inner| async move {
            inner.link.insert(OPERATION, &inner.link.api_keys, document).await
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
        link.find(OPERATION, &link.api_keys, doc! {}, options, usize::MAX, decode)
            .await
    }

    async fn remove_key(&self, id: &ApiKeyId) -> Result<bool> {
        const OPERATION: &str = "remove API key";
        let filter = doc! { "_id": binary(id.as_bytes()) };
        let gone = self.run(OPERATION, move |inner| async move {
            inner
                .link
                .delete_all(OPERATION, &inner.link.api_keys, filter)
                .await
        });
        Ok(gone.await? > 0)
    }

    async fn note_use(&self, id: &ApiKeyId, at: UnixSeconds) -> Result<()> {
        const OPERATION: &str = "note use of API key";
        let filter = doc! { "_id": binary(id.as_bytes()) };
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
