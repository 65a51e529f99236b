//! Clients that are slow, huge, many or gone: the real program answers the others all the same, and keeps nothing half.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::process::Command;
use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Order, Outcome};
use loadtest::http::{Connection, request};
use loadtest::program::{Program, Running};
use myevents_servers::skip::skip;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the service allows a slow client, and some slack for a loaded machine.
const CUT_WITHIN: Duration = Duration::from_secs(45);

async fn booked(program: &Program, event: &str, key: &str) -> Duration {
    let start = Instant::now();
    let order = Order {
        event: event.to_owned(),
        seats: 1,
        key: format!("well-behaved-{}", key.replace(' ', "-")),
        ..Order::default()
    };
    let outcome = Booker::new(program.service.bookings)
        .book(&order, start + Duration::from_secs(60))
        .await;
    assert!(matches!(outcome, Outcome::Booked { .. }), "{outcome:?}");
    start.elapsed()
}

async fn start(data: &tempfile::TempDir) -> (Program, Running, String) {
    let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), data.path());
    program.before = "ulimit -S -n 12000 2>/dev/null;".to_owned();
    let running = program.start_ready().await.unwrap();
    let event = program.service.new_event("clients", 100_000).await.unwrap();
    (program, running, event)
}

/// Reads until the service closes the connection; answers what it said.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = async {
        let mut piece = [0; 4096];
        // A reset is an end too: what was sent to the service was then not read.
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            said.extend_from_slice(&piece[..count]);
        }
    };
    tokio::time::timeout(CUT_WITHIN, read)
        .await
        .expect("a slow client is cut at some time");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_and_slow_bodies_are_cut_and_hold_nobody_up() {
    let data = tempfile::tempdir().unwrap();
    let (program, running, event) = start(&data).await;
    let body = format!(
        "POST /events/{event}/bookings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 11\r\n\r\n{{\"se"
    );
    let mut slow = Vec::new();
    for sent in [
        "GET /events HT",
        "GET /events HTTP/1.1\r\nhost: loc",
        body.as_str(),
    ] {
        let mut stream = TcpStream::connect(program.service.bookings).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        slow.push((sent.to_owned(), stream));
    }
    let took = booked(&program, &event, "while others are slow").await;
    assert!(took < Duration::from_secs(12), "one booking took {took:?}");
    for (sent, stream) in &mut slow {
        let said = until_closed(stream).await;
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 4"),
            "{sent:?} was answered by {said:?}"
        );
    }
    assert_eq!(program.service.bookings(&event).await.unwrap().len(), 1);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_leave_room_for_bookings() {
    let own = std::process::id().to_string();
    let raised = Command::new("prlimit")
        .args(["--pid", &own, "--nofile=12000:"])
        .output();
    if !raised.is_ok_and(|output| output.status.success()) {
        skip(
            "10,000 idle connections",
            "the limit of open files cannot be raised",
        );
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let (program, running, event) = start(&data).await;
    let mut idle = Vec::new();
    for _ in 0..10_000 {
        // One that cannot be had is not idle but refused, which leaves room just as well.
        if let Ok(Ok(stream)) = tokio::time::timeout(
            Duration::from_secs(1),
            TcpStream::connect(program.service.bookings),
        )
        .await
        {
            idle.push(stream);
        } else {
            break;
        }
    }
    let took = booked(&program, &event, "beside idle connections").await;
    assert!(
        took < CUT_WITHIN,
        "one booking took {took:?} beside {} idle connections",
        idle.len()
    );
    drop(idle);
    let took = booked(&program, &event, "after idle connections").await;
    assert!(took < CUT_WITHIN, "one booking took {took:?} once they were gone");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_of_three_mebibytes_is_refused_by_413() {
    let data = tempfile::tempdir().unwrap();
    let (program, running, event) = start(&data).await;
    let body = format!("{{\"seats\": 1, \"name\": \"{}\"}}", "x".repeat(3 << 20));
    let path = format!("/events/{event}/bookings");
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    // The answer may come before the body was sent, and the rest of it may then meet a closed connection.
    let _cut = connection
        .stream()
        .write_all(&request("POST", &path, &[], body.as_bytes()))
        .await;
    let answer = connection.answer(true).await.unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(program.service.bookings(&event).await.unwrap().is_empty());
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_sent_whole_is_booked_though_it_went_away_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let (program, running, event) = start(&data).await;
    let path = format!("/events/{event}/bookings");
    let whole = request(
        "POST",
        &path,
        &[("content-type", "text/plain;charset=UTF-8")],
        b"{\"seats\": 2}",
    );
    for cut in 0..200_usize {
        let mut stream = TcpStream::connect(program.service.bookings).await.unwrap();
        // Some are cut within the head, some within the body, and some right after the last byte.
        let end = whole.len() - cut % 40;
        stream.write_all(&whole[..end]).await.unwrap();
        drop(stream);
    }
    let sent_whole = 200_usize.div_ceil(40);
    let took = booked(&program, &event, "after the others went").await;
    assert!(took < CUT_WITHIN, "one booking took {took:?}");

    // A stop works off what was accepted; after it nothing is on its way any more.
    running.stop().await.unwrap();
    let running = program.start_ready().await.unwrap();
    let stored = program.service.bookings(&event).await.unwrap();
    let theirs = stored
        .values()
        .filter(|each| each.confirmed && each.seats == 2)
        .count();
    assert_eq!(theirs + 1, stored.len(), "a booking is whole: {stored:?}");
    assert_eq!(
        theirs, sent_whole,
        "a request that was sent whole is carried through"
    );
    let (capacity, available) = program.service.availability(&event).await.unwrap();
    assert_eq!(capacity - available, i64::try_from(2 * theirs + 1).unwrap());
    running.stop().await.unwrap();
}
