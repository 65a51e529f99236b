//! Sign-in by keys for machines, beside whatever other sign-in there is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::ports::{ApiKey, ApiKeyHash, ApiKeys, Clock};
use crate::rest::Authenticator;
use crate::service::{Caller, Scopes};

/// How long a key that was found is not asked for again: a revoked one works for so long still.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Keys that are remembered.
const KNOWN: u64 = 1_024;
/// The last use is written at most so often, in seconds.
const NOTED_EVERY: i64 = 60;

/// A key, as whoever holds it has it: `mye_` and 256 random bits. It is shown once and stored nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeySecret([u8; 32]);

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

impl ApiKeySecret {
    /// What every key begins with, so that scanners of source code find those that were lost in one.
    pub const PREFIX: &str = "mye_";

    /// A new key.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Reads a key; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(Self::PREFIX)?).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// What of it is stored.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(Sha256::digest(self.0).into())
    }

    /// The text that its holder has to send.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// Signs machines in by `Authorization: Bearer mye_…`, and leaves all others to another [`Authenticator`].
#[derive(Debug)]
pub struct ApiKeyAuthenticator {
    keys: Arc<dyn ApiKeys>,
    others: Arc<dyn Authenticator>,
    clock: Arc<dyn Clock>,
    known: moka::sync::Cache<[u8; 32], Caller>,
}

impl ApiKeyAuthenticator {
    /// What stands for an issuer in callers that come by keys; the subject is the key's id.
    pub const ISSUER: &str = "myevents:api-key";

    /// Looks for keys in `keys`; whoever brings none is asked by `others`.
    #[must_use]
    pub fn new(keys: Arc<dyn ApiKeys>, others: Arc<dyn Authenticator>, clock: Arc<dyn Clock>) -> Self {
        let known = moka::sync::Cache::builder()
            .max_capacity(KNOWN)
            .time_to_live(KNOWN_FOR)
            .build();
        Self {
            keys,
            others,
            clock,
            known,
        }
    }

    async fn caller(&self, text: &str) -> Result<Caller> {
        let refused = || {
            let reason = "the API key is not known here, or was revoked";
            Error::new(ErrorKind::Unauthenticated, "sign in", reason)
        };
        let hash = ApiKeySecret::parse(text).ok_or_else(refused)?.hash();
        if let Some(caller) = self.known.get(&hash.0) {
            return Ok(caller);
        }
        // It is found by its hash, so how long that takes says nothing of the keys there are.
        let found = self.keys.find_key(&hash.id()).await?;
        let key = found.filter(|key| key.hash == hash).ok_or_else(refused)?;
        let caller = Caller::Subject {
            issuer: Self::ISSUER.to_owned(),
            subject: key.id().to_string(),
            scopes: Scopes::of_words(key.scopes.split_whitespace()),
        };
        self.known.insert(hash.0, caller.clone());
        self.note_use(&key);
        Ok(caller)
    }

    /// Nobody waits for it.
    fn note_use(&self, key: &ApiKey) {
        let now = self.clock.now().seconds();
        let due = |last: crate::domain::UnixSeconds| now.get() - last.get() >= NOTED_EVERY;
        if key.last_used.is_none_or(due) {
            let (keys, id) = (Arc::clone(&self.keys), key.id());
            tokio::spawn(async move {
                if let Err(error) = keys.note_use(&id, now).await {
                    tracing::debug!(%error, "the use of an API key was not noted");
                }
            });
        }
    }
}

/// The key that comes along; what is no single `Bearer` with a key's beginning is for others to read or refuse.
fn brought(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
    let text = text.trim();
    (scheme.eq_ignore_ascii_case("bearer") && text.starts_with(ApiKeySecret::PREFIX)).then_some(text)
}

#[async_trait]
impl Authenticator for ApiKeyAuthenticator {
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller> {
        match brought(headers) {
            Some(text) => self.caller(text).await,
            None => self.others.authenticate(headers).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_shown_nowhere_else() {
        let key = ApiKeySecret::random();
        let text = key.reveal();
        assert_eq!(text.len(), 4 + 43);
        assert_eq!(ApiKeySecret::parse(&text).as_ref(), Some(&key));
        assert_eq!(format!("{key:?} {:?}", key.hash()), "hidden hidden");
        assert!(!key.hash().id().to_string().is_empty() && key != ApiKeySecret::random());
        let cut = &text[..text.len() - 1];
        let long = format!("{text}A");
        for bad in [
            "",
            "mye_",
            cut,
            &long,
            &text[4..],
            &text.replace("mye_", "MYE_"),
            "mye_ü",
        ] {
            assert_eq!(ApiKeySecret::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_one_bearer_that_begins_like_a_key_is_one() {
        let key = ApiKeySecret::random().reveal();
        let with = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            brought(&headers).map(str::to_owned)
        };
        let good = format!("bearer  {key}");
        assert_eq!(with(&[good.clone()]), Some(key.clone()));
        for others in [
            vec![],
            vec![good.clone(), good],
            vec![format!("Basic {key}")],
            vec!["Bearer eyJhbGciOiJub25lIn0.e30.".to_owned()],
            vec![key],
        ] {
            assert_eq!(with(&others), None, "{others:?}");
        }
    }
}
