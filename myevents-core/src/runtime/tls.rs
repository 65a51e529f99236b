//! Certificates for HTTPS, read from files; the crypto provider is handed over, never taken from a global.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
pub use tokio_rustls::TlsAcceptor;

use crate::error::{Error, ErrorKind, Result};

fn fault(message: &'static str, path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Config, "read certificate", message)
        .with("file", path.display())
        .with("cause", &error)
        .caused_by(error)
}

/// An acceptor with the certificate chain and key of these PEM files, offering HTTP/2 and HTTP/1.1.
///
/// # Errors
/// `Config` naming the file that is missing or wrong.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| fault("the certificate can't be read", certificate, error))?;
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| fault("the key can't be read", key, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fault("no TLS version is left", certificate, error))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| fault("the certificate and the key do not fit", certificate, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
