//! The programs that figures are held against, each in a process of its own as ours is: the least that any program must do.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use loadtest::http::Answer;
use loadtest::program::Program;
use rusqlite::Connection;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// A yardstick's command line.
#[derive(Debug, Args)]
pub(crate) struct Yardstick {
    kind: Kind,
    /// Where it listens.
    address: SocketAddr,
    /// What it works on.
    path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Bare hyper that answers a stored answer, whatever is asked.
    Hyper,
    /// Bare hyper with SQLite behind it, one transaction a booking.
    Commits,
    /// An axum program with one route.
    Axum,
}

impl Yardstick {
    /// Serves until it is killed.
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let listener = TcpListener::bind(self.address).await?;
            match self.kind {
                Kind::Hyper => hyper(listener, &self.path).await,
                Kind::Commits => commits(listener, &self.path).await,
                Kind::Axum => {
                    let router =
                        axum::Router::new().route("/readyz", axum::routing::get(|| async { "ready" }));
                    Ok(axum::serve(listener, router).await?)
                }
            }
        })
    }
}

/// A started yardstick. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Started {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Starts one and does not wait.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn spawn(kind: Kind, path: &Path) -> Result<Started> {
    let address = Program::new("", "").service.bookings;
    let name = kind.to_possible_value().context("a yardstick without a name")?;
    let child = Command::new(std::env::current_exe()?)
        .args(["yardstick", name.get_name(), &address.to_string()])
        .arg(path)
        .stdin(Stdio::null())
        .spawn()?;
    Ok(Started { child, address })
}

/// Starts one and waits until it takes connections.
///
/// # Errors
/// When it does not within ten seconds.
pub(crate) async fn start(kind: Kind, path: &Path) -> Result<Started> {
    let started = spawn(kind, path)?;
    let begin = Instant::now();
    while tokio::net::TcpStream::connect(started.address).await.is_err() {
        if begin.elapsed() > Duration::from_secs(10) {
            bail!("the yardstick {kind:?} does not start");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(started)
}

/// Stores an answer for [`Kind::Hyper`] to give: what ours gave, so that both send the same bytes.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn store_answer(answer: &Answer, path: &Path) -> Result<()> {
    let kept = |name: &str| {
        !matches!(
            name,
            "date" | "content-length" | "connection" | "transfer-encoding"
        )
    };
    let headers: Vec<_> = answer.headers.iter().filter(|(name, _)| kept(name)).collect();
    let document = serde_json::json!({
        "status": answer.status, "headers": headers, "body": String::from_utf8_lossy(&answer.body),
    });
    Ok(std::fs::write(path, document.to_string())?)
}

async fn hyper(listener: TcpListener, path: &Path) -> Result<()> {
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let status = StatusCode::from_u16(
        document["status"]
            .as_u64()
            .and_then(|code| code.try_into().ok())
            .unwrap_or(200),
    )?;
    let body = Bytes::from(document["body"].as_str().unwrap_or("").to_owned());
    let mut template = hyper::HeaderMap::new();
    for pair in document["headers"].as_array().into_iter().flatten() {
        let name: hyper::header::HeaderName = pair[0].as_str().unwrap_or("").parse()?;
        template.append(name, pair[1].as_str().unwrap_or("").parse()?);
    }
    let template = Arc::new(template);
    serve(listener, move |request| {
        let (template, body) = (Arc::clone(&template), body.clone());
        async move {
            read_whole(request).await;
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = status;
            *response.headers_mut() = (*template).clone();
            response
        }
    })
    .await
}

/// The transaction that a booking needs: the counter guarded, the booking, its message; the message of the last one leaves.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE inventory (id INTEGER PRIMARY KEY, available INTEGER NOT NULL, sold INTEGER NOT NULL);
    CREATE TABLE bookings (id BLOB PRIMARY KEY, event INTEGER NOT NULL, seats INTEGER NOT NULL, date INTEGER NOT NULL,
        state TEXT NOT NULL, fingerprint BLOB NOT NULL) WITHOUT ROWID;
    CREATE INDEX by_event ON bookings (event, date DESC, id DESC);
    CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL);
    INSERT INTO inventory VALUES (1, 1000000000000, 0);";

async fn commits(listener: TcpListener, folder: &Path) -> Result<()> {
    let connection = Connection::open(folder.join("one-by-one.db"))?;
    connection.execute_batch(SCHEMA)?;
    let (jobs, mut queue) = mpsc::channel::<oneshot::Sender<bool>>(4_096);
    std::thread::spawn(move || {
        while let Some(reply) = queue.blocking_recv() {
            // Nobody waits any more when the client has gone.
            let _gone = reply.send(book_alone(&connection).is_ok());
        }
    });
    serve(listener, move |request| {
        let jobs = jobs.clone();
        async move {
            read_whole(request).await;
            let (reply, answer) = oneshot::channel();
            let sent = jobs.send(reply).await.is_ok();
            let stored = sent && answer.await.unwrap_or(false);
            let mut response = Response::new(Full::new(Bytes::from_static(b"{\"ID\":\"00\"}")));
            *response.status_mut() = if stored {
                StatusCode::CREATED
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            response
        }
    })
    .await
}

fn book_alone(connection: &Connection) -> rusqlite::Result<()> {
    let id: [u8; 12] = rand::random();
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection
        .prepare_cached(
            "UPDATE inventory SET available = available - 1, sold = sold + 1 WHERE id = 1 AND available >= 1",
        )?
        .execute([])?;
    connection
        .prepare_cached("INSERT INTO bookings VALUES (?1, 1, 1, unixepoch(), 'confirmed', ?2)")?
        .execute([id.as_slice(), [3; 16].as_slice()])?;
    connection.prepare_cached("DELETE FROM outbox")?.execute([])?;
    connection
        .prepare_cached("INSERT INTO outbox (id, name, body) VALUES (?1, 'event.booked', ?2)")?
        .execute([id.as_slice(), [b'x'; 160].as_slice()])?;
    connection.execute_batch("COMMIT")
}

async fn read_whole(request: Request<Incoming>) {
    // A body that breaks off is the client's loss; the answer then goes nowhere.
    let _body = request.into_body().collect().await;
}

async fn serve<F>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) -> Result<()>
where
    F: Future<Output = Response<Full<Bytes>>> + Send,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            // A client that goes away ends its connection, nothing else.
            let _ended = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
