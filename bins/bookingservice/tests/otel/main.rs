//! One trace from the HTTP request through outbox and broker to the projection, as a small collector gets it from the real
//! programs: over each broker and over `local`; and a collector that is away.
//!
//! All programs need feature `otel`: `cargo test --workspace --all-features --test otel` after a build of all of them.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod away;
mod brokers;
mod collector;
mod joined;
mod one_trace;
mod steps;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use collector::Collector;
use loadtest::http::{Answer, Connection, request};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;

/// The span of the caller, below which a trace goes on here.
const CALLER: &str = "00f067aa0ba902b7";

/// Posts with the trace context of a caller that wants the trace, and answers what came.
async fn post(address: SocketAddr, path: &str, body: &Value, trace: Option<&str>) -> Answer {
    let context = trace.map(|trace| format!("00-{trace}-{CALLER}-01"));
    post_as(address, path, body, context.as_deref()).await
}

async fn post_as(address: SocketAddr, path: &str, body: &Value, traceparent: Option<&str>) -> Answer {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let key = format!("a-key-nobody-may-see-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut headers = vec![
        ("content-type", "application/json"),
        ("idempotency-key", key.as_str()),
    ];
    headers.extend(traceparent.map(|value| ("traceparent", value)));
    let bytes = request("POST", path, &headers, body.to_string().as_bytes());
    let mut connection = Connection::open(address).await.unwrap();
    connection.send(&bytes).await.unwrap()
}

/// The spans of an announcement: the request below `caller`, the publish below the request, and the handling below that where
/// somebody listens.
async fn is_one_chain(
    collector: &Collector,
    trace: &str,
    caller: &str,
    [request, message]: [&str; 2],
    [from, to]: [&str; 2],
) {
    let asked = collector.wait(trace, request).await;
    assert_eq!(asked.parent(), caller, "{request}");
    assert_eq!(
        (asked.service.as_str(), asked.span.kind()),
        (from, SpanKind::Server)
    );
    assert_eq!(asked.number("http.response.status_code"), Some(201));
    let name = format!("publish {message}");
    let publish = collector.wait_sound(trace, &name).await;
    assert_eq!(publish.parent(), asked.id(), "{name} comes of the request");
    assert_eq!(
        (publish.service.as_str(), publish.span.kind()),
        (from, SpanKind::Producer)
    );
    assert!(publish.span.start_time_unix_nano >= asked.span.start_time_unix_nano);
    let mut last = vec![asked, publish.clone()];
    if !to.is_empty() {
        let name = format!("process {message}");
        let process = collector.wait_sound(trace, &name).await;
        // On a busy machine a publish may be tried again, and a message come again.
        let spans = collector.of(trace);
        let publish = spans
            .iter()
            .find(|seen| seen.id() == process.parent() && seen.span.name == publish.span.name);
        let publish = publish.expect("the handling comes of a publish");
        assert_eq!(
            (process.service.as_str(), process.span.kind()),
            (to, SpanKind::Consumer)
        );
        assert_eq!(
            process.attribute("messaging.consumer.group.name").as_deref(),
            Some("bookingservice")
        );
        assert!(process.number("attempt") >= Some(1));
        let id = publish.attribute("messaging.message.id").unwrap();
        assert_eq!(process.attribute("messaging.message.id"), Some(id));
        assert!(process.span.start_time_unix_nano >= publish.span.start_time_unix_nano);
        last.push(process);
    }
    for seen in &last {
        assert_eq!(seen.trace(), trace);
        assert_eq!(
            seen.span.status.clone().unwrap_or_default().code,
            0,
            "{}",
            seen.span.name
        );
        assert!(seen.span.end_time_unix_nano >= seen.span.start_time_unix_nano);
    }
    let mut names: Vec<_> = collector
        .of(trace)
        .into_iter()
        .map(|seen| seen.span.name)
        .collect();
    names.sort();
    names.dedup();
    let mut wanted: Vec<_> = last.into_iter().map(|seen| seen.span.name).collect();
    wanted.sort();
    assert_eq!(names, wanted, "nothing else is in the trace");
}
