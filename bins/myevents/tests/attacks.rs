//! Hostile clients on the real program: its memory stays bounded, and others are answered all the while.
//!
//! Sizes are small; with MYEVENTS_SCALE=full they are those of docs/limits.md. Figures are printed (`-- --nocapture`).
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stdout, reason = "the figures are for people")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use loadtest::http::{Connection, request};
use loadtest::program::{Program, Running};
use myevents_servers::skip::full_scale;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// What an attack may cost in memory beyond what the program had before it.
const MOST_GROWTH: u64 = 300 << 20;
/// Nothing waits longer, on however loaded a machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What an attacker can send at most until a refusal is noticed: nearly all of it lies in the buffers of the two sockets, whose
/// size is the system's.
const MOST_TAKEN: usize = 48 << 20;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// `GET /events` of `localhost`, as HPACK packs it.
const GET_EVENTS: &[u8] = b"\x82\x86\x41\x09localhost\x04\x07/events";

fn size(small: usize, full: usize) -> usize {
    if full_scale() { full } else { small }
}

/// Asks as others do while an attack runs, and looks at the program's memory.
struct Others {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    asking: JoinHandle<(u64, Duration)>,
    before: u64,
}

impl Others {
    fn begin(at: SocketAddr, running: &Running) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let before = running.resident_bytes().unwrap();
        let peak = Arc::new(AtomicU64::new(before));
        let asking = tokio::spawn(ask_on(at, Arc::clone(&stop)));
        Self {
            stop,
            peak,
            asking,
            before,
        }
    }

    fn look(&self, running: &Running) {
        let now = running.resident_bytes().unwrap();
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    /// Ends the watch and holds the attack to what it may cost.
    async fn end(self, attack: &str, running: &Running) {
        self.look(running);
        self.stop.store(true, Ordering::Relaxed);
        let (answered, slowest) = self.asking.await.unwrap();
        let peak = self.peak.load(Ordering::Relaxed);
        println!(
            "{attack}: memory {} MiB before, {} MiB at most; {answered} others were answered, the slowest in {slowest:?}",
            self.before >> 20,
            peak >> 20
        );
        assert!(answered > 0, "{attack}: nobody else was answered");
        let growth = peak.saturating_sub(self.before);
        assert!(growth < MOST_GROWTH, "{attack}: {} MiB more", growth >> 20);
    }
}

async fn ask_on(at: SocketAddr, stop: Arc<AtomicBool>) -> (u64, Duration) {
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    loop {
        let last = stop.load(Ordering::Relaxed);
        let start = std::time::Instant::now();
        let asked = async {
            let mut connection = Connection::open(at).await?;
            connection.send(&request("GET", "/events", &[], b"")).await
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        let answer = answer.expect("others wait too long").expect("others are cut off");
        assert_eq!(answer.status, 200, "others are refused");
        answered += 1;
        slowest = slowest.max(start.elapsed());
        // One that began when the attack was over is the last.
        if last {
            return (answered, slowest);
        }
    }
}

async fn start(data: &tempfile::TempDir, environment: &[(&str, &str)]) -> (Program, Running) {
    let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), data.path());
    program.before = "ulimit -S -n 12000 2>/dev/null;".to_owned();
    let settings = environment.iter();
    program.environment = settings
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let running = program.start_ready().await.unwrap();
    (program, running)
}

/// Reads until the end; answers what was said.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let read = async {
        let mut piece = [0; 16_384];
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            said.extend_from_slice(&piece[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("an attacker is cut at some time");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_and_bodies_and_many_connections() {
    let data = tempfile::tempdir().unwrap();
    let timeouts = [("MYEVENTS_HEADER_TIMEOUT", "5s"), ("MYEVENTS_BODY_TIMEOUT", "5s")];
    let (program, running) = start(&data, &timeouts).await;
    let at = program.service.bookings;
    let others = Others::begin(at, &running);
    let wanted = size(600, 10_000);
    let own = std::process::id().to_string();
    let _as_far_as_may_be = std::process::Command::new("prlimit")
        .args(["--pid", &own, "--nofile=12000:"])
        .output();
    let mut slow = Vec::new();
    for turn in 0..wanted {
        let Ok(mut stream) = TcpStream::connect(at).await else {
            break;
        };
        let begun: &[u8] = match turn % 4 {
            0 => b"",
            1 => b"GET /events HT",
            2 => b"GET /events HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
            _ => b"POST /users HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n{\"First\": \"",
        };
        let _cut = stream.write_all(begun).await;
        slow.push(stream);
    }
    println!("{} slow connections of {wanted}", slow.len());
    // A byte now and then, which buys no time.
    for _ in 0..4 {
        for stream in &mut slow {
            let _cut = stream.try_write(b"a");
        }
        others.look(&running);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut cut = 0;
    for mut stream in slow {
        let said = rest(&mut stream).await;
        assert!(
            said.is_empty() || said.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&said)
        );
        cut += 1;
    }
    assert!(cut > 0);
    others.end("slow heads and bodies", &running).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_bodies_and_bodies_that_unpack() {
    let data = tempfile::tempdir().unwrap();
    let (program, running) = start(&data, &[]).await;
    let at = program.service.bookings;
    let others = Others::begin(at, &running);
    let wanted = size(64 << 20, 1 << 30);
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = b"POST /users HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let chunk = [&b"100000\r\n"[..], &vec![b' '; 1 << 20], b"\r\n"].concat();
    let mut sent = 0;
    while sent < wanted && stream.write_all(&chunk).await.is_ok() {
        sent += 1 << 20;
        others.look(&running);
    }
    println!(
        "{} MiB of {} were taken from an endless body",
        sent >> 20,
        wanted >> 20
    );
    assert!(sent <= MOST_TAKEN, "an endless body is read on");

    // 1,029 bytes that would be a MiB of zeros; the encoding is refused before anything is unpacked.
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip"] {
        let mut connection = Connection::open(at).await.unwrap();
        let headers = [("content-encoding", encoding)];
        let answer = connection
            .send(&request("POST", "/users", &headers, &[0x1f; 1029]))
            .await
            .unwrap();
        assert_eq!(answer.status, 415, "{encoding}");
    }
    others.end("endless bodies", &running).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_headers() {
    let data = tempfile::tempdir().unwrap();
    let (program, running) = start(&data, &[]).await;
    let at = program.service.bookings;
    let others = Others::begin(at, &running);
    let wanted = size(64 << 20, 256 << 20);

    // One line without end, and lines without end.
    for piece in [vec![b'a'; 8_192], b"x-a: b\r\n".repeat(1_024)] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream
            .write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\nx-a: ")
            .await
            .unwrap();
        let mut sent = 0;
        while sent < wanted && stream.write_all(&piece).await.is_ok() {
            sent += piece.len();
            others.look(&running);
        }
        println!("{} KiB of a head were taken", sent >> 10);
        assert!(sent <= MOST_TAKEN, "a head without end is read on");
        let said = rest(&mut stream).await;
        assert!(
            said.is_empty() || said.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }

    // HTTP/2: a head that goes on in frame after frame and never ends. Each field is one byte of HPACK: `:method: GET` again,
    // or an entry of 4 KiB in the table, named again and again.
    let large = [&b"\x40\x01a\x7f\x81\x1e"[..], &vec![b'b'; 3_968]].concat();
    let bomb = vec![0xbe; 16_000];
    for (start, piece) in [(GET_EVENTS.to_vec(), vec![0x82; 16_000]), (large, bomb)] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(&frame(1, 0, 1, &start)).await.unwrap();
        let next = frame(9, 0, 1, &piece);
        let mut sent = 0;
        while sent < wanted && stream.write_all(&next).await.is_ok() {
            sent += next.len();
            others.look(&running);
        }
        println!("{} KiB of a head in frames were taken", sent >> 10);
        assert!(sent <= MOST_TAKEN, "a head of frames without end is read on");
    }
    others.end("floods of headers", &running).await;
    running.stop().await.unwrap();
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_reset_at_once() {
    let data = tempfile::tempdir().unwrap();
    let (program, running) = start(&data, &[]).await;
    let at = program.service.bookings;
    let others = Others::begin(at, &running);
    let wanted = size(20_000, 1_000_000);
    let mut opened = 0;
    let mut connections = 0;
    // Whoever is sent away comes again.
    while opened < wanted && connections < 2_000 {
        let mut stream = TcpStream::connect(at).await.unwrap();
        connections += 1;
        if stream.write_all(PREFACE).await.is_err() {
            continue;
        }
        let (mut reads, mut writes) = stream.into_split();
        let drain = tokio::spawn(async move {
            let mut piece = [0; 16_384];
            while let Ok(1..) = reads.read(&mut piece).await {}
        });
        for id in (1_u32..).step_by(2) {
            let pair = [frame(1, 5, id, GET_EVENTS), frame(3, 0, id, &[0, 0, 0, 8])].concat();
            if opened >= wanted || drain.is_finished() || writes.write_all(&pair).await.is_err() {
                break;
            }
            opened += 1;
            if opened % 500 == 0 {
                others.look(&running);
            }
        }
        drop(writes);
        let _ended = tokio::time::timeout(PATIENCE, drain).await;
    }
    println!("{opened} streams were opened and reset over {connections} connections");
    assert!(opened > 0);
    others.end("rapid reset", &running).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn one_address_has_only_so_many_connections_where_that_is_set() {
    let data = tempfile::tempdir().unwrap();
    let (program, running) = start(&data, &[("MYEVENTS_MAX_CONNECTIONS_ADDRESS", "3")]).await;
    let at = program.service.bookings;
    let ask = request("GET", "/healthz", &[], b"");
    let mut held = Vec::new();
    // The start's own question may still be closing.
    while held.len() < 3 {
        let mut connection = Connection::open(at).await.unwrap();
        if connection.send(&ask).await.is_ok() {
            held.push(connection);
        }
    }
    let mut further = TcpStream::connect(at).await.unwrap();
    assert!(
        rest(&mut further).await.is_empty(),
        "a fourth connection is answered"
    );
    // Whoever leaves makes room.
    held.pop();
    let again = async {
        loop {
            let mut connection = Connection::open(at).await.unwrap();
            if connection
                .send(&ask)
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, again)
        .await
        .expect("a place is given back");
    running.stop().await.unwrap();
}
