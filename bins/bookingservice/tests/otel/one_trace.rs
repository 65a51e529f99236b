//! What is made in one service and heard of in the other is one trace, over each way between them.

use loadtest::program::Program;
use loadtest::service::event_body;
use loadtest::single::Single;
use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, AmqpUrl};
use myevents_core::contract::{Envelope, MessageId, MessageName, header};
use myevents_core::ports::EventEmitter as _;
use myevents_servers::Kind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;

use crate::collector::Collector;
use crate::joined::Joined;
use crate::steps::{
    BOOKED, CREATED, a_booking_is_traced, a_request_begins_a_trace, an_event_is_traced, server,
};
use crate::{CALLER, is_one_chain, post, post_as};

const REFUSED: &str = "6bf92f3577b34da6a3ce929d0e0e4736";
const BROKEN: &str = "9bf92f3577b34da6a3ce929d0e0e4736";
const UNWANTED: &str = "7bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_rabbitmq() {
    const TEST: &str = "a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_rabbitmq";
    let Some(server) = server(TEST, Kind::Amqp).await else {
        return;
    };
    let (collector, endpoint) = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("AMQP_BROKER_URL", server.url()),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20of-the-collector",
        ),
    ];
    let joined = Joined::start(folder.path(), (&collector, &endpoint), &settings).await;
    let service = joined.service;

    let event = an_event_is_traced(&service, &collector).await;
    let body = json!({"seats": 2, "name": "Somebody Private", "email": "private@example.org"});
    let booking = a_booking_is_traced(&service, &collector, &event, &body).await;

    // A caller that does not want its trace gets none. What comes after it is exported, so it would have been.
    let unwanted = format!("00-{UNWANTED}-{CALLER}-00");
    let answer = post_as(
        service.bookings,
        "/users",
        &json!({"First": "A"}),
        Some(&unwanted),
    )
    .await;
    assert_eq!(answer.status, 201);
    // What is the client's fault is no error of ours.
    let path = format!("/events/{event}/bookings");
    let answer = post(service.bookings, &path, &json!({"seats": 1_000}), Some(REFUSED)).await;
    assert_eq!(answer.status, 422);
    let refused = collector.wait(REFUSED, "POST /events/{id}/bookings").await;
    assert_eq!(refused.number("http.response.status_code"), Some(422));
    assert_eq!(refused.span.status.clone().unwrap_or_default().code, 0);
    assert!(collector.of(UNWANTED).is_empty());

    a_request_begins_a_trace(&service, &collector).await;

    // What can't be handled is an error of the try, told without a piece of it.
    let urls = vec![AmqpUrl::parse(server.url()).unwrap()];
    let sender = AmqpBroker::connect(AmqpConfig::new(urls, "sender", "sender")).unwrap();
    let name = MessageName::from_static("event.created");
    let broken = Envelope::builder(MessageId::new("broken-1"), name, "")
        .header(header::TRACEPARENT, format!("00-{BROKEN}-{CALLER}-01"))
        .body(r#"{"id": "00ff", "version": "private@example.org"}"#)
        .build();
    sender.emitter().emit(&[broken]).await.pop().unwrap().unwrap();
    let failed = collector.wait(BROKEN, "process event.created").await;
    assert_eq!(failed.parent(), CALLER);
    assert_eq!(failed.attribute("error.type").as_deref(), Some("malformed"));
    let status = failed.span.status.clone().unwrap();
    assert_eq!(status.code, StatusCode::Error as i32);
    assert!(status.message.contains("another form"), "{}", status.message);

    let logs = joined.stop().await;
    // Nothing that is a key or private leaves by a span, and the collector's key is in no log.
    let keys = collector.keys();
    assert!(
        keys.iter().all(|key| key == "Bearer of-the-collector") && !keys.is_empty(),
        "{keys:?}"
    );
    assert!(!logs.contains("of-the-collector"));
    let told = format!("{:?}", collector.all());
    assert!(told.contains("/events/{id}/bookings"), "{told}");
    let password = server
        .url()
        .split_once("://")
        .unwrap()
        .1
        .split_once('@')
        .unwrap()
        .0;
    for secret in [
        booking.as_str(),
        "Somebody Private",
        "private@example.org",
        "a-key-nobody-may-see",
        "of-the-collector",
        password,
    ] {
        assert!(!told.contains(secret), "{secret} is in a span");
    }
}

/// In one process too, and what is left is sent at the stop: the time between two exports is far longer than the test. Only
/// traces that a caller began are taken, as the sampler says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_what_comes_of_it_are_one_trace_over_local_and_sent_at_the_stop() {
    let (collector, endpoint) = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let own = env!("CARGO_BIN_EXE_bookingservice");
    let single = Single::beside(own, "myevents", folder.path()).unwrap();
    let mut program = Program::new(single.binary, folder.path());
    for (name, value) in [
        ("MYEVENTS_OTEL_ENDPOINT", endpoint.as_str()),
        ("MYEVENTS_OTEL_TRACES_SAMPLER", "parentbased_always_off"),
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
    ] {
        program.environment.push((name.into(), value.into()));
    }
    let running = program.start_ready().await.unwrap();
    let service = program.service;
    let body = event_body("traced", 10);
    let answer = post(service.events, "/events", &body, Some(CREATED)).await;
    assert_eq!(answer.status, 201);
    let event = answer.json().unwrap()["ID"].as_str().unwrap().to_owned();
    // Requests of its own, which nobody wants traced.
    service.wait_bookable(&event, 10).await.unwrap();
    let path = format!("/events/{event}/bookings");
    let answer = post(service.bookings, &path, &json!({"seats": 2}), Some(BOOKED)).await;
    assert_eq!(answer.status, 201);
    assert!(
        collector.all().is_empty(),
        "nothing is exported before it is time to"
    );
    running.stop().await.unwrap();

    let act = ["POST /events", "event.created"];
    is_one_chain(&collector, CREATED, CALLER, act, ["myevents", "myevents"]).await;
    let act = ["POST /events/{id}/bookings", "event.booked"];
    is_one_chain(&collector, BOOKED, CALLER, act, ["myevents", ""]).await;
    assert_eq!(collector.all().len(), 5);
}
