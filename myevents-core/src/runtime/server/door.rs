//! The TLS handshake of a connection: bounded in time and number, and clear about whoever speaks the wrong protocol.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::Shared;
use super::turns::Turn;
use crate::runtime::tls::Tls;

/// The first byte of a TLS client: a record of the handshake.
pub(super) const TLS_HANDSHAKE: u8 = 0x16;

/// Between two lines about the same mistake.
const SELDOM: Duration = Duration::from_secs(60);

/// Of what a plain client sends, so much is taken before the connection closes: it shall read the answer.
const PLAIN: u64 = 64 * 1024;

/// And so long it is waited for that.
const GOODBYE: Duration = Duration::from_secs(1);

const SPEAK_TLS: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\ncontent-length: 113\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"this port speaks HTTPS: write https:// first\"}";

/// Mistakes of clients that are worth a line in the log, and no more than one a minute each.
pub(super) struct Mistakes {
    listener: &'static str,
    plain: Mutex<Option<Instant>>,
    tls: Mutex<Option<Instant>>,
    certificate: Mutex<Option<Instant>>,
    crowd: Mutex<Option<Instant>>,
}

fn is_time(last: &Mutex<Option<Instant>>) -> bool {
    let now = Instant::now();
    let mut last = last.lock();
    let due = last.is_none_or(|told| now.duration_since(told) >= SELDOM);
    if due {
        *last = Some(now);
    }
    due
}

impl Mistakes {
    pub(super) fn new(listener: &'static str) -> Self {
        Self {
            listener,
            plain: Mutex::default(),
            tls: Mutex::default(),
            certificate: Mutex::default(),
            crowd: Mutex::default(),
        }
    }

    pub(super) fn tls_on_plain(&self) {
        if is_time(&self.tls) {
            tracing::warn!(
                listener = self.listener,
                "a client began with TLS, and this port speaks plain HTTP: send it http://, or to the HTTPS port; told once a minute"
            );
        }
    }

    pub(super) fn crowded(&self) {
        if is_time(&self.crowd) {
            tracing::warn!(
                listener = self.listener,
                "a client was refused, as more than max_connections_active have requests and it waited too long; told once a minute"
            );
        }
    }

    fn plain_on_tls(&self) {
        if is_time(&self.plain) {
            tracing::warn!(
                listener = self.listener,
                "a client spoke without TLS, and this port speaks HTTPS: send it https://; told once a minute"
            );
        }
    }

    fn unproven(&self, reason: &'static str) {
        if is_time(&self.certificate) {
            tracing::warn!(
                listener = self.listener,
                reason,
                "a client was refused, as tls_client_ca asks for a certificate of one of its authorities; told once a minute"
            );
        }
    }
}

/// The connection once it has a turn and both sides agreed; `None` when they did not, which is told and counted.
pub(super) async fn shake_hands(
    stream: TcpStream,
    tls: &Tls,
    turn: &Turn,
    shared: &Arc<Shared>,
) -> Option<TlsStream<TcpStream>> {
    let shaking = async {
        let deadline = Instant::now() + shared.limits.handshake_timeout;
        let mut first = [0];
        let began = tokio::select! {
            began = timeout_at(deadline, stream.peek(&mut first)) => began.map_err(|_| Some("timeout"))?.unwrap_or_default(),
            // Nothing was said yet, so nothing is lost.
            () = shared.close.cancelled() => return Err(None),
        };
        if began == 0 {
            // Looked at and left, as load balancers do to see whether the port is open.
            return Err(None);
        }
        if first[0] != TLS_HANDSHAKE {
            shared.mistakes.plain_on_tls();
            tls.failed("plain");
            // Its own time may be over before the client takes the answer.
            let _told = timeout(GOODBYE, tell_plain(stream)).await;
            return Err(None);
        }
        // Nothing is read before: a handshake costs more than most requests. The wait is not the client's time.
        let since = Instant::now();
        if !shared.wait_for_turn(turn).await {
            let stopped = shared.close.is_cancelled();
            return Err((!stopped).then_some("crowd"));
        }
        let deadline = deadline + since.elapsed();
        let greeted = greet(stream, tls, shared);
        timeout_at(deadline, greeted)
            .await
            .unwrap_or(Err(Some("timeout")))
    };
    let shaken = tokio::select! {
        shaken = shaking => shaken,
        () = shared.cut.cancelled() => Err(None),
    };
    match shaken {
        Ok(stream) => Some(stream),
        Err(reason) => {
            if let Some(reason) = reason {
                tls.failed(reason);
            }
            None
        }
    }
}

/// The handshake itself; otherwise why it came to nothing, if that is to be told.
async fn greet(
    stream: TcpStream,
    tls: &Tls,
    shared: &Shared,
) -> Result<TlsStream<TcpStream>, Option<&'static str>> {
    let greeted = tokio::select! {
        greeted = LazyConfigAcceptor::new(Acceptor::default(), stream) => greeted,
        () = shared.close.cancelled() => return Err(None),
    };
    let greeted = greeted.map_err(|error| Some(reason(&error)))?;
    // Who stops in the middle of the greeting has cost nothing, and takes no place.
    let place = shared.handshakes.acquire().await;
    let shaken = greeted.into_stream(tls.config()).await;
    drop(place);
    shaken.map_err(|error| {
        let reason = reason(&error);
        tracing::debug!(%error, "a TLS handshake came to nothing");
        if matches!(reason, "no-certificate" | "foreign-certificate") {
            shared.mistakes.unproven(reason);
        }
        Some(reason)
    })
}

/// A word for the metrics.
fn reason(error: &std::io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::NoCertificatesPresented) => "no-certificate",
        Some(rustls::Error::InvalidCertificate(_)) => "foreign-certificate",
        // It does not trust our certificate, mostly.
        Some(rustls::Error::AlertReceived(_)) => "refused-by-client",
        Some(_) => "protocol",
        None => "ended",
    }
}

/// Says in plain HTTP what is wrong. What the client sends meanwhile is taken, as it would lose the answer otherwise.
async fn tell_plain(mut stream: TcpStream) {
    let told = async {
        stream.write_all(SPEAK_TLS.as_bytes()).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(PLAIN), &mut tokio::io::sink()).await
    };
    // It may have gone.
    let _best_effort = told.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_clients_says_how_long_it_is() {
        let (head, body) = SPEAK_TLS.split_once("\r\n\r\n").unwrap();
        assert!(
            head.ends_with(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
