//! The trace goes on over the other brokers too: from the request, through outbox and broker, to the projection.

use myevents_servers::Kind;
use serde_json::json;

use crate::collector::Collector;
use crate::joined::Joined;
use crate::steps::{a_booking_is_traced, a_request_begins_a_trace, an_event_is_traced, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_kafka() {
    const TEST: &str = "a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_kafka";
    let Some(server) = server(TEST, Kind::Kafka).await else {
        return;
    };
    are_one_trace(&[("KAFKA_BROKERS", server.url())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_sqs() {
    const TEST: &str = "a_request_and_what_comes_of_it_in_both_services_are_one_trace_over_sqs";
    let Some(server) = server(TEST, Kind::Sqs).await else {
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
    let event = an_event_is_traced(&service, &collector).await;
    // It comes back to the service's own queue or topic, where nobody wants it.
    a_booking_is_traced(&service, &collector, &event, &json!({"seats": 2})).await;
    a_request_begins_a_trace(&service, &collector).await;
    joined.stop().await;
}
