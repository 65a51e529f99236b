//! TLS towards RabbitMQ: whom it is proven by, and how we prove ourselves. The files are read at each connection, so that
//! renewed ones hold from the next one on.

use std::fmt;
use std::sync::Arc;

use lapin::tcp::RustlsConnector;
use myevents_core::{Error, ErrorKind, Result};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::connect::BrokerTls;
use crate::trust::{self, BROKER_CA, BROKER_CERTIFICATE, BROKER_KEY};

/// What was read, apart from the system's own authorities.
pub(super) struct Secure {
    roots: Option<RootCertStore>,
    identity: Option<(
        Vec<rustls::pki_types::CertificateDer<'static>>,
        PrivateKeyDer<'static>,
    )>,
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure")
            .field("authorities", &self.roots.as_ref().map(RootCertStore::len))
            .finish_non_exhaustive()
    }
}

impl Secure {
    /// # Errors
    /// `Config` naming the setting and the file that is wrong.
    pub(super) fn read(tls: &BrokerTls) -> Result<Self> {
        let roots = tls.ca.as_deref().map(|path| trust::authorities(BROKER_CA, path));
        let identity = tls.identity.as_ref().map(|(chain, key)| {
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| trust::unreadable(BROKER_KEY, key, error))?;
            Ok::<_, Error>((trust::certificates(BROKER_CERTIFICATE, chain)?, private))
        });
        let read = Self {
            roots: roots.transpose()?,
            identity: identity.transpose()?,
        };
        if read.identity.is_some() {
            // A key that does not fit is found now and not at the first connection.
            read.config(RootCertStore::empty())?;
        }
        Ok(read)
    }

    /// What the client connects with.
    ///
    /// # Errors
    /// `Config` where neither a setting nor the system names an authority.
    pub(super) fn connector(tls: &BrokerTls) -> Result<RustlsConnector> {
        let mut read = Self::read(tls)?;
        let roots = match read.roots.take() {
            Some(roots) => roots,
            None => of_system()?,
        };
        Ok(read.config(roots)?.into())
    }

    fn config(&self, roots: RootCertStore) -> Result<ClientConfig> {
        let unusable = |error: rustls::Error| {
            trust::refused(
                BROKER_CERTIFICATE,
                "the certificate and broker_tls_key can't be used together",
            )
            .caused_by(error)
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots);
        match &self.identity {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(unusable),
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

fn of_system() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(trust::refused(
            BROKER_CA,
            "this system has no certificates of authorities: name those of RabbitMQ's certificate",
        ));
    }
    Ok(roots)
}

/// Why a broker that could not be proven was not connected to.
pub(super) fn unproven(tls: &BrokerTls, source: lapin::Error) -> Error {
    let message = match &tls.ca {
        Some(_) => {
            "RabbitMQ's certificate is not valid for this address by the authorities in broker_tls_ca; put the authority's certificate in that file, or correct the host name in amqp_message_broker"
        }
        None => {
            "RabbitMQ's certificate is not valid for this address by the system's authorities; name its authority by broker_tls_ca, or correct the host name in amqp_message_broker"
        }
    };
    Error::new(ErrorKind::Unavailable, "connect", message).caused_by(source)
}
