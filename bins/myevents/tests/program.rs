//! The real program through its front door: booking end to end, the demo, stopping, and the operators' commands.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::Result;
use loadtest::booker::{Booker, Order, Outcome};
use loadtest::program::{Program, Running};
use loadtest::service::ask;
use serde_json::json;
use std::time::Instant;

const BINARY: &str = env!("CARGO_BIN_EXE_myevents");

async fn spawn_app(data: &tempfile::TempDir, arguments: &[&str]) -> (Program, Running) {
    let mut program = Program::new(BINARY, data.path());
    program.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let running = program.start_ready().await.unwrap();
    (program, running)
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let environment = environment.iter().copied();
    Command::new(BINARY)
        .args(arguments)
        .envs(environment)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn an_event_is_made_booked_and_cancelled() -> Result<()> {
    let data = tempfile::tempdir()?;
    let (program, running) = spawn_app(&data, &[]).await;
    let api = program.service.bookings;
    let event = program.service.new_event("Aida", 10).await?;
    let booked = ask(
        api,
        "POST",
        &format!("/events/{event}/bookings"),
        Some(&json!({"seats": 3})),
    )
    .await?;
    assert_eq!(booked.status, 201);
    let booking = booked.json()?["ID"].as_str().unwrap().to_owned();
    assert_eq!(program.service.availability(&event).await?, (10, 7));
    let too_many = ask(
        api,
        "POST",
        &format!("/events/{event}/bookings"),
        Some(&json!({"seats": 8})),
    )
    .await?;
    assert_eq!(too_many.status, 409);
    for _ in 0..2 {
        assert_eq!(
            ask(api, "DELETE", &format!("/bookings/{booking}"), None)
                .await?
                .status,
            204
        );
    }
    assert_eq!(program.service.availability(&event).await?, (10, 10));
    let docs = ask(api, "GET", "/docs", None).await?.status;
    assert!(docs < 400, "/docs answers {docs}");
    let served = ask(api, "GET", "/openapi.json", None).await?.json()?;
    let printed: serde_json::Value = serde_json::from_slice(&run(&["openapi"], &[]).stdout)?;
    assert_eq!(served["paths"], printed["paths"]);
    assert!(printed["paths"]["/events/{id}/bookings"].is_object(), "{printed}");
    let metrics = ask(program.service.metrics.unwrap(), "GET", "/metrics", None).await?;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    for name in [
        "myevents_bookings_count",
        "myevents_seats_per_booking",
        "myevents_bookings_accepted_total 1",
        "myevents_http_requests_total",
        "myevents_http_request_duration_seconds",
        "myevents_messages_emitted_total",
        "myevents_messages_handled_total",
        "myevents_outbox_depth",
        "myevents_outbox_oldest_seconds",
        "myevents_desk_batch_size",
        "myevents_counter_drift",
        "process_resident_memory_bytes",
    ] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
    assert_eq!(ask(api, "GET", "/metrics", None).await?.status, 404);
    running.stop().await?;
    Ok(())
}

#[tokio::test]
async fn the_demo_fills_an_empty_store_once() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut counts = Vec::new();
    for _ in 0..2 {
        let (program, running) = spawn_app(&data, &["--demo"]).await;
        let start = Instant::now();
        loop {
            let events = ask(program.service.events, "GET", "/events", None)
                .await?
                .json()?;
            let count = events.as_array().unwrap().len();
            if count >= 9 || start.elapsed() > Duration::from_secs(10) {
                counts.push(count);
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        running.stop().await?;
    }
    assert_eq!(counts, [9, 9]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_cuts_no_accepted_request() -> Result<()> {
    let data = tempfile::tempdir()?;
    let (program, running) = spawn_app(&data, &[]).await;
    let event = program.service.new_event("under load", 100_000).await?;
    let end = Instant::now() + Duration::from_secs(20);
    let customers: Vec<_> = (0..16)
        .map(|number| {
            let (api, event) = (program.service.bookings, event.clone());
            tokio::spawn(async move {
                let mut booked = 0_usize;
                for turn in 0.. {
                    let order = Order {
                        event: event.clone(),
                        seats: 1,
                        key: format!("stop-under-load-{number}-{turn}"),
                        ..Order::default()
                    };
                    // The last one meets a program that is gone, and gives up.
                    let patience = Instant::now() + Duration::from_millis(300);
                    match Booker::new(api).book(&order, patience.min(end)).await {
                        Outcome::Booked { .. } => booked += 1,
                        _ => break,
                    }
                }
                booked
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    running.stop().await?;
    let mut booked = 0;
    for customer in customers {
        booked += customer.await?;
    }
    assert!(booked > 0);
    let running = program.start_ready().await?;
    let stored = program.service.bookings(&event).await?.len();
    // One a customer may be stored whose answer nobody waited for.
    assert!(
        (booked..=booked + 16).contains(&stored),
        "{booked} were told, {stored} are stored"
    );
    running.stop().await?;
    Ok(())
}

#[tokio::test]
async fn two_processes_on_one_folder_and_the_operators_commands() -> Result<()> {
    let data = tempfile::tempdir()?;
    let (program, running) = spawn_app(&data, &[]).await;
    let event = program.service.new_event("kept", 5).await?;

    let second = program.beside().start_ready().await.unwrap_err().to_string();
    assert!(
        second.contains("a service already runs on this database"),
        "{second}"
    );

    let backup = data.path().join("backup");
    let backup = backup.to_str().unwrap();
    let url = format!("http://{}", program.service.bookings);
    let metrics = format!("http://{}/readyz", program.service.metrics.unwrap());
    program.service.wait_outbox_empty(Duration::from_secs(60)).await?;
    for (command, expected) in [
        (&["outbox"][..], "eventservice: 0 waiting"),
        (&["outbox", "depth"], "0 parked"),
        (&["dead-letters", "list"], "0 dead letters"),
        (&["reconcile"], "1 counters checked, 0 off"),
        (&["check-store"], "bookingservice: sound"),
        (&["republish", "--event", &event], "1 events will be announced"),
        (&["health", &url], "healthy"),
        (&["health", &metrics], "healthy"),
        (&["backup", backup], "bookingservice.db"),
    ] {
        let (fine, said) = program.command(command)?;
        assert!(fine && said.contains(expected), "{command:?}: {said}");
    }
    let (fine, said) = program.command(&["restore", backup])?;
    assert!(
        !fine && said.contains("a service already runs on this database"),
        "{said}"
    );

    let later = program.service.new_event("made after the backup", 5).await?;
    running.stop().await?;
    let (fine, said) = program.command(&["restore", backup])?;
    assert!(fine, "{said}");
    let running = program.start_ready().await?;
    let status =
        |id: String| async move { ask(program.service.events, "GET", &format!("/events/{id}"), None).await };
    assert_eq!(status(event).await?.status, 200);
    assert_eq!(status(later).await?.status, 404);
    running.stop().await?;
    let (fine, said) = run_health(&url);
    assert!(!fine, "{said}");
    Ok(())
}

fn run_health(url: &str) -> (bool, String) {
    let output = run(&["health", url], &[]);
    (output.status.success(), text(&output))
}

#[tokio::test]
async fn https_beside_http_with_a_certificate_of_our_own() -> Result<()> {
    let data = tempfile::tempdir()?;
    let folder = data.path().join("tls");
    let made = run(&["dev-cert", folder.to_str().unwrap()], &[]);
    assert!(made.status.success(), "{}", text(&made));
    let mut program = Program::new(BINARY, data.path());
    let port = Program::new(BINARY, data.path()).service.events;
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    program.environment = vec![
        ("MYEVENTS_EVENTSERVICE_TLS_CERTIFICATE".into(), file("cert.pem")),
        ("MYEVENTS_EVENTSERVICE_TLS_KEY".into(), file("key.pem")),
        (
            "MYEVENTS_EVENTSERVICE_RESTFULAPI_TLSENDPOINT".into(),
            port.to_string(),
        ),
    ];
    let running = program.start_ready().await?;
    let asked = Command::new("curl")
        .args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{http_version}",
            "--cacert",
            &file("cert.pem"),
        ])
        .arg(format!("https://localhost:{}/events", port.port()))
        .output()?;
    assert_eq!(String::from_utf8_lossy(&asked.stdout), "200 2");
    assert_eq!(
        ask(program.service.events, "GET", "/events", None).await?.status,
        200
    );
    running.stop().await?;
    Ok(())
}

#[test]
fn faults_of_settings_are_told_at_once_and_passwords_never() {
    let faulty = run(
        &["check-config", "--listen", "0.0.0.0:1"],
        &[("MYEVENTS_NO_SUCH", "1"), ("MYEVENTS_DESK_WAIT", "soon")],
    );
    let said = text(&faulty);
    assert!(!faulty.status.success());
    for part in [
        "MYEVENTS_NO_SUCH",
        "`soon` is no time",
        "everybody who reaches 0.0.0.0:1 may write",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    let fine = run(
        &["check-config"],
        &[
            ("AMQP_URL", "amqp://me:geheim@broker"),
            ("MONGO_URL", "mongodb://me:geheim@db"),
        ],
    );
    let said = text(&fine);
    assert!(fine.status.success(), "{said}");
    assert!(
        said.contains("amqp_message_broker = amqp://me:***@broker  (environment AMQP_URL)"),
        "{said}"
    );
    assert!(!said.contains("geheim"), "{said}");
}

#[test]
fn a_store_that_is_away_is_named() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let output = run(
        &["--data", folder, "check-store"],
        &[
            ("MYEVENTS_DATABASETYPE", "dynamodb"),
            ("MYEVENTS_DBCONNECTION", "http://127.0.0.1:1"),
            ("AWS_ACCESS_KEY_ID", "nobody"),
            ("AWS_SECRET_ACCESS_KEY", "nothing"),
            ("AWS_REGION", "eu-central-1"),
        ],
    );
    let said = text(&output);
    assert!(!output.status.success());
    assert!(said.contains("DynamoDB can't be reached"), "{said}");
}

#[tokio::test]
async fn a_second_signal_stops_at_once() -> Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let data = tempfile::tempdir()?;
    let program = Program::new(BINARY, data.path());
    let (api, folder) = (program.service.bookings, data.path().to_str().unwrap());
    let mut child = Command::new(BINARY)
        .args([
            "--data",
            folder,
            "--listen",
            &api.to_string(),
            "--event-listen",
            "none",
        ])
        .args(["--booking-listen", "none", "--metrics-listen", "none"])
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let start = Instant::now();
    while program.service.wait_ready(Duration::ZERO).await.is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(180),
            "it does not get ready"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A body that does not come keeps the stop waiting.
    let mut slow = tokio::net::TcpStream::connect(api).await?;
    slow.write_all(b"POST /events HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n")
        .await?;
    // `100 Continue`: it is being read.
    slow.read_exact(&mut [0; 25]).await?;
    let pid = child.id().to_string();
    let signal = || Command::new("kill").args(["-TERM", &pid]).status();
    assert!(signal()?.success());
    let first = Instant::now();
    while program.service.wait_ready(Duration::ZERO).await.is_ok() {
        assert!(first.elapsed() < Duration::from_secs(12), "the stop is not begun");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(child.try_wait()?.is_none(), "the stop waits for the open request");
    assert!(signal()?.success());
    let second = Instant::now();
    let status = child.wait()?;
    assert_eq!(status.code(), Some(143));
    assert!(second.elapsed() < Duration::from_secs(12));
    Ok(())
}
