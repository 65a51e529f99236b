//! Authorities of servers' certificates, from the files that settings name; and whether a connection failed for want of trust.

use std::error::Error as StdError;
use std::path::Path;

use myevents_core::{Error, ErrorKind, Result};
#[cfg(any(
    test,
    feature = "amqp",
    feature = "dynamodb",
    feature = "mongodb",
    feature = "sqs"
))]
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// What the settings of the store and of the broker are called.
#[cfg(any(test, feature = "dynamodb", feature = "mongodb"))]
pub(crate) const DATABASE_CA: &str = "database_tls_ca";
#[cfg(any(feature = "amqp", feature = "kafka", feature = "sqs"))]
pub(crate) const BROKER_CA: &str = "broker_tls_ca";
#[cfg(any(feature = "amqp", feature = "kafka"))]
pub(crate) const BROKER_CERTIFICATE: &str = "broker_tls_certificate";
#[cfg(any(feature = "amqp", feature = "kafka"))]
pub(crate) const BROKER_KEY: &str = "broker_tls_key";
#[cfg(feature = "smtp")]
pub(crate) const SMTP_CA: &str = "smtp_tls_ca";

pub(crate) fn refused(setting: &'static str, message: &'static str) -> Error {
    Error::new(ErrorKind::Config, "read certificate", message).with("setting", setting)
}

pub(crate) fn unreadable(
    setting: &'static str,
    path: &Path,
    cause: impl StdError + Send + Sync + 'static,
) -> Error {
    refused(setting, "the file can't be read as PEM")
        .with("file", path.display())
        .with("cause", &cause)
        .caused_by(cause)
}

/// The certificates of a PEM file; at least one.
pub(crate) fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(setting, path, error))?;
    if found.is_empty() {
        return Err(
            refused(setting, "there is no `BEGIN CERTIFICATE` in the file").with("file", path.display())
        );
    }
    Ok(found)
}

/// The authorities of a PEM file, and no others.
#[cfg(any(
    test,
    feature = "amqp",
    feature = "dynamodb",
    feature = "mongodb",
    feature = "sqs"
))]
pub(crate) fn authorities(setting: &'static str, path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(setting, path)? {
        roots
            .add(certificate)
            .map_err(|error| unreadable(setting, path, error))?;
    }
    Ok(roots)
}

/// Whether the server could not be proven: its certificate is of another authority, for another name, or over.
#[cfg(any(
    test,
    feature = "amqp",
    feature = "dynamodb",
    feature = "mongodb",
    feature = "sqs"
))]
pub(crate) fn is_unproven(error: &(dyn StdError + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(error) = source {
        // The drivers pass on rustls' words, some of them nothing else.
        if error.to_string().contains("invalid peer certificate") {
            return true;
        }
        // What an I/O error wraps is no source of it, but what the wrapped one comes from.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        source = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_with_the_setting_and_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, told) in [
            ("", "BEGIN CERTIFICATE"),
            (
                "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
                "can't be read",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "can't be read",
            ),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let error = authorities(DATABASE_CA, file.path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            let shown = error.to_string();
            assert!(
                shown.contains(told) && shown.contains(DATABASE_CA),
                "{text}: {shown}"
            );
            assert!(shown.contains(file.path().to_str().unwrap()), "{shown}");
        }
        let missing = authorities(DATABASE_CA, Path::new("/no/such/ca.pem")).unwrap_err();
        assert!(missing.to_string().contains("/no/such/ca.pem"), "{missing}");
    }

    #[test]
    fn want_of_trust_is_found_however_deep_it_lies() {
        let untrusted = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(is_unproven(&untrusted()));
        let wrapped = std::io::Error::new(std::io::ErrorKind::InvalidData, untrusted());
        assert!(is_unproven(&std::io::Error::other(wrapped)));
        assert!(!is_unproven(&std::io::Error::from(
            std::io::ErrorKind::ConnectionReset
        )));
    }
}
