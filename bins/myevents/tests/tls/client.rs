//! A program with HTTPS, and clients that see what they are shown.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loadtest::program::{Program, Running};
use loadtest::service::ask;
use myevents_servers::tls::{Authority, Pair};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Far more than anything here takes: what never comes fails, what is slow does not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program with HTTPS at the event service, and its files.
pub(crate) struct Secure {
    pub(crate) program: Program,
    pub(crate) running: Running,
    pub(crate) https: SocketAddr,
    pub(crate) authority: Authority,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

impl Secure {
    /// Started with a certificate of its own authority and these settings on top, named without `MYEVENTS_`.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(|_| {
            settings
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect()
        })
        .await
    }

    /// The same with settings that depend on the folder of the files.
    pub(crate) async fn start_with(settings: impl FnOnce(&Path) -> Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("ours").unwrap();
        authority
            .issue("first")
            .unwrap()
            .write(folder.path(), "server")
            .unwrap();
        let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), folder.path().join("data"));
        let https = Program::new(env!("CARGO_BIN_EXE_myevents"), folder.path())
            .service
            .events;
        let file = |name: &str| path(&folder.path().join(name));
        let mut set = |name: &str, value: String| program.environment.push((name.to_owned(), value));
        set("MYEVENTS_EVENTSERVICE_TLS_CERTIFICATE", file("server.pem"));
        set("MYEVENTS_EVENTSERVICE_TLS_KEY", file("server.key"));
        set("MYEVENTS_EVENTSERVICE_RESTFULAPI_TLSENDPOINT", https.to_string());
        for (name, value) in settings(folder.path()) {
            set(&format!("MYEVENTS_{name}"), value);
        }
        let running = program.start_ready().await.unwrap();
        Self {
            program,
            running,
            https,
            authority,
            folder,
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn client(&self, own: Option<&Pair>) -> ClientConfig {
        self.authority.client(own).unwrap()
    }

    /// A connection over TLS.
    pub(crate) async fn open(&self, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        open(self.https, config).await
    }

    /// What the next connection is shown.
    pub(crate) async fn shown(&self) -> Vec<u8> {
        let stream = self.open(self.client(None)).await.unwrap();
        let (_, connection) = stream.get_ref();
        connection.peer_certificates().unwrap()[0].to_vec()
    }

    /// The number of a series in the metrics; 0 where there is none.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let answer = ask(self.program.service.metrics.unwrap(), "GET", "/metrics", None).await;
        let text = String::from_utf8(answer.unwrap().body).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0, |number| number.trim().parse().unwrap())
    }

    /// Waits until a series of the metrics has this number.
    pub(crate) async fn until(&self, series: &str, number: u64) {
        let reached = async {
            while self.metric(series).await < number {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(
            reached.is_ok(),
            "{series} never came to {number}:\n{}",
            self.running.log()
        );
    }
}

pub(crate) async fn open(address: SocketAddr, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let shaking = TlsConnector::from(Arc::new(config)).connect(name, stream);
    tokio::time::timeout(PATIENCE, shaking)
        .await
        .expect("the handshake ends")
}

/// Asks on a connection that stays open, and answers the status; an error when the connection ends before.
pub(crate) async fn get<S>(stream: &mut S, path: &str) -> std::io::Result<u16>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let asking = async {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        stream.read_exact(&mut body).await?;
        Ok(head[9..12].parse().unwrap())
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("an answer, or the end")
}
