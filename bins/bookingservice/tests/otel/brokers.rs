//! The trace goes on over the other brokers too: from the request, through outbox and broker, to the projection.

use loadtest::service::event_body;
use myevents_servers::{Kind, Server};
use serde_json::json;

use crate::collector::Collector;
use crate::joined::{Joined, ORGANISING};
use crate::{CALLER, is_one_chain, post};

const CREATED: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const BOOKED: &str = "5bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_kafka() {
    const TEST: &str = "a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_kafka";
    let server = tokio::task::spawn_blocking(|| Server::start_or_skip(TEST, Kind::Kafka));
    let Some(server) = server.await.unwrap().unwrap() else {
        return;
    };
    are_one_trace(&[("KAFKA_BROKERS", server.url())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_sqs() {
    const TEST: &str = "a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_sqs";
    let server = tokio::task::spawn_blocking(|| Server::start_or_skip(TEST, Kind::Sqs));
    let Some(server) = server.await.unwrap().unwrap() else {
        return;
    };
    let of_aws = [
        ("AWS_ENDPOINT_URL_SQS", server.url()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-central-1"),
        ("MYEVENTS_SQS_WAIT_TIME", "1s"),
    ];
    for queue in ["events.fifo", "events"] {
        let mut settings = of_aws.to_vec();
        settings.push(("SQS_QUEUE", queue));
        are_one_trace(&settings).await;
    }
}

async fn are_one_trace(settings: &[(&str, &str)]) {
    let (collector, endpoint) = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let joined = Joined::start(folder.path(), (&collector, &endpoint), settings).await;
    let service = joined.service;

    let body = event_body("traced", 10);
    let answer = post(service.events, "/events", &body, Some(CREATED)).await;
    assert_eq!(answer.status, 201);
    let event = answer.json().unwrap()["ID"].as_str().unwrap().to_owned();
    let act = ["POST /events", "event.created"];
    is_one_chain(&collector, CREATED, CALLER, act, [ORGANISING, "bookingservice"]).await;

    service.wait_bookable(&event, 10).await.unwrap();
    let path = format!("/events/{event}/bookings");
    let answer = post(service.bookings, &path, &json!({"seats": 2}), Some(BOOKED)).await;
    assert_eq!(answer.status, 201);
    // It comes back to the service's own queue or topic, where nobody wants it.
    let act = ["POST /events/{id}/bookings", "event.booked"];
    is_one_chain(&collector, BOOKED, CALLER, act, ["bookingservice", ""]).await;

    // Without a caller's trace the request begins one, and its message carries it.
    let place = json!({"Name": "Hall", "Address": "1 Street", "Country": "X", "Halls": [{"name": "A", "capacity": 5}]});
    let answer = post(service.events, "/locations", &place, None).await;
    assert_eq!(answer.status, 201);
    let begun = collector.wait_any("POST /locations").await.trace();
    let act = ["POST /locations", "location.created"];
    is_one_chain(&collector, &begun, "", act, [ORGANISING, "bookingservice"]).await;
    joined.stop().await;
}
