//! The keys that are known, and how they are kept up: one fetch at a time, with a pause between, the old ones in use
//! until new ones came.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use serde::Deserialize;
use tokio::time::Instant;

use super::fetch::Fetcher;
use super::keys::{self, Algorithm, MAX_DOCUMENT, PublicKey};
use super::{JwtOptions, KeySource, refused, spki};
use crate::error::{Error, ErrorKind, Result};
use crate::rest::key_url;

/// How often keys are read again, so that one that was withdrawn does not stay, and how soon after that failed.
const FRESH: Duration = Duration::from_secs(300);
const RETRY: Duration = Duration::from_secs(30);

/// Where keys are read.
#[derive(Debug)]
enum Place {
    /// Read once, at the start.
    Fixed,
    File(PathBuf),
    Url(String, Fetcher),
    Discovery(String, Fetcher),
}

#[derive(Debug, Default)]
struct State {
    keys: Arc<[PublicKey]>,
    /// When it was last tried, and whether that failed.
    tried: Option<Instant>,
    failed: bool,
}

/// The keys of the issuer.
#[derive(Debug)]
pub(super) struct KeyRing {
    place: Place,
    /// The least time between two tries.
    pause: Duration,
    state: RwLock<State>,
    /// Held by the one who reads.
    reading: tokio::sync::Mutex<()>,
}

impl KeyRing {
    /// Reads keys from files; from elsewhere they come when they come.
    pub(super) async fn open(options: &JwtOptions) -> Result<Self> {
        let issuer = options.issuer.as_str();
        let mut fixed = None;
        let place = match &options.keys {
            KeySource::PublicKeyFile(path) => {
                let keys = spki::public_keys(&read_file(path).await?);
                fixed = Some(keys.map_err(|error| error.with("file", path.display()))?);
                Place::Fixed
            }
            KeySource::JwksFile(path) => Place::File(path.clone()),
            KeySource::JwksUrl(url) => {
                key_url(url)?;
                Place::Url(url.clone(), Fetcher::new()?)
            }
            KeySource::Discovery => {
                key_url(issuer)?;
                Place::Discovery(issuer.to_owned(), Fetcher::new()?)
            }
        };
        if let Place::File(path) = &place {
            let keys = of_file(path).await?;
            if keys.is_empty() {
                let nobody = Error::new(ErrorKind::Config, "read keys", "the key set is empty");
                return Err(nobody.with("file", path.display()));
            }
            fixed = Some(keys);
        }
        let ring = Self {
            place,
            pause: options.refresh_pause,
            state: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
        };
        if let Some(keys) = fixed {
            ring.take_in(Ok(keys));
        }
        Ok(ring)
    }

    /// The keys, among them one that a token of this `kid` and algorithm may mean.
    ///
    /// # Errors
    /// `Unauthenticated` when no key of the issuer is meant; `Unavailable` when that can't be told just now.
    pub(super) async fn keys_for(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<[PublicKey]>> {
        // A key that is known under this name is the one that is meant, even where it does not fit.
        let meant = |key: &PublicKey| match kid {
            Some(_) => key.is_meant(kid),
            None => key.fits(None, algorithm),
        };
        let known = self.known();
        if known.iter().any(meant) {
            return Ok(known);
        }
        let known = self.newest().await?;
        if known.iter().any(meant) {
            return Ok(known);
        }
        Err(refused("the token is signed with a key that is not known"))
    }

    /// The keys as they are now: what does not fit those that are known may fit these.
    ///
    /// # Errors
    /// `Unavailable` when they can't be had.
    pub(super) async fn newest(self: &Arc<Self>) -> Result<Arc<[PublicKey]>> {
        if self.may_try() {
            // In a task of its own: a client that goes away takes nothing from those who wait for the same keys.
            let reading = tokio::spawn(Arc::clone(self).read_again()).await;
            reading.map_err(|error| {
                Error::new(ErrorKind::Internal, "read keys", "reading them broke off").caused_by(error)
            })?;
        }
        let state = self.state.read();
        if state.failed {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "read keys",
                "the keys of the issuer can't be had",
            ));
        }
        Ok(Arc::clone(&state.keys))
    }

    /// Reads the keys now and from time to time, for as long as somebody uses them.
    pub(super) fn keep_up(self: &Arc<Self>) {
        if matches!(self.place, Place::Fixed) {
            return;
        }
        let ring = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(ring) = ring.upgrade() {
                Arc::clone(&ring).read_again().await;
                let wait = if ring.state.read().failed { RETRY } else { FRESH };
                drop(ring);
                tokio::time::sleep(wait).await;
            }
        });
    }

    /// Reads the keys, or waits for the one who does; does nothing where that was just done.
    async fn read_again(self: Arc<Self>) {
        let _alone = self.reading.lock().await;
        if self.may_try() {
            let got = self.place.read().await;
            self.take_in(got);
        }
    }

    fn known(&self) -> Arc<[PublicKey]> {
        Arc::clone(&self.state.read().keys)
    }

    fn may_try(&self) -> bool {
        !matches!(self.place, Place::Fixed)
            && self
                .state
                .read()
                .tried
                .is_none_or(|tried| tried.elapsed() >= self.pause)
    }

    fn take_in(&self, got: Result<Vec<PublicKey>>) {
        let now = Instant::now();
        let mut state = self.state.write();
        state.tried = Some(now);
        match got {
            Ok(keys) => {
                if state.failed {
                    tracing::info!("the keys for sign-in can be had again");
                }
                state.failed = false;
                state.keys = keys.into();
            }
            Err(error) => {
                if !state.failed {
                    let (known, cause) = (state.keys.len(), std::error::Error::source(&error));
                    tracing::warn!(%error, cause, known, "the keys for sign-in can't be had; those that are known go on");
                }
                state.failed = true;
            }
        }
    }
}

impl Place {
    async fn read(&self) -> Result<Vec<PublicKey>> {
        match self {
            Self::Fixed => Ok(Vec::new()),
            Self::File(path) => of_file(path).await,
            Self::Url(url, fetcher) => keys::key_set(&fetcher.get(url).await?),
            Self::Discovery(issuer, fetcher) => {
                let at = format!(
                    "{}/.well-known/openid-configuration",
                    issuer.trim_end_matches('/')
                );
                let found = Discovered::read(&fetcher.get(&at).await?, issuer)?;
                keys::key_set(&fetcher.get(&found.jwks_uri).await?)
            }
        }
    }
}

/// What is used of a provider's own description
/// ([OpenID Connect Discovery §3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)).
#[derive(Debug, Deserialize)]
pub(super) struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Discovered {
    pub(super) fn read(document: &[u8], issuer: &str) -> Result<Self> {
        let fault = |message: &'static str| Error::new(ErrorKind::Config, "discover keys", message);
        let found: Self = serde_json::from_slice(document)
            .map_err(|_| fault("the discovery document has no issuer and jwks_uri"))?;
        if found.issuer != issuer {
            let says: String = found.issuer.chars().take(200).collect();
            return Err(fault("the discovery document is that of another issuer")
                .with("says", says)
                .with("expected", issuer));
        }
        if issuer.starts_with("https:") && !found.jwks_uri.starts_with("https:") {
            return Err(fault(
                "the discovery document came by https and its keys would not",
            ));
        }
        Ok(found)
    }
}

async fn of_file(path: &Path) -> Result<Vec<PublicKey>> {
    keys::key_set(&read_file(path).await?).map_err(|error| error.with("file", path.display()))
}

async fn read_file(path: &Path) -> Result<Vec<u8>> {
    let fault = |message: &'static str| {
        Error::new(ErrorKind::Config, "read keys", message).with("file", path.display())
    };
    let length = tokio::fs::metadata(path)
        .await
        .map_err(|error| {
            fault("the file can't be read")
                .with("cause", &error)
                .caused_by(error)
        })?
        .len();
    if length > MAX_DOCUMENT as u64 {
        return Err(fault("the file is larger than 256 KiB"));
    }
    tokio::fs::read(path).await.map_err(|error| {
        fault("the file can't be read")
            .with("cause", &error)
            .caused_by(error)
    })
}
