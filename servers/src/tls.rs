//! An authority with its certificates, made for one test; and a front that speaks TLS before a server that does not.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// An authority that signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Pair {
    /// Writes `<name>.pem` and `<name>.key` into the folder and answers where they are.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (
            folder.join(format!("{name}.pem")),
            folder.join(format!("{name}.key")),
        );
        std::fs::write(&certificate, &self.certificate)?;
        std::fs::write(&key, &self.key)?;
        Ok((certificate, key))
    }

    /// As rustls takes them.
    ///
    /// # Errors
    /// When they are none.
    pub fn parsed(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<Result<_, _>>()?;
        Ok((chain, PrivateKeyDer::from_pem_slice(self.key.as_bytes())?))
    }
}

impl Authority {
    /// One that nobody has heard of yet.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?,
        })
    }

    /// Its own certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes `<name>.pem` into the folder.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        let path = folder.join(format!("{name}.pem"));
        std::fs::write(&path, self.pem())?;
        Ok(path)
    }

    /// A certificate for `localhost` and 127.0.0.1, for servers and clients, in the name of `holder`.
    ///
    /// # Errors
    /// When none can be made.
    pub fn issue(&self, holder: &str) -> Result<Pair> {
        let key = KeyPair::generate()?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut parameters = CertificateParams::new(names)?;
        parameters.distinguished_name.push(DnType::CommonName, holder);
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone())?;
        Ok(roots)
    }

    /// A client that trusts this authority alone, and shows a certificate if it has one.
    ///
    /// # Errors
    /// When the certificate can't be used.
    pub fn client(&self, own: Option<&Pair>) -> Result<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots()?);
        match own {
            Some(pair) => {
                let (chain, key) = pair.parsed()?;
                Ok(builder.with_client_auth_cert(chain, key)?)
            }
            None => Ok(builder.with_no_client_auth()),
        }
    }

    /// A server with a certificate of this authority; `clients` asks clients for one of another.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn server(&self, clients: Option<&Self>) -> Result<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match clients {
            Some(authority) => {
                let roots = Arc::new(authority.roots()?);
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(roots, provider).build()?,
                )
            }
            None => builder.with_no_client_auth(),
        };
        let (chain, key) = self.issue("a server")?.parsed()?;
        Ok(builder.with_single_cert(chain, key)?)
    }
}

/// Speaks TLS before a server that does not, until it is dropped.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    shaken: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Front {
    /// Passes on what comes over TLS to `server`.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(server: SocketAddr, config: ServerConfig) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime")?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shaken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&shaken);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else {
                    return;
                };
                let acceptor = TlsAcceptor::from(Arc::new(config));
                let passing = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
                        tokio::spawn(pass(stream, server, acceptor, counter));
                    }
                };
                tokio::select! {
                    () = passing => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self {
            address,
            shaken,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections came to an agreement.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shaken.load(Ordering::Relaxed)
    }
}

async fn pass(stream: TcpStream, server: SocketAddr, acceptor: TlsAcceptor, shaken: Arc<AtomicUsize>) {
    // What goes wrong is seen by the two sides.
    let Ok(mut client) = acceptor.accept(stream).await else {
        return;
    };
    shaken.fetch_add(1, Ordering::Relaxed);
    if let Ok(mut server) = TcpStream::connect(server).await {
        let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ended = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
