//! The files of HTTPS: read whole, compared by their digest, and made into what rustls serves with.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};

use super::validity;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::config::TlsFiles;

/// Tells contents apart without keeping them: one of them is a secret.
pub(super) type Digest = [u8; 32];

fn fault(message: &'static str, path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Config, "read certificate", message)
        .with("file", path.display())
        .with("cause", &error)
        .caused_by(error)
}

/// What could not be read is the same fault until it says something else.
pub(super) fn digest_of_fault(error: &Error) -> Digest {
    Sha256::digest(error.to_string()).into()
}

/// What the files hold.
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What was made of them.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) config: Arc<ServerConfig>,
    /// The last second in which the certificate is valid, in Unix time, where it can be told.
    pub(super) until: Option<i64>,
}

impl Made {
    pub(super) fn is_over(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until < now)
    }
}

impl Contents {
    pub(super) fn read(files: &TlsFiles) -> Result<Self> {
        let read = |path: &Path, message| std::fs::read(path).map_err(|error| fault(message, path, error));
        let client_ca = files.client_ca.as_deref();
        Ok(Self {
            certificate: read(&files.certificate, "the certificate can't be read")?,
            key: read(&files.key, "the key can't be read")?,
            client_ca: client_ca
                .map(|path| read(path, "the authorities of clients can't be read"))
                .transpose()?,
        })
    }

    pub(super) fn digest(&self) -> Digest {
        let mut digest = Sha256::new();
        for part in [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()] {
            let part = part.map_or(&[][..], Vec::as_slice);
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    pub(super) fn make(&self, files: &TlsFiles) -> Result<Made> {
        let chain = certificates(&self.certificate, &files.certificate)?;
        let private = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| fault("the key can't be read", &files.key, error))?;
        let until = chain.first().and_then(|leaf| validity::until(leaf));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| fault("no TLS version is left", &files.certificate, error))?;
        let builder = match (&self.client_ca, &files.client_ca) {
            (Some(pem), Some(path)) => {
                let wrong = "the authorities of clients can't be used";
                let mut roots = RootCertStore::empty();
                for authority in certificates(pem, path)? {
                    roots.add(authority).map_err(|error| fault(wrong, path, error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match files.client_required {
                    true => verifier,
                    false => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|error| fault(wrong, path, error))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, private).map_err(|error| {
            fault(
                "the certificate and the key do not fit",
                &files.certificate,
                error,
            )
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Made {
            config: Arc::new(config),
            until,
        })
    }
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| fault("the certificate can't be read", path, error))?;
    if found.is_empty() {
        return Err(Error::new(
            ErrorKind::Config,
            "read certificate",
            "there is no `BEGIN CERTIFICATE` in it",
        )
        .with("file", path.display()));
    }
    Ok(found)
}
