//! Sign-in by keys for machines, beside whatever other sign-in there is.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::domain::UnixSeconds;
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{ApiKey, ApiKeyHash, ApiKeyId, ApiKeys, Clock};
use crate::rest::Authenticator;
use crate::service::{Caller, Scopes};

/// How long what the store said is believed: a new key works, and a revoked one no more, within it.
const BELIEVED: Duration = Duration::from_secs(5);
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
///
/// There are few keys: all of them are kept in memory and read again every 5 s while they are asked for, once for all who
/// wait. So neither many requests of one key nor many made-up keys cost the store anything.
pub struct ApiKeyAuthenticator {
    keys: Arc<dyn ApiKeys>,
    others: Arc<dyn Authenticator>,
    clock: Arc<dyn Clock>,
    known: parking_lot::Mutex<Known>,
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    read: Option<Instant>,
    by_hash: HashMap<[u8; 32], Machine>,
}

/// A key's caller, and when its use was noted last.
struct Machine {
    id: ApiKeyId,
    caller: Caller,
    noted: Option<UnixSeconds>,
}

impl fmt::Debug for ApiKeyAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyAuthenticator")
            .field("others", &self.others)
            .finish_non_exhaustive()
    }
}

impl ApiKeyAuthenticator {
    /// What stands for an issuer in callers that come by keys; the subject is the key's id.
    pub const ISSUER: &str = Caller::API_KEY_ISSUER;

    /// Looks for keys in `keys`; whoever brings none is asked by `others`.
    #[must_use]
    pub fn new(keys: Arc<dyn ApiKeys>, others: Arc<dyn Authenticator>, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys,
            others,
            clock,
            known: parking_lot::Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    async fn caller(&self, text: &str) -> Result<Caller> {
        let refused = || {
            let reason = "the API key is not known here, or was revoked";
            Error::new(ErrorKind::Unauthenticated, "sign in", reason)
        };
        let hash = ApiKeySecret::parse(text).ok_or_else(refused)?.hash();
        self.keep_up().await?;
        let now = self.clock.now().seconds();
        let mut known = self.known.lock();
        // It is found by its hash, so how long that takes says nothing of the keys there are.
        let machine = known.by_hash.get_mut(&hash.0).ok_or_else(refused)?;
        if machine
            .noted
            .is_none_or(|noted| now.get() - noted.get() >= NOTED_EVERY)
        {
            machine.noted = Some(now);
            self.note_use(machine.id, now);
        }
        Ok(machine.caller.clone())
    }

    fn is_fresh(&self) -> bool {
        let read = self.known.lock().read;
        read.is_some_and(|read| read.elapsed() < BELIEVED)
    }

    /// Reads all keys where what is known of them is too old; one reads, the others wait for it.
    async fn keep_up(&self) -> Result<()> {
        if self.is_fresh() {
            return Ok(());
        }
        let _reading = self.reading.lock().await;
        if self.is_fresh() {
            return Ok(());
        }
        let begun = Instant::now();
        let keys = self.keys.list_keys().await?;
        let mut known = self.known.lock();
        // What is being noted just now is not stored yet.
        let before = std::mem::take(&mut known.by_hash);
        let machine = |key: ApiKey| {
            let noted = before.get(&key.hash.0).and_then(|machine| machine.noted);
            let machine = Machine {
                id: key.id(),
                caller: Caller::Subject {
                    issuer: Self::ISSUER.to_owned(),
                    subject: key.id().to_string(),
                    scopes: Scopes::of_words(key.scopes.split_whitespace()),
                },
                noted: noted.max(key.last_used),
            };
            (key.hash.0, machine)
        };
        known.by_hash = keys.into_iter().map(machine).collect();
        known.read = Some(begun);
        Ok(())
    }

    /// Nobody waits for it.
    fn note_use(&self, id: ApiKeyId, at: UnixSeconds) {
        let keys = Arc::clone(&self.keys);
        tokio::spawn(async move {
            if let Err(error) = keys.note_use(&id, at).await {
                tracing::debug!(%error, "the use of an API key was not noted");
            }
        });
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
        assert_eq!(with(std::slice::from_ref(&good)), Some(key.clone()));
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
