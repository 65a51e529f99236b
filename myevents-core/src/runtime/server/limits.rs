//! How long and how many: the bounds of a server, and the process's limit of open files.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The bounds of a server.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// How long a client may take to send a request's head, and how long a connection may be idle.
    pub header_timeout: Duration,
    /// How long a client may take from its connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// TLS handshakes at once, from a client's greeting on; further ones wait within their time.
    pub max_handshakes: usize,
    /// How long a client may take to send a request's body.
    pub body_timeout: Duration,
    /// How long a request may take once its head is there, the body's time aside.
    pub request_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// Open connections; further ones wait.
    pub max_connections: usize,
    /// Connections with requests that are worked on, and a second after; further ones wait with theirs unread, the newest first. Who
    /// waited for 1.5 s gets no turn any more, and is answered 503 after 9 to 13 s (over TLS, and HTTP/2, the connection closes; these wait for
    /// their first turn only).
    pub max_connections_active: usize,
    /// Open connections of one address; a further one is closed at once. `None` = no bound.
    pub max_connections_address: Option<usize>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(20),
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 10_000,
            body_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(30),
            max_connections: 20_000,
            max_connections_active: 500,
            max_connections_address: None,
        }
    }
}

/// Raises the process's limit of open files as far as it may and answers it: each connection is one.
#[must_use]
pub fn raise_open_files() -> usize {
    let now = getrlimit(Resource::Nofile);
    // Past a million nothing is won, and some systems say "unlimited" and refuse it.
    let wanted = now.maximum.unwrap_or(1 << 20).min(1 << 20);
    if now.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: now.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit of open files can't be raised");
        }
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    usize::try_from(limit).unwrap_or(usize::MAX)
}
