//! Gets one small document by HTTP: bounded in size and time, following nothing, over TLS with the system's certificates.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

use super::keys::MAX_DOCUMENT;
use crate::error::{Error, ErrorKind, Result};
use crate::rest::key_url;

/// How long one document may take in all.
pub(super) const WITHIN: Duration = Duration::from_secs(5);

/// A client for documents of keys.
pub(super) struct Fetcher(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

impl Fetcher {
    /// Reads the system's certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
    pub(super) fn new() -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!("no certificates of authorities were found: keys can't be fetched by https");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "fetch keys", "no TLS version is left").caused_by(error)
            })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        // Documents are minutes apart: no connection is kept for the next.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(Self(client))
    }

    /// The document at `url`.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes> {
        let uri = key_url(url)?;
        let got = tokio::time::timeout(WITHIN, self.exchange(&uri)).await;
        let got = got.unwrap_or_else(|_| Err(away("it took longer than 5 s")));
        got.map_err(|error| error.with("host", uri.host().unwrap_or_default()))
    }

    async fn exchange(&self, uri: &Uri) -> Result<Bytes> {
        let request = Request::get(uri)
            .header(header::ACCEPT, "application/json")
            .header(
                header::USER_AGENT,
                concat!("myevents/", env!("CARGO_PKG_VERSION")),
            )
            .body(Empty::<Bytes>::new())
            .map_err(|error| away("the address can't be asked for").caused_by(error))?;
        let response = self.0.request(request).await;
        let response = response.map_err(|error| away("it can't be reached").caused_by(error))?;
        if response.status() != StatusCode::OK {
            return Err(away("it does not answer 200").with("status", response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
        let body =
            body.map_err(|error| away("its answer broke off or is larger than 256 KiB").caused_by(error))?;
        Ok(body.to_bytes())
    }
}

fn away(message: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, "fetch keys", message)
}
