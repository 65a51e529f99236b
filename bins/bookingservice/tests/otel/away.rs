//! A collector that is away, or hangs, costs its spans and nothing else.

use std::time::{Duration, Instant};

use loadtest::http::{Connection, request};
use loadtest::program::Program;
use loadtest::single::Single;
use serde_json::json;
use tokio::net::TcpListener;

use crate::collector::Collector;
use crate::post;

fn program(folder: &std::path::Path, endpoint: &str) -> Program {
    let own = env!("CARGO_BIN_EXE_bookingservice");
    let single = Single::beside(own, "myevents", folder).unwrap();
    let mut program = Program::new(single.binary, folder);
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ] {
        program.environment.push((name.into(), value.into()));
    }
    program
}

async fn log_has(running: &loadtest::program::Running, text: &str) {
    let start = Instant::now();
    while !running.log().contains(text) {
        assert!(start.elapsed().as_secs() < 30, "no `{text}` in {}", running.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_is_told_once_and_again_when_it_is_back() {
    const TRACE: &str = "8bf92f3577b34da6a3ce929d0e0e4736";
    let folder = tempfile::tempdir().unwrap();
    // A port that nobody listens on, yet.
    let address = Program::new("", "").service.bookings;
    let program = program(folder.path(), &format!("http://{address}"));
    let running = program.start_ready().await.unwrap();
    let at = program.service.bookings;
    for _ in 0..20 {
        assert_eq!(post(at, "/users", &json!({"First": "A"}), None).await.status, 201);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    log_has(&running, "spans can't be exported").await;
    let (collector, _) = Collector::start_at(address).await;
    assert_eq!(
        post(at, "/users", &json!({"First": "B"}), Some(TRACE))
            .await
            .status,
        201
    );
    log_has(&running, "spans are exported again").await;
    collector.wait(TRACE, "POST /users").await;
    let log = running.log();
    assert_eq!(log.matches("spans can't be exported").count(), 1, "{log}");
    running.stop().await.unwrap();
}

/// It takes connections and never answers: requests are answered, memory stays bounded, and the stop keeps to its time though one
/// export might take a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_hangs_holds_nothing_up_and_costs_no_memory() {
    const REQUESTS: usize = 16_000;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let hanging = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut program = program(folder.path(), &endpoint);
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ("MYEVENTS_SHUTDOWN_TIMEOUT", "8s"),
    ] {
        program.environment.push((name.into(), value.into()));
    }
    let running = program.start_ready().await.unwrap();
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    let asked = request("GET", "/locations", &[], b"");
    let mut resident = 0;
    for number in 0..REQUESTS {
        assert_eq!(connection.send_lean(&asked).await.unwrap().status, 200);
        // The queue is full by then, and all that is needed for a request was needed before.
        if number == REQUESTS / 4 {
            resident = running.resident_bytes().unwrap();
        }
    }
    let grown = running.resident_bytes().unwrap().saturating_sub(resident);
    assert!(grown < 10 << 20, "{grown} bytes more after {REQUESTS} requests");
    let start = Instant::now();
    running.stop().await.unwrap();
    let took = start.elapsed();
    // Far longer than the stop may take, and shorter than one export would.
    assert!(took < Duration::from_secs(40), "the stop took {took:?}");
    hanging.abort();
}

#[tokio::test]
async fn a_protocol_that_is_not_built_in_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = program(folder.path(), "http://127.0.0.1:4317");
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL".to_owned(), "grpc".to_owned());
    program.environment.push(grpc);
    let mut refused = program.start().unwrap();
    let status = refused.wait(Duration::from_secs(20)).await.unwrap();
    let log = refused.log();
    assert!(!status.success() && log.contains("http/protobuf"), "{log}");
}
