//! The port that tells who asks, from the headers of a request, and what has to be said to do so by tokens.

use std::fmt::Debug;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, Uri};

use crate::error::{Error, ErrorKind, Result};
use crate::service::Caller;

/// Tells who asks. The routers call it once for each request to their routes, before anything of the body is read.
///
/// `JwtAuthenticator` (feature `jwt`) is one. Another may read a header that a proxy sets, or a cookie; a service that
/// trusts such a header must let nobody past the proxy. What a browser sends along by itself, a cookie or what a proxy makes
/// of one, has to be guarded against requests of other sites besides: answers allow every origin by default, and bodies are
/// read whatever their type.
#[async_trait]
pub trait Authenticator: Debug + Send + Sync + 'static {
    /// Who asks: [`Caller::Anonymous`] only where no credentials came at all. Public routes then answer, all others 401.
    ///
    /// # Errors
    /// `Unauthenticated` when there are credentials and they are no good; its message reaches the client, so it names no
    /// part of them. `Unavailable` when it can't be told just now, such as while keys can't be had: 503.
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller>;
}

/// Where the issuer's public keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A PEM file with one or several public keys (`BEGIN PUBLIC KEY`), read once.
    PublicKeyFile(PathBuf),
    /// A file with a JSON Web Key Set, read again when a token names a key that is not known.
    JwksFile(PathBuf),
    /// The address of a JSON Web Key Set; see [`key_url`] for what it may be.
    JwksUrl(String),
    /// Found by the issuer's own discovery document, `<issuer>/.well-known/openid-configuration`.
    Discovery,
}

/// Which tokens are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtOptions {
    /// The one issuer, exactly as its tokens say in `iss`.
    pub issuer: String,
    /// What tokens have to name in `aud`: one of these.
    pub audiences: Vec<String>,
    /// Where the issuer's keys come from.
    pub keys: KeySource,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// The claims that hold scopes: text with spaces between words, or a list of words.
    pub scope_claims: Vec<String>,
    /// The least time between two tries to read the keys, so that tokens of invented keys cost their source no more.
    pub refresh_pause: Duration,
}

impl JwtOptions {
    /// Tokens of `issuer` for `audience`, with keys found by discovery.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            keys: KeySource::Discovery,
            leeway: Duration::from_secs(60),
            scope_claims: vec!["scope".to_owned(), "scp".to_owned()],
            refresh_pause: Duration::from_secs(5),
        }
    }
}

/// Reads an address that keys come from. Whoever can change what comes from there can sign in as anybody, so it is
/// `https`, or `http` on this machine, and holds no password.
///
/// # Errors
/// `Config`, in words for whoever set it.
pub fn key_url(text: &str) -> Result<Uri> {
    let fault = |message: &'static str| Error::new(ErrorKind::Config, "read the address of keys", message);
    let uri: Uri = text.parse().map_err(|_| fault("is no URL"))?;
    let authority = uri.authority().ok_or_else(|| fault("is no URL with a host"))?;
    if authority.as_str().contains('@') {
        return Err(fault("holds a user name, which would be sent nowhere"));
    }
    let host = authority.host().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if here => Ok(uri),
        Some("http") => Err(fault(
            "is http: whoever is in between could put in keys of their own; use https, or a file",
        )),
        _ => Err(fault("is neither https nor http")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for good in [
            "https://id.example/keys",
            "https://id.example:8443/realms/a?x=1",
            "http://localhost:8080/keys",
            "http://127.0.0.1/keys",
            "http://[::1]:80/",
        ] {
            assert!(key_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/keys.json",
            "id.example",
            "http://id.example/keys",
            "http://localhost.example/keys",
            "http://127.0.0.1@id.example/",
            "https://user:secret@id.example/",
            "file:///etc/passwd",
            "ftp://localhost/keys",
        ] {
            assert!(key_url(bad).is_err(), "{bad}");
        }
    }
}
