//! Both services joined by a real Kafka: from the event to the booking, through a killed broker, and a lost copy rebuilt.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::time::Duration;

use loadtest::program::Program;
use loadtest::service::{ask, event_body};
use myevents_servers::{Kind, Server};
use serde_json::json;

fn program(data: &tempfile::TempDir, settings: &serde_json::Value) -> (Program, String) {
    let file = data.path().join("settings.json");
    std::fs::write(&file, settings.to_string()).unwrap();
    let file = file.to_string_lossy().into_owned();
    let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), data.path());
    program.arguments = vec!["--conf".into(), file.clone()];
    (program, file)
}

async fn book(program: &Program, event: &str, seats: u32) {
    let path = format!("/events/{event}/bookings");
    let body = json!({"seats": seats});
    let answer = ask(program.service.bookings, "POST", &path, Some(&body))
        .await
        .unwrap();
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_joined_by_kafka_keep_their_promises_and_rebuild_a_lost_copy() {
    const TEST: &str = "services_joined_by_kafka_keep_their_promises_and_rebuild_a_lost_copy";
    let server = tokio::task::spawn_blocking(|| Server::start_or_skip(TEST, Kind::Kafka));
    let Some(mut server) = server.await.unwrap().unwrap() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let settings = json!({"message_broker_type": "kafka", "kafka_message_brokers": [server.url()]});
    let (program, file) = program(&data, &settings);
    let running = program.start_ready().await.unwrap();
    let first = program.service.new_event("opera", 10).await.unwrap();
    book(&program, &first, 3).await;
    program
        .service
        .wait_outbox_empty(Duration::from_secs(20))
        .await
        .unwrap();

    // Without the broker everything is taken and nothing announced; with it, it is.
    let mut server = tokio::task::spawn_blocking(move || {
        server.kill().unwrap();
        server
    })
    .await
    .unwrap();
    let body = event_body("aida", 20);
    let answer = ask(program.service.events, "POST", "/events", Some(&body))
        .await
        .unwrap();
    assert_eq!(answer.status, 201);
    let second = answer.json().unwrap()["ID"].as_str().unwrap().to_owned();
    book(&program, &first, 2).await;
    let server = tokio::task::spawn_blocking(move || {
        server.restart().unwrap();
        server
    })
    .await
    .unwrap();
    program
        .service
        .wait_outbox_empty(Duration::from_secs(40))
        .await
        .unwrap();
    program.service.wait_bookable(&second, 20).await.unwrap();
    assert_eq!(program.service.availability(&first).await.unwrap(), (10, 5));
    running.stop().await.unwrap();

    // The booking service's store is lost. Its place in the log is not, so it hears nothing of what was.
    for lost in [
        "bookingservice.db",
        "bookingservice.db-wal",
        "bookingservice.db-shm",
    ] {
        let _not_there = std::fs::remove_file(data.path().join(lost));
    }
    let running = program.start_ready().await.unwrap();
    let path = format!("/events/{first}/availability");
    let answer = ask(program.service.bookings, "GET", &path, None).await.unwrap();
    assert_eq!(answer.status, 404);
    // Beside the running service; a second time changes nothing.
    for _ in 0..2 {
        let (fine, said) = program.command(&["rebuild", "--conf", &file]).unwrap();
        assert!(fine && said.contains("messages read, 0 passed over"), "{said}");
        program.service.wait_bookable(&first, 10).await.unwrap();
        program.service.wait_bookable(&second, 20).await.unwrap();
    }
    book(&program, &second, 1).await;
    running.stop().await.unwrap();
    drop(server);
}

#[test]
fn a_broker_without_a_log_says_so() {
    let data = tempfile::tempdir().unwrap();
    let (program, file) = program(&data, &json!({}));
    let (fine, said) = program.command(&["rebuild", "--conf", &file]).unwrap();
    assert!(!fine && said.contains("keeps no log to read again"), "{said}");
}
