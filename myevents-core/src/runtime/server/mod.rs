//! The HTTP server: HTTP/1.1 and HTTP/2, plain or TLS, with limits for slow and many clients, and a stop that cuts nobody.

mod body;
mod connection;
mod door;
mod gate;
mod limits;
mod neighbours;
mod patient;
mod refusal;
#[cfg(test)]
mod tests;
mod turns;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::ListenAddress;
use super::tls::Tls;
use crate::error::{Error, ErrorKind, Result};
use crate::observe::{NoObserver, Observation, Observer};

pub use limits::{ServerLimits, raise_open_files};
use neighbours::Neighbours;
use turns::{Turn, Turns};

/// After a stop was asked for, connections still answer for this long, telling the client to close: a request that is
/// on the wire right then is answered instead of cut.
const LINGER: Duration = Duration::from_millis(150);

/// Connections that the system completes for us before we take them; it may have a lower bound of its own (`net.core.somaxconn`). What
/// comes past it tries again after a second, then two, then four.
const BACKLOG: u32 = 4_096;

/// A bound address that does not accept yet.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    tcp: TcpListener,
    address: SocketAddr,
    clients: Option<Handle>,
    observer: Arc<dyn Observer>,
}

impl Listener {
    /// Binds `address` and logs what it got, which matters for port 0. IPv4 comes first where a name has both.
    ///
    /// # Errors
    /// `Config` when the address can't be bound.
    pub async fn bind(name: &'static str, address: &ListenAddress) -> Result<Self> {
        let fault = |error: std::io::Error| {
            Error::new(ErrorKind::Config, "listen", "the address can't be listened on")
                .with("listener", name)
                .with("address", address)
                .with("cause", &error)
                .caused_by(error)
        };
        let hosts: &[&str] = if address.host.is_empty() {
            &["::", "0.0.0.0"]
        } else {
            &[&address.host]
        };
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for host in hosts {
            let mut found: Vec<SocketAddr> = match tokio::net::lookup_host((*host, address.port)).await {
                Ok(found) => found.collect(),
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            found.sort_by_key(SocketAddr::is_ipv6);
            for candidate in found {
                match listen(candidate) {
                    Ok(tcp) => {
                        let address = tcp.local_addr().map_err(fault)?;
                        tracing::info!(listener = name, %address, "listening");
                        return Ok(Self {
                            name,
                            tcp,
                            address,
                            clients: None,
                            observer: Arc::new(NoObserver),
                        });
                    }
                    Err(error) => last = error,
                }
            }
        }
        Err(fault(last))
    }

    /// Serves its connections on another runtime, so that however many they are, they keep nothing else from its turn: not the taking of
    /// further ones either, which the system forgets when they wait for long. The runtime has to live until [`serve`] returns.
    #[must_use]
    pub fn with_clients_on(mut self, runtime: Handle) -> Self {
        self.clients = Some(runtime);
        self
    }

    /// Tells `observer` which connections were refused.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The address it got.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As the standard library does: a restart finds its port again. On Windows it would mean sharing it.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What all connections of a server share.
pub(super) struct Shared {
    limits: ServerLimits,
    router: Router,
    tls: Option<Tls>,
    handshakes: Semaphore,
    turns: Arc<Turns>,
    listener: &'static str,
    observer: Arc<dyn Observer>,
    /// Told at most once a while, as anybody can cause it.
    mistakes: door::Mistakes,
    /// Answers tell the client to close.
    closing: AtomicBool,
    /// Idle connections close, busy ones after their answer.
    close: CancellationToken,
    /// Everything is dropped.
    cut: CancellationToken,
}

impl Shared {
    /// Whether the connection has a turn now. Not where it waited for one too long, which is told, nor after a stop.
    async fn wait_for_turn(&self, turn: &Turn) -> bool {
        tokio::select! {
            biased;
            given = turn.take() => {
                if !given {
                    self.mistakes.crowded();
                    let listener = self.listener;
                    self.observer.observe(&Observation::ConnectionRefused { listener });
                }
                given
            }
            () = self.close.cancelled() => false,
        }
    }
}

/// Serves `router` on `listener` until `stop` is cancelled; then takes no more connections, answers what was asked, and
/// returns once all connections ended or `grace` is over, whichever comes first.
pub async fn serve(
    listener: Listener,
    router: Router,
    tls: Option<Tls>,
    limits: ServerLimits,
    stop: CancellationToken,
    grace: Duration,
) {
    let Listener {
        name,
        tcp,
        clients,
        observer,
        ..
    } = listener;
    let room = Arc::new(Semaphore::new(limits.max_connections.max(1)));
    let neighbours = Neighbours::new(limits.max_connections_address);
    let shared = Arc::new(Shared {
        handshakes: Semaphore::new(limits.max_handshakes.max(1)),
        turns: Turns::new(limits.max_connections_active),
        listener: name,
        observer,
        mistakes: door::Mistakes::new(name),
        limits,
        router,
        tls,
        closing: AtomicBool::new(false),
        close: CancellationToken::new(),
        cut: CancellationToken::new(),
    });
    let tasks = TaskTracker::new();
    let start = |stream: TcpStream, permit: OwnedSemaphorePermit| {
        // Gone already, if it can't be told.
        let Ok(peer) = stream.peer_addr() else { return };
        let Some(place) = neighbours.enter(peer.ip()) else {
            tracing::debug!(listener = name, "an address has as many connections as it may");
            return;
        };
        let shared = Arc::clone(&shared);
        let run = async move |stream| {
            connection::run(stream, &shared).await;
            drop((permit, place));
        };
        let Some(clients) = &clients else {
            tasks.spawn(run(stream));
            return;
        };
        // It belongs to the runtime on which it was taken; that of the clients shall be the one that watches it.
        let Ok(stream) = stream.into_std() else { return };
        let moved = async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                run(stream).await;
            }
        };
        tasks.spawn_on(moved, clients);
    };
    tasks.spawn(Arc::clone(&shared.turns).watch(shared.close.clone()));
    while let Some((stream, permit)) = next(name, &tcp, &room, &stop).await {
        start(stream, permit);
    }
    shared.closing.store(true, Ordering::Relaxed);
    // Connections that the system has completed for us would be reset with the listener.
    let linger = tokio::time::sleep(LINGER);
    tokio::pin!(linger);
    let drained = CancellationToken::new();
    loop {
        tokio::select! {
            () = &mut linger => break,
            next = next(name, &tcp, &room, &drained) => match next {
                Some((stream, permit)) => start(stream, permit),
                None => break,
            },
        }
    }
    drop(tcp);
    shared.close.cancel();
    tasks.close();
    if tokio::time::timeout(grace.saturating_sub(LINGER), tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            listener = name,
            connections = tasks.len(),
            "connections are cut: the time to stop is over"
        );
        shared.cut.cancel();
        tasks.wait().await;
    }
}

/// The next connection, once there is room for it; `None` when `stop` is cancelled.
async fn next(
    name: &'static str,
    tcp: &TcpListener,
    room: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        permit = Arc::clone(room).acquire_owned() => permit.ok()?,
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            accepted = tcp.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => return Some((stream, permit)),
            // Too many open files, mostly: it passes as others close. A client that went away again is no fault.
            Err(error) => {
                if !matches!(
                    error.kind(),
                    std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::ConnectionReset
                ) {
                    tracing::warn!(listener = name, %error, "can't accept connections for a moment");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}
