//! Keys for machines.

use async_trait::async_trait;

use super::MemoryStore;
use crate::domain::{AuditEntry, UnixSeconds};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{ApiKey, ApiKeyId, ApiKeys};

#[async_trait]
impl ApiKeys for MemoryStore {
    async fn add_key(&self, key: &ApiKey, audit: &AuditEntry) -> Result<()> {
        const OPERATION: &str = "add API key";
        self.write(OPERATION, |state, _| {
            if state.api_keys.contains_key(&key.id()) {
                return Err(Error::new(ErrorKind::Conflict, OPERATION, "the key is there"));
            }
            state.api_keys.insert(key.id(), key.clone());
            state.audit.append(Some(audit));
            Ok(())
        })
        .await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>> {
        self.read("list API keys", |state| {
            state.api_keys.values().cloned().collect()
        })
    }

    async fn remove_key(&self, id: &ApiKeyId, audit: &AuditEntry) -> Result<bool> {
        self.write("remove API key", |state, _| {
            let was_there = state.api_keys.remove(id).is_some();
            if was_there {
                state.audit.append(Some(audit));
            }
            Ok(was_there)
        })
        .await
    }

    async fn note_use(&self, id: &ApiKeyId, at: UnixSeconds) -> Result<()> {
        self.write("note use of API key", |state, _| {
            if let Some(key) = state.api_keys.get_mut(id) {
                key.last_used = key.last_used.max(Some(at));
            }
            Ok(())
        })
        .await
    }
}
