//! Keys for machines: a store keeps their hashes, what they may do, and when they were last used.

use std::fmt;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::domain::{AuditEntry, Id, Text, UnixSeconds};
use crate::error::{Error, Result};

/// Names a key in lists and commands. It says nothing of the key itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId([u8; 12]);

impl ApiKeyId {
    /// The id as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads 24 hex digits.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| Error::invalid("the id of a key has 24 hex digits, as `api-keys list` shows it"))
    }
}

impl From<&ApiKeyId> for Id {
    fn from(id: &ApiKeyId) -> Self {
        Self::from(id.0)
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl Debug for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The SHA-256 of a key. Keys have 256 random bits, so nobody finds one by trying, and a slow hash would win nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ApiKeyHash(pub [u8; 32]);

impl ApiKeyHash {
    /// The id that follows from it: its first 12 bytes.
    #[must_use]
    pub fn id(&self) -> ApiKeyId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.0[..12]);
        ApiKeyId(id)
    }
}

impl Debug for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What the key is known by when it comes.
    pub hash: ApiKeyHash,
    /// What it is for, in words for people.
    pub name: Text,
    /// What it may do: words with spaces between. Words that are not known give no right.
    pub scopes: String,
    /// When it was made.
    pub created: UnixSeconds,
    /// When it was last used, to the minute; `None` = never.
    pub last_used: Option<UnixSeconds>,
}

impl ApiKey {
    /// Names it.
    #[must_use]
    pub fn id(&self) -> ApiKeyId {
        self.hash.id()
    }
}

/// A place for keys. There are few of them, and they change rarely.
#[async_trait]
pub trait ApiKeys: Debug + Send + Sync + 'static {
    /// Stores a new key, and in the same atomic step the line of the audit log about it; durable.
    ///
    /// # Errors
    /// `Conflict` when its id is there; `Unavailable`, `OutcomeUnknown`.
    async fn add_key(&self, key: &ApiKey, audit: &AuditEntry) -> Result<()>;

    /// All keys as they are now, by id: a removed one never comes back.
    ///
    /// # Errors
    /// `Unavailable`; `Malformed` for one that can't be read.
    async fn list_keys(&self) -> Result<Vec<ApiKey>>;

    /// Removes a key; answers whether it was there. Where it was, the line of the audit log about it is stored in the same
    /// atomic step.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown`: do it again.
    async fn remove_key(&self, id: &ApiKeyId, audit: &AuditEntry) -> Result<bool>;

    /// Notes that a key was used. Time never goes back by it, and a removed key stays removed.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown`; nothing depends on it.
    async fn note_use(&self, id: &ApiKeyId, at: UnixSeconds) -> Result<()>;
}
