//! The settings of HTTPS, and of TLS towards store and broker.

use std::path::PathBuf;
use std::time::Duration;

use super::values::Values;

/// The files of HTTPS, and how they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authorities of clients' certificates, PEM; `None` = clients show none.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is refused; one with a wrong certificate always is.
    pub client_required: bool,
    /// How often the files are looked at; zero = never again.
    pub reload: Duration,
}

pub(super) fn listener(values: &mut Values<'_>) -> Option<TlsFiles> {
    let pair = pair(values, "tls_certificate", "tls_key");
    let client_ca = values.path("tls_client_ca");
    if client_ca.is_some() && pair.is_none() {
        let message = "has no effect without tls_certificate and tls_key: clients' certificates are asked for over HTTPS only";
        values.fault("tls_client_ca", message.into());
    }
    let client_required = values.text("tls_client_auth") == "required";
    let reload = values.duration("tls_reload");
    let (certificate, key) = pair?;
    Some(TlsFiles {
        certificate,
        key,
        client_ca,
        client_required,
        reload,
    })
}

/// Whom a store or broker is proven by, and how the service proves itself to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The authorities of the server's certificate, PEM, and no others; `None` = those of the backend's default.
    pub ca: Option<PathBuf>,
    /// The service's own certificate chain and key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

pub(super) fn broker(values: &mut Values<'_>) -> Trust {
    Trust {
        ca: values.path("broker_tls_ca"),
        identity: pair(values, "broker_tls_certificate", "broker_tls_key"),
    }
}

/// Two files that go together.
fn pair(values: &mut Values<'_>, certificate: &str, key: &str) -> Option<(PathBuf, PathBuf)> {
    match (values.path(certificate), values.path(key)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            values.fault(key, format!("is missing: {certificate} is set"));
            None
        }
        (None, Some(_)) => {
            values.fault(certificate, format!("is missing: {key} is set"));
            None
        }
    }
}
