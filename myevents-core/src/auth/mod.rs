//! Sign-in by signed tokens: [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750) bearer tokens that are JWTs of one issuer.
//!
//! ```text
//! headers ──► token (three parts, its algorithm) ──► key_ring (keys by kid) ──► keys (signature) ──► claims ──► Caller
//!                                                       ▲ fetch: file, URL, discovery
//! ```
//!
//! Nothing of a token is used before its signature was checked but its algorithm and the name of its key, and both only
//! choose among what is known. Nothing of a token reaches a log or an answer.

mod claims;
mod fetch;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod key_ring;
mod keys;
mod spki;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::{Clock, SystemClock};
use crate::rest::Authenticator;
pub use crate::rest::{JwtOptions, KeySource};
use crate::service::Caller;
use claims::Rules;
use key_ring::KeyRing;
use keys::PublicKey;
use token::Token;

/// Signs callers in by tokens of one issuer.
///
/// Algorithms are those of the keys: RS256 to RS512 and PS256 to PS512 for RSA keys of 2048 to 8192 bits, ES256 and ES384
/// for their curves, EdDSA for Ed25519. A key set that can't be had leaves the keys that are known in use; a token of
/// another key is then `Unavailable`, not refused.
#[derive(Debug)]
pub struct JwtAuthenticator {
    ring: Arc<KeyRing>,
    rules: Rules,
    clock: Arc<dyn Clock>,
}

impl JwtAuthenticator {
    /// Reads the keys that are in files; those behind a URL are fetched from now on, whether they can be had yet or not.
    ///
    /// # Errors
    /// `Config` when the issuer or the audiences are empty, a file can't be read or holds no key that can be used, or a
    /// URL is none that keys may come from.
    pub async fn new(options: JwtOptions) -> Result<Self> {
        Self::with_clock(options, Arc::new(SystemClock)).await
    }

    /// The same with the time of day handed over.
    ///
    /// # Errors
    /// As [`JwtAuthenticator::new`].
    pub async fn with_clock(options: JwtOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        if options.issuer.is_empty() || options.audiences.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                "set up sign-in",
                "the issuer and at least one audience have to be said",
            ));
        }
        let ring = Arc::new(KeyRing::open(&options).await?);
        ring.keep_up();
        let rules = Rules {
            issuer: options.issuer,
            audiences: options.audiences,
            leeway: options.leeway,
            scope_claims: options.scope_claims,
        };
        Ok(Self { ring, rules, clock })
    }

    async fn signed_in(&self, text: &str) -> Result<Caller> {
        let token = Token::parse(text)?;
        let good = |keys: &[PublicKey]| {
            let mut fitting = keys.iter().filter(|key| key.fits(token.kid(), token.algorithm()));
            fitting.any(|key| key.verify(token.algorithm(), token.signed(), token.signature()))
        };
        let known = self.ring.keys_for(token.kid(), token.algorithm()).await?;
        // A new key may have come under the name of an old one, or without any.
        if !good(&known) && !good(&self.ring.newest().await?) {
            return Err(refused("the token's signature is not good"));
        }
        self.rules.caller(token.payload(), self.clock.now().seconds())
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller> {
        let Some(text) = token::bearer(headers)? else {
            return Ok(Caller::Anonymous);
        };
        self.signed_in(text)
            .await
            .inspect_err(|error| tracing::debug!(reason = error.message(), "a token was refused"))
    }
}

/// A token that is no good; the reason is shown to the client.
fn refused(reason: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, "sign in", reason)
}
