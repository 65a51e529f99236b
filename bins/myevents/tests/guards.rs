//! What keeps strangers, other sites and proxies out of what is not theirs, by the real program: headers, the organiser's list,
//! modes of files, warnings, room for requests, and HTTP/2 clients that only stay.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use loadtest::http::{Answer, Connection, request};
use loadtest::program::{Program, Running};
use loadtest::service::ask;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn start(data: &Path, environment: &[(&str, &str)]) -> (Program, Running) {
    let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), data);
    for (name, value) in environment {
        program
            .environment
            .push(((*name).to_owned(), (*value).to_owned()));
    }
    let running = program.start_ready().await.unwrap();
    (program, running)
}

async fn get(program: &Program, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    connection
        .send(&request("GET", path, headers, b""))
        .await
        .unwrap()
}

#[tokio::test]
async fn every_answer_says_that_it_is_what_it_is_and_belongs_in_no_frame() {
    let data = tempfile::tempdir().unwrap();
    let (program, running) = start(data.path(), &[]).await;
    for path in [
        "/",
        "/events",
        "/events/00ff",
        "/nowhere",
        "/healthz",
        "/openapi.json",
        "/docs",
        "/docs/swagger-ui.css",
        "/docs/start.js",
    ] {
        let answer = get(&program, path, &[]).await;
        let header = |name: &str| answer.header(name).unwrap_or("").to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        let policy = header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(
            !policy.contains("script-src 'unsafe") && !policy.contains('*'),
            "{path}: {policy}"
        );
    }
    let docs = get(&program, "/docs", &[]).await;
    let html = String::from_utf8_lossy(&docs.body).into_owned();
    assert!(
        !html.contains("<script>"),
        "its policy runs no inline script: {html}"
    );
    let metrics = ask(program.service.metrics.unwrap(), "GET", "/metrics", None).await;
    assert_eq!(metrics.unwrap().header("x-content-type-options"), Some("nosniff"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_organisers_list_is_for_this_machine_and_no_proxy_on_it_unless_told() {
    let data = tempfile::tempdir().unwrap();
    let (program, running) = start(data.path(), &[]).await;
    let event = program.service.new_event("listed", 10).await.unwrap();
    let path = format!("/events/{event}/bookings");
    let of_others: [(&str, &str); 5] = [
        ("x-forwarded-for", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
        ("via", "1.1 nginx"),
        ("origin", "https://elsewhere.example"),
    ];
    assert_eq!(get(&program, &path, &[]).await.status, 200);
    let of_here = ("origin", "http://localhost:5173");
    assert_eq!(get(&program, &path, &[of_here]).await.status, 200);
    for header in of_others {
        let answer = get(&program, &path, &[header]).await;
        assert_eq!(answer.status, 403, "{header:?}");
        assert_eq!(answer.json().unwrap()["type"], "urn:myevents:problem:forbidden");
    }
    // As a name that somebody points at 127.0.0.1.
    let asked = format!("GET {path} HTTP/1.1\r\nhost: tickets.example.com\r\n\r\n");
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    assert_eq!(connection.send(asked.as_bytes()).await.unwrap().status, 403);
    running.stop().await.unwrap();

    let told = [("MYEVENTS_ORGANISER_OPEN", "true")];
    let (program, running) = start(data.path(), &told).await;
    for header in of_others {
        assert_eq!(get(&program, &path, &[header]).await.status, 200, "{header:?}");
    }
    running.stop().await.unwrap();
}

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .filter(|file| file.file_type().unwrap().is_file())
        .map(|file| {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            (file.file_name().to_string_lossy().into_owned(), mode)
        })
        .collect()
}

#[tokio::test]
async fn files_and_backups_are_for_their_owner_alone() {
    let data = tempfile::tempdir().unwrap();
    let backup = tempfile::tempdir().unwrap();
    let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), data.path());
    program.before = "umask 022;".to_owned();
    let running = program.start_ready().await.unwrap();
    program.service.new_event("kept", 10).await.unwrap();
    let kept = modes(data.path());
    assert!(
        kept.iter().any(|(name, _)| name.ends_with(".db-wal")) && kept.len() >= 6,
        "{kept:?}"
    );
    let folder = backup.path().to_str().unwrap();
    let (well, said) = program.command(&["backup", folder]).unwrap();
    assert!(well, "{said}");
    running.stop().await.unwrap();
    let copies = modes(backup.path());
    assert_eq!(copies.len(), 2, "{copies:?}");
    // One that somebody made readable does not make what is restored from it so.
    for (name, _) in &copies {
        let readable = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(backup.path().join(name), readable).unwrap();
    }
    let (well, said) = program.command(&["restore", folder]).unwrap();
    assert!(well, "{said}");
    let restored = modes(data.path());
    for (name, mode) in kept.iter().chain(&copies).chain(&restored) {
        assert_eq!(*mode, 0o600, "{name} has {mode:o}");
    }
}

#[tokio::test]
async fn what_is_open_to_others_is_warned_of() {
    let data = tempfile::tempdir().unwrap();
    let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), data.path());
    let environment = [
        ("METRICS_URL", "0.0.0.0:0"),
        ("MONGO_URL", "mongodb://me:hidden@db/?tls=true&tlsInsecure=true"),
    ];
    for (name, value) in environment {
        program.environment.push((name.to_owned(), value.to_owned()));
    }
    let (well, said) = program.command(&["check-config"]).unwrap();
    assert!(well && !said.contains("hidden"), "{said}");
    for service in ["eventservice", "bookingservice"] {
        let warning = format!("warning: {service}: dbconnection says tlsinsecure=true");
        assert!(said.contains(&warning), "{said}");
    }
    assert!(said.contains("warning: metrics_endpoint 0.0.0.0:0"), "{said}");
    // At a start it is in the log.
    program.environment.clear();
    program.service.metrics = Some("0.0.0.0:0".parse().unwrap());
    let running = program.start_ready().await.unwrap();
    let start = Instant::now();
    while !running
        .log()
        .contains("metrics_endpoint 0.0.0.0:0 is not of this machine")
    {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", running.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_secret_in_a_file_of_its_own_is_used_and_not_shown() {
    let data = tempfile::tempdir().unwrap();
    let secret = data.path().join("broker-url");
    let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), data.path());
    let environment = [
        ("MYEVENTS_MESSAGE_BROKER_TYPE", "amqp"),
        ("AMQP_BROKER_URL_FILE", secret.to_str().unwrap()),
    ];
    for (name, value) in environment {
        program.environment.push((name.to_owned(), value.to_owned()));
    }
    let (well, said) = program.command(&["check-config"]).unwrap();
    assert!(
        !well && said.contains("AMQP_BROKER_URL_FILE") && said.contains("broker-url can't be read"),
        "{said}"
    );
    // Nobody is at this address, which the log then names without the password.
    std::fs::write(&secret, "amqp://me:hidden@127.0.0.1:1\n").unwrap();
    let (well, said) = program.command(&["check-config"]).unwrap();
    assert!(
        well && said.contains("AMQP_BROKER_URL_FILE") && !said.contains("hidden"),
        "{said}"
    );
    let running = program.start_ready().await.unwrap();
    running.log_with("127.0.0.1:1").await.unwrap();
    assert!(!running.log().contains("hidden"), "{}", running.log());
    running.stop().await.unwrap();
}

#[tokio::test]
async fn requests_past_the_room_for_all_connections_are_answered_503_and_health_is_not() {
    let data = tempfile::tempdir().unwrap();
    let (program, running) = start(data.path(), &[("MYEVENTS_MAX_REQUESTS", "2")]).await;
    let api = program.service.bookings;
    // That the body is waited for is told by `100 Continue`: from then on the request has its place.
    let hold = async || {
        let begun =
            b"POST /users HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 13\r\n\r\n";
        let mut connection = Connection::open(api).await.unwrap();
        connection.stream().write_all(begun).await.unwrap();
        let mut told = [0; 25];
        connection.stream().read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        connection
    };
    let mut slow = [hold().await, hold().await];
    let refused = get(&program, "/events", &[]).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json().unwrap()["type"], "urn:myevents:problem:overloaded");
    for path in ["/healthz", "/readyz", "/docs", "/"] {
        assert_eq!(get(&program, path, &[]).await.status, 200, "{path}");
    }
    for connection in &mut slow {
        connection.stream().write_all(b"{\"First\":\"A\"}").await.unwrap();
        assert_eq!(connection.answer(true).await.unwrap().status, 201);
    }
    assert_eq!(get(&program, "/events", &[]).await.status, 200);
    running.stop().await.unwrap();
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const NO_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// One frame: its kind, flags and payload (RFC 9113 §4.1). `None` at the end of the connection.
async fn frame(stream: &mut TcpStream) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], payload))
}

/// Answers pings and settings, until a frame of this kind or the end; answers the frame, and how many pings there were.
async fn polite_until(stream: &mut TcpStream, wanted: u8) -> (Option<Vec<u8>>, usize) {
    let mut pings = 0;
    while let Some((kind, flags, payload)) = frame(stream).await {
        let acknowledged = flags & 1 == 1;
        let answer = match kind {
            kind if kind == wanted => return (Some(payload), pings),
            PING if !acknowledged => {
                pings += 1;
                [&[0, 0, 8, PING, 1, 0, 0, 0, 0][..], &payload].concat()
            }
            SETTINGS if !acknowledged => vec![0, 0, 0, SETTINGS, 1, 0, 0, 0, 0],
            _ => continue,
        };
        if stream.write_all(&answer).await.is_err() {
            break;
        }
    }
    (None, pings)
}

#[tokio::test]
async fn http2_clients_that_only_stay_are_sent_away_and_busy_ones_are_not() {
    const WITHIN: Duration = Duration::from_secs(20);
    let data = tempfile::tempdir().unwrap();
    let (program, running) = start(data.path(), &[("MYEVENTS_HEADER_TIMEOUT", "1s")]).await;
    let connect = async |sent: &[u8]| {
        let mut stream = TcpStream::connect(program.service.bookings).await.unwrap();
        stream.write_all(sent).await.unwrap();
        stream
    };

    // Half of the preface, and silence.
    let mut half = connect(&PREFACE[..17]).await;
    let ended = async { while frame(&mut half).await.is_some() {} };
    tokio::time::timeout(WITHIN, ended)
        .await
        .expect("half a preface is not waited for");

    // All of it, and nothing but answers to pings.
    let mut idle = connect(&[PREFACE, NO_SETTINGS].concat()).await;
    let away = tokio::time::timeout(WITHIN, polite_until(&mut idle, GOAWAY)).await;
    assert!(away.expect("who only answers pings is sent away").0.is_some());
    let ended = async { while frame(&mut idle).await.is_some() {} };
    tokio::time::timeout(WITHIN, ended).await.expect("and is cut");

    // A request that takes longer than that is answered: POST /users, whose body comes late.
    let mut fields = vec![0x83, 0x86, 0x41, 9];
    fields.extend_from_slice(b"localhost");
    fields.extend_from_slice(&[0x04, 6]);
    fields.extend_from_slice(b"/users");
    let length = u8::try_from(fields.len()).unwrap();
    let head = [&[0, 0, length, HEADERS, 4, 0, 0, 0, 1][..], &fields].concat();
    let mut busy = connect(&[PREFACE, NO_SETTINGS, &head].concat()).await;
    let body = json!({"First": "A"}).to_string();
    let length = u8::try_from(body.len()).unwrap();
    let late = Instant::now() + Duration::from_millis(3_500);
    let waiting = tokio::time::timeout_at(late.into(), polite_until(&mut busy, GOAWAY)).await;
    assert!(waiting.is_err(), "a busy connection was sent away: {waiting:?}");
    let data_frame = [&[0, 0, length, DATA, 1, 0, 0, 0, 1][..], body.as_bytes()].concat();
    busy.write_all(&data_frame).await.unwrap();
    let answered = tokio::time::timeout(WITHIN, polite_until(&mut busy, HEADERS)).await;
    let (fields, _) = answered.expect("it is answered");
    // `:status: 201` as HPACK packs it: a literal under the name of index 8.
    let fields = fields.unwrap();
    let created = fields.windows(4).any(|at| at == [0x48, 0x82, 0x10, 0x03]);
    assert!(created, "{fields:?}");
    // Nobody answers its pings any more: the stop would wait for it.
    drop(busy);
    running.stop().await.unwrap();
}
