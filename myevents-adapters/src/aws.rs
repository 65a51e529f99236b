//! What the clients of AWS have in common: whom they trust, and how a failure to connect shows.

use std::error::Error as StdError;
use std::path::Path;

use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::result::ConnectorError;
use myevents_core::Result;

use crate::trust;

/// Over TLS by `ring`; trusts the authorities in the file that `setting` names, or the system's.
///
/// # Errors
/// `Config` for a file that holds none.
pub(crate) fn http_client(setting: &'static str, ca: Option<&Path>) -> Result<SharedHttpClient> {
    let builder = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let Some(path) = ca else {
        return Ok(builder.build_https());
    };
    // The client's own reading ends the process at a fault.
    trust::authorities(setting, path)?;
    let pem = std::fs::read(path).map_err(|error| trust::unreadable(setting, path, error))?;
    let context = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|error| trust::unreadable(setting, path, error))?;
    Ok(builder.tls_context(context).build_https())
}

/// Whether the connection was never made. What is not known to be so counts as sent.
pub(crate) fn was_never_sent(error: &ConnectorError) -> bool {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as Io;
            if matches!(
                io.kind(),
                Io::ConnectionRefused | Io::HostUnreachable | Io::NetworkUnreachable | Io::AddrNotAvailable
            ) {
                return true;
            }
        }
        let words = error.to_string();
        if words.contains("HTTP connect timeout")
            || words.contains("credentials")
            || words.contains("dns error")
        {
            return true;
        }
        source = error.source();
    }
    false
}
