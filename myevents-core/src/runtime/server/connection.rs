//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tower::Service;

use super::body::{CountedBody, TimedBody};
use super::gate::Gate;
use super::patient::Patient;
use super::refusal::{Afterwards, PROBE, is_probe, refuse};
use super::turns::{Busy, Turn};
use super::{Shared, door};

/// A head is no larger than this.
const MAX_HEAD: usize = 64 * 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 200;

/// What a connection that asked for nothing gets to hear that it is over, and to ask after all.
const LAST_WORD: Duration = Duration::from_secs(1);

pub(super) async fn run(mut stream: TcpStream, shared: &Arc<Shared>) {
    // A small answer must not wait for the acknowledgement of the one before.
    let _best_effort = stream.set_nodelay(true);
    // Gone already, if it can't be told.
    let Ok(peer) = stream.peer_addr() else { return };
    let turn = Arc::new(shared.turns.arrive());
    if let Some(tls) = &shared.tls {
        if let Some(stream) = door::shake_hands(stream, tls, &turn, shared).await {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Box::pin(serve(stream, peer, http2, turn, shared)).await;
        }
        return;
    }
    while let Some(beginning) = begins(&stream, shared).await {
        let http2 = beginning == Beginning::Http2;
        let mut has_turn = turn.try_take();
        if !has_turn && beginning == Beginning::Probe {
            turn.pass();
            has_turn = true;
        }
        if has_turn || shared.wait_for_turn(&turn).await {
            // While it waits it shall be small.
            if http2 {
                return Box::pin(serve(stream, peer, http2, turn, shared)).await;
            }
            let stream = Gate::new(stream, Arc::clone(&turn), Arc::clone(shared));
            return Box::pin(serve(stream, peer, http2, turn, shared)).await;
        }
        if http2 || !poll_fn(|context| Poll::Ready(refuse(&mut stream, context, Afterwards::Keep))).await {
            return;
        }
    }
}

/// What the first bytes of a connection show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    Http1,
    /// Of a supervisor, in HTTP/1.
    Probe,
    Http2,
}

/// Looks at the first bytes without taking them: HTTP/2 begins with `PRI`, which no method of HTTP/1 does. `None` when
/// nothing comes in time.
async fn begins(stream: &TcpStream, shared: &Shared) -> Option<Beginning> {
    const PREFACE: &[u8] = b"PRI * ";
    let look = async {
        let mut start = [0; PROBE];
        loop {
            let seen = stream.peek(&mut start).await.ok()?;
            let seen = &start[..seen];
            if *seen.first()? == door::TLS_HANDSHAKE {
                shared.mistakes.tls_on_plain();
                return None;
            }
            if seen.starts_with(PREFACE) {
                return Some(Beginning::Http2);
            }
            if !PREFACE.starts_with(seen) {
                return Some(match is_probe(seen) {
                    true => Beginning::Probe,
                    false => Beginning::Http1,
                });
            }
            // Bytes seen stay readable, so waiting for readiness would spin.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        biased;
        seen = timeout(shared.limits.header_timeout, look) => seen.ok().flatten(),
        () = shared.close.cancelled() => None,
    }
}

async fn serve<S>(stream: S, peer: SocketAddr, http2: bool, turn: Arc<Turn>, shared: &Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Patient::new(stream, shared.limits.write_timeout);
    let open = Open::default();
    let service = service_fn(|request| {
        let shared = Arc::clone(shared);
        let counted = http2.then(|| open.one_more());
        let busy = turn.begin();
        async move {
            let answered = answer(request, peer, &busy, &shared).await;
            Ok::<_, Infallible>(match counted {
                Some(counted) => answered.map(|body| Body::new(CountedBody::new(body, counted))),
                None => answered,
            })
        }
    });
    let io = TokioIo::new(stream);
    // HTTP/1 has its own timer for the next head. HTTP/2 has none: not for the rest of its preface, and a client that answers
    // pings would never be idle.
    let idle = async {
        match http2 {
            true => open.idle_for(shared.limits.header_timeout).await,
            false => std::future::pending().await,
        }
    };
    // The two builders have no trait in common, and the steps of a stop are the same.
    macro_rules! drive {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            let patience = tokio::select! {
                // First, so that who waits for a turn at a stop is told before the connection is shut down.
                biased;
                ended = connection.as_mut() => return log_end(ended),
                () = shared.close.cancelled() => None,
                // Answers that are not taken yet have as long as a write has; who never asked takes none.
                () = idle => Some(if open.ever() { shared.limits.write_timeout } else { LAST_WORD }),
            };
            connection.as_mut().graceful_shutdown();
            let too_long = async {
                match patience {
                    // What came in meanwhile is answered.
                    Some(patience) => open.idle_for(patience).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                ended = connection.as_mut() => log_end(ended),
                () = shared.cut.cancelled() => {}
                () = too_long => tracing::debug!("an idle connection was cut"),
            }
        }};
    }
    if http2 {
        drive!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(shared.limits.header_timeout)
                .max_concurrent_streams(MAX_STREAMS)
                .serve_connection(io, service)
        );
    } else {
        drive!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(shared.limits.header_timeout)
                // A client that sends its booking and goes away (a page that reloads itself) has still sent it.
                .half_close(true)
                .max_buf_size(MAX_HEAD)
                .serve_connection(io, service)
        );
    }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// How many requests of a connection are open, their answers with them.
#[derive(Default)]
struct Open {
    now: watch::Sender<usize>,
    ever: AtomicBool,
}

/// An open request, until its answer was handed on.
pub(super) struct Counted(watch::Sender<usize>);

impl Open {
    fn one_more(&self) -> Counted {
        self.ever.store(true, Ordering::Relaxed);
        self.now.send_modify(|open| *open += 1);
        Counted(self.now.clone())
    }

    /// Whether there ever was one.
    fn ever(&self) -> bool {
        self.ever.load(Ordering::Relaxed)
    }

    /// Ends once no request was open for as long as this.
    async fn idle_for(&self, patience: Duration) {
        let mut open = self.now.subscribe();
        loop {
            // The sender is here, so neither ends for want of it.
            drop(open.wait_for(|open| *open == 0).await);
            if timeout(patience, open.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn answer(mut request: Request<Incoming>, peer: SocketAddr, busy: &Busy, shared: &Shared) -> Response {
    request.extensions_mut().insert(ConnectInfo(peer));
    let limits = &shared.limits;
    let http1 = request.version() < Version::HTTP_2;
    let (request, within) = if request.body().is_end_stream() {
        (request.map(|_| Body::empty()), limits.request_timeout)
    } else {
        let timed = request.map(|body| Body::new(TimedBody::new(body, limits.body_timeout, busy.turn())));
        (timed, limits.request_timeout + limits.body_timeout)
    };
    let mut router = shared.router.clone();
    let mut response = match timeout(within, router.call(request)).await {
        Ok(Ok(response)) => response,
        Err(_) => too_slow(),
    };
    if http1 && (shared.closing.load(Ordering::Relaxed) || busy.turn().passed()) {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The last resort: the use cases have bounds of their own that answer before.
fn too_slow() -> Response {
    let body = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"the request took too long; repeat it with the same Idempotency-Key"}"#;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
