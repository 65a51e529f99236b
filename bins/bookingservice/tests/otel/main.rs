//! One trace from the HTTP request through outbox and broker to the projection: the two real services, a real Kafka, and a
//! small collector that takes what they export.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod collector;

use std::net::SocketAddr;

use collector::Collector;
use loadtest::http::{Answer, Connection, request};
use loadtest::service::{Service, event_body};
use loadtest::single::Single;
use myevents_servers::{Kind, Server};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

async fn post(address: SocketAddr, path: &str, body: &Value, traceparent: Option<&str>) -> Answer {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(traceparent.map(|value| ("traceparent", value)));
    let bytes = request("POST", path, &headers, body.to_string().as_bytes());
    let mut connection = Connection::open(address).await.unwrap();
    connection.send(&bytes).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_what_comes_of_it_in_both_services_are_one_trace() {
    const TEST: &str = "a_request_and_what_comes_of_it_in_both_services_are_one_trace";
    let server = tokio::task::spawn_blocking(|| Server::start_or_skip(TEST, Kind::Kafka));
    let Some(server) = server.await.unwrap().unwrap() else {
        return;
    };
    let (collector, endpoint) = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let own = env!("CARGO_BIN_EXE_bookingservice");
    let mut events = Single::beside(own, "eventservice", folder.path()).unwrap();
    let mut bookings = Single::beside(own, "bookingservice", folder.path()).unwrap();
    for single in [&mut events, &mut bookings] {
        for (name, value) in [
            ("KAFKA_BROKERS", server.url()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ] {
            single.environment.push((name.into(), value.into()));
        }
    }
    events
        .environment
        .push(("OTEL_SERVICE_NAME".into(), "organising".into()));
    let running = [
        events.start_ready().await.unwrap(),
        bookings.start_ready().await.unwrap(),
    ];
    let service = Service {
        events: events.address,
        bookings: bookings.address,
        metrics: None,
    };

    // The caller's trace goes on.
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let body = event_body("traced", 10);
    let answer = post(service.events, "/events", &body, Some(&traceparent)).await;
    assert_eq!(answer.status, 201);
    let event = answer.json().unwrap()["ID"].as_str().unwrap().to_owned();
    service.wait_bookable(&event, 10).await.unwrap();
    let named = |name: &'static str| move |seen: &collector::Seen| seen.span.name == name;
    let asked = collector.wait("of the request", named("POST /events")).await;
    assert_eq!((asked.trace().as_str(), asked.parent().as_str()), (TRACE, CALLER));
    assert_eq!(
        (asked.service.as_str(), asked.span.kind()),
        ("organising", SpanKind::Server)
    );
    assert_eq!(
        asked.attribute("http.response.status_code").as_deref(),
        Some("201")
    );
    for (name, service, kind) in [
        ("publish event.created", "organising", SpanKind::Producer),
        ("process event.created", "bookingservice", SpanKind::Consumer),
    ] {
        let seen = collector.wait(name, named(name)).await;
        assert_eq!((seen.service.as_str(), seen.span.kind()), (service, kind));
        assert_eq!(seen.trace(), TRACE);
        assert_eq!(seen.parent(), asked.id(), "{name} comes of the request");
        assert!(seen.span.start_time_unix_nano >= asked.span.start_time_unix_nano);
        assert!(seen.attribute("messaging.message.id").is_some());
    }
    let names: std::collections::BTreeSet<String> = collector
        .of(TRACE)
        .into_iter()
        .map(|seen| seen.span.name)
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");

    // Without a caller's trace the request begins one, and its message carries it.
    let path = format!("/events/{event}/bookings");
    assert_eq!(
        post(service.bookings, &path, &json!({"seats": 2}), None)
            .await
            .status,
        201
    );
    let booked = collector
        .wait("of the booking", named("POST /events/{id}/bookings"))
        .await;
    assert_eq!(booked.parent(), "");
    let publish = collector
        .wait("publish event.booked", named("publish event.booked"))
        .await;
    assert_eq!((publish.trace(), publish.parent()), (booked.trace(), booked.id()));

    // A caller that does not want a trace gets none. What comes after it was exported, so it would have been.
    let other = "11111111111111111111111111111111";
    let unwanted = format!("00-{other}-{CALLER}-00");
    assert_eq!(
        post(service.bookings, &path, &json!({"seats": 1}), Some(&unwanted))
            .await
            .status,
        201
    );
    assert_eq!(
        post(service.bookings, &path, &json!({"seats": 1_000}), None)
            .await
            .status,
        422
    );
    let refused = collector
        .wait("of a refusal", |seen| {
            seen.attribute("http.response.status_code").as_deref() == Some("422")
        })
        .await;
    assert_eq!(
        refused.span.status.unwrap_or_default().code,
        0,
        "the client's fault is no error"
    );
    assert!(collector.of(other).is_empty());

    for running in running {
        running.stop().await.unwrap();
    }
}

/// A collector that is away costs nothing but its spans: one warning, and the stop is not held up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_is_told_once_and_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let own = env!("CARGO_BIN_EXE_bookingservice");
    let mut bookings = Single::beside(own, "bookingservice", folder.path()).unwrap();
    for (name, value) in [
        // Nobody listens on either.
        ("AMQP_BROKER_URL", "amqp://127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ] {
        bookings.environment.push((name.into(), value.into()));
    }
    let running = bookings.start_ready().await.unwrap();
    let start = std::time::Instant::now();
    while running.log().matches("traces can't be exported").count() == 0 {
        assert!(start.elapsed().as_secs() < 30, "{}", running.log());
        let answer = post(bookings.address, "/users", &json!({"First": "A"}), None).await;
        assert!(answer.status < 500, "{}", answer.status);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let log = running.log();
    assert_eq!(log.matches("traces can't be exported").count(), 1, "{log}");
    running.stop().await.unwrap();

    bookings
        .environment
        .push(("OTEL_EXPORTER_OTLP_PROTOCOL".into(), "grpc".into()));
    let mut refused = bookings.start().unwrap();
    let status = refused.wait(std::time::Duration::from_secs(20)).await.unwrap();
    assert!(
        !status.success() && refused.log().contains("http/protobuf"),
        "{}",
        refused.log()
    );
}
