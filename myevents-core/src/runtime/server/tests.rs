//! Slow clients are cut, busy ones are answered at a stop.

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;

struct Started {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
    /// A message each time `/slow` is entered.
    entered: mpsc::UnboundedReceiver<()>,
    /// Lets one call of `/slow` go on.
    go: Arc<Semaphore>,
}

async fn start(limits: ServerLimits, grace: Duration) -> Started {
    let listener = Listener::bind("test", &ListenAddress::parse("127.0.0.1:0").unwrap())
        .await
        .unwrap();
    let address = listener.address();
    let (enter, entered) = mpsc::unbounded_channel();
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let slow = get(move || async move {
        enter.send(()).unwrap();
        gate.acquire().await.unwrap().forget();
        "slow"
    });
    let router = Router::new()
        .route("/", get(|| async { "here" }))
        .route("/echo", post(|body: String| async { body }))
        .route("/slow", slow);
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, router, None, limits, stop.clone(), grace));
    Started {
        address,
        stop,
        server,
        entered,
        go,
    }
}

fn short() -> ServerLimits {
    ServerLimits {
        header_timeout: Duration::from_millis(100),
        body_timeout: Duration::from_millis(100),
        ..ServerLimits::default()
    }
}

async fn ask(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut text));
    let _reset = read.await.expect("the connection ends");
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn slow_heads_and_bodies_and_silence_are_cut() {
    let started = start(short(), Duration::from_secs(5)).await;
    for request in ["", "GET / HTTP/1.1\r\nhost: a", "P", "PRI"] {
        let said = rest(ask(started.address, request).await).await;
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408"),
            "{request:?}: {said}"
        );
    }
    started.stop.cancel();
    started.server.await.unwrap();
    // Its head has all the time it needs.
    let slow_body = ServerLimits {
        body_timeout: Duration::from_millis(100),
        ..ServerLimits::default()
    };
    let started = start(slow_body, Duration::from_secs(5)).await;
    let said = rest(
        ask(
            started.address,
            "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab",
        )
        .await,
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    started.stop.cancel();
    started.server.await.unwrap();
}

#[tokio::test]
async fn a_stop_answers_what_was_asked_and_closes_idle_connections() {
    let mut started = start(ServerLimits::default(), Duration::from_secs(5)).await;
    let busy = ask(started.address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let idle = ask(started.address, "").await;
    started.entered.recv().await.unwrap();
    started.stop.cancel();
    assert_eq!(rest(idle).await, "");
    started.go.add_permits(1);
    let said = rest(busy).await;
    assert!(
        said.starts_with("HTTP/1.1 200") && said.contains("connection: close"),
        "{said}"
    );
    assert!(said.ends_with("slow"), "{said}");
    started.server.await.unwrap();
    assert!(TcpStream::connect(started.address).await.is_err());
}

#[tokio::test]
async fn a_stop_ends_within_its_grace() {
    let mut started = start(ServerLimits::default(), Duration::from_millis(300)).await;
    let busy = ask(started.address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    started.entered.recv().await.unwrap();
    started.stop.cancel();
    started.server.await.unwrap();
    assert_eq!(rest(busy).await, "");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_503() {
    let limits = ServerLimits {
        request_timeout: Duration::from_millis(50),
        ..ServerLimits::default()
    };
    let started = start(limits, Duration::from_secs(5)).await;
    let said = rest(
        ask(
            started.address,
            "GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        )
        .await,
    )
    .await;
    assert!(
        said.starts_with("HTTP/1.1 503") && said.contains("retry-after: 1"),
        "{said}"
    );
    started.stop.cancel();
    started.server.await.unwrap();
}

#[tokio::test]
async fn further_connections_wait_for_room() {
    let limits = ServerLimits {
        max_connections: 1,
        ..ServerLimits::default()
    };
    let mut started = start(limits, Duration::from_secs(5)).await;
    let first = ask(
        started.address,
        "GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    started.entered.recv().await.unwrap();
    let second = ask(
        started.address,
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    started.go.add_permits(1);
    assert!(rest(first).await.ends_with("slow"));
    assert!(rest(second).await.ends_with("here"));
    started.stop.cancel();
    started.server.await.unwrap();
}
