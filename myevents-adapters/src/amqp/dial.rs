//! Connecting: each address in turn, with a deadline, and in a way that can be ended when the other side is silent.

use std::fmt;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream, TLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use myevents_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::config::{AmqpConfig, AmqpUrl};
use super::error::fault;
use super::secure::{Secure, unproven};
use crate::trust::is_unproven;

/// A second handle of the socket, by which a silent connection can be ended.
type Socket = Arc<Mutex<Option<TcpStream>>>;

/// A connection that stands.
pub(super) struct Live {
    pub(super) connection: Arc<Connection>,
    /// Tells it from those before and after it.
    pub(super) number: u64,
    /// Where it leads, for people.
    pub(super) place: String,
    socket: Socket,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("number", &self.number)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Live {
    pub(super) fn given(connection: Arc<Connection>, number: u64) -> Self {
        Self {
            connection,
            number,
            place: "a connection that was handed over".to_owned(),
            socket: Socket::default(),
        }
    }

    /// Says goodbye, and waits for the answer that long.
    pub(super) async fn close(&self, within: Duration) {
        let connection = Arc::clone(&self.connection);
        let goodbye = tokio::spawn(async move { connection.close(200, "OK".into()).await });
        // Whatever came of it, the socket goes.
        let _ = timeout(within, goodbye).await;
        self.drop_socket();
    }

    /// Ends the client's thread even if the other side says nothing more.
    pub(super) fn drop_socket(&self) {
        shut(&self.socket);
    }
}

fn shut(socket: &Socket) {
    if let Some(socket) = socket.lock().take() {
        // It fails for a socket that is closed already.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

/// Connects to the first address that answers.
///
/// # Errors
/// Why each of them did not, without passwords.
pub(super) async fn any(config: &AmqpConfig, purpose: &str, number: u64) -> Result<Live> {
    let mut refusals = Vec::new();
    for url in &config.urls {
        match one(config, url, purpose, number).await {
            Ok(live) => return Ok(live),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let why = match cause {
                    // What helps is said in our words.
                    Some(cause) if is_unproven(&error) => format!("{} ({cause})", error.message()),
                    Some(cause) => cause,
                    None => error.to_string(),
                };
                refusals.push(format!("{}: {why}", url.place()));
            }
        }
    }
    let why = format!("RabbitMQ can't be reached ({})", refusals.join("; "));
    Err(Error::new(ErrorKind::Unavailable, "connect", why))
}

async fn one(config: &AmqpConfig, url: &AmqpUrl, purpose: &str, number: u64) -> Result<Live> {
    let name = format!("{} {purpose}", config.service);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = lapin::runtime::default_runtime().map_err(|error| fault("connect", error))?;
    let uri = url.to_connect(config.heartbeat);
    let within = config.connect_timeout;
    let secure = match url.is_secure() {
        true => Some(Secure::connector(&config.tls)?),
        false => None,
    };
    let socket = Socket::default();
    let keeping = Arc::clone(&socket);
    // Written here, where the type of the runtime is known.
    let connector = Connection::connector(
        uri,
        runtime,
        async move |uri: AMQPUri, runtime| {
            let mut plain = uri.clone();
            plain.scheme = AMQPScheme::AMQP;
            let opening = async {
                let stream = plain
                    .connect_with_config_async(TLSConfig::default(), &runtime)
                    .await?;
                if let AsyncTcpStream::Plain(stream) = &stream {
                    let second = stream.get_ref().as_fd().try_clone_to_owned()?;
                    *keeping.lock() = Some(TcpStream::from(second));
                }
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => {
                        let connector = secure.as_ref().ok_or(std::io::ErrorKind::InvalidInput)?;
                        stream.into_rustls(connector, &uri.authority.host).await
                    }
                }
            };
            match timeout(within, opening).await {
                Ok(opened) => Ok(opened?),
                Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            }
        },
        properties,
    );
    let mut connecting = tokio::spawn(connector);
    // The handshake has no deadline of its own.
    match timeout(within * 2, &mut connecting).await {
        Ok(Ok(Ok(connection))) => Ok(Live {
            connection: Arc::new(connection),
            number,
            place: url.place(),
            socket,
        }),
        Ok(Ok(Err(error))) if is_unproven(&error) => Err(unproven(&config.tls, error)),
        Ok(Ok(Err(error))) => Err(fault("connect", error)),
        Ok(Err(ended)) => {
            Err(Error::new(ErrorKind::Internal, "connect", "the AMQP client failed").caused_by(ended))
        }
        Err(_) => {
            shut(&socket);
            Err(Error::new(ErrorKind::Unavailable, "connect", "no answer in time"))
        }
    }
}
