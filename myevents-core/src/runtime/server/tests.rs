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

/// One of the two turns is `/slow`'s, the other goes to whoever sends something.
#[tokio::test]
async fn further_requests_wait_unread_and_silent_connections_keep_nobody_out() {
    let limits = ServerLimits {
        max_connections_active: 2,
        ..ServerLimits::default()
    };
    let mut started = start(limits, Duration::from_secs(5)).await;
    let mut busy = ask(started.address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    started.entered.recv().await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(ask(started.address, "").await);
    }
    let close = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(rest(ask(started.address, close).await).await.ends_with("here"));
    // Half a head has the other turn for a second; then the rest of it needs one again.
    let mut half = ask(started.address, "GET / HTTP/1.1\r\nhost").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let begun = tokio::time::Instant::now();
    let mut other = ask(started.address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    started.entered.recv().await.unwrap();
    assert!(
        begun.elapsed() > Duration::from_millis(50),
        "{:?}",
        begun.elapsed()
    );
    half.write_all(b": a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = [0; 512];
    let waits = tokio::time::timeout(Duration::from_millis(300), half.read(&mut answer)).await;
    assert!(waits.is_err(), "{waits:?}");
    // Both of the others are answered and quiet.
    started.go.add_permits(2);
    assert!(busy.read(&mut answer).await.unwrap() > 0);
    assert!(other.read(&mut answer).await.unwrap() > 0);
    assert!(rest(half).await.ends_with("here"));
    busy.write_all(close.as_bytes()).await.unwrap();
    assert!(rest(busy).await.ends_with("here"));
    drop(silent);
    started.stop.cancel();
    started.server.await.unwrap();
}

/// Reads one answer, and leaves the connection open.
async fn one_answer(stream: &mut TcpStream) -> (String, String) {
    let mut said = String::new();
    loop {
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(15), stream.read(&mut bytes));
        let length = read.await.expect("an answer").unwrap();
        assert!(length > 0, "the connection ended: {said}");
        said += std::str::from_utf8(&bytes[..length]).unwrap();
        if let Some((head, body)) = said.split_once("\r\n\r\n")
            && head.ends_with(&format!("content-length: {}", body.len()))
        {
            return (head.to_owned(), body.to_owned());
        }
    }
}

#[tokio::test]
async fn who_waits_for_a_turn_too_long_is_answered_503_and_can_ask_again() {
    let limits = ServerLimits {
        max_connections_active: 1,
        ..ServerLimits::default()
    };
    let mut started = start(limits, Duration::from_secs(5)).await;
    let busy = ask(started.address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    started.entered.recv().await.unwrap();
    let body = "x".repeat(10_000);
    let request = format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10000\r\n\r\n{body}");
    let mut waited = ask(started.address, &request).await;
    let half = ask(
        started.address,
        "POST /echo HTTP/1.1\r\ncontent-length: 9\r\n\r\nx",
    )
    .await;
    let (head, problem) = one_answer(&mut waited).await;
    assert!(
        head.starts_with("HTTP/1.1 503")
            && head.contains("retry-after: ")
            && head.contains("connection: keep-alive"),
        "{head}"
    );
    serde_json::from_str::<serde_json::Value>(&problem).unwrap();
    let said = rest(half).await;
    assert!(
        said.starts_with("HTTP/1.1 503") && said.contains("connection: close"),
        "{said}"
    );
    // A supervisor is answered all the same, and its connection is of no other use.
    let probe = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let said = rest(ask(started.address, probe).await).await;
    assert!(said.contains("connection: close"), "{said}");
    started.go.add_permits(1);
    drop(busy);
    waited
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 512];
    let length = waited.read(&mut answer).await.unwrap();
    assert!(answer[..length].ends_with(b"here"));
    started.stop.cancel();
    started.server.await.unwrap();
}

#[tokio::test]
async fn who_waits_for_a_turn_at_a_stop_is_told() {
    let limits = ServerLimits {
        max_connections_active: 1,
        ..ServerLimits::default()
    };
    let mut started = start(limits, Duration::from_secs(5)).await;
    let mut known = ask(started.address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut answer = [0; 512];
    assert!(known.read(&mut answer).await.unwrap() > 0);
    let busy = ask(started.address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    started.entered.recv().await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    known.write_all(request).await.unwrap();
    let new = ask(started.address, std::str::from_utf8(request).unwrap()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    started.stop.cancel();
    for waiting in [known, new] {
        let said = rest(waiting).await;
        assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    }
    started.go.add_permits(1);
    assert!(rest(busy).await.ends_with("slow"));
    started.server.await.unwrap();
}
