//! What every trace over a broker begins with: a server, and what a caller makes and books.

use loadtest::service::{Service, event_body};
use myevents_servers::{Kind, Server};
use serde_json::{Value, json};

use crate::collector::Collector;
use crate::joined::ORGANISING;
use crate::{CALLER, is_one_chain, post};

/// The trace of the caller that makes an event.
pub(crate) const CREATED: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The trace of the caller that books.
pub(crate) const BOOKED: &str = "5bf92f3577b34da6a3ce929d0e0e4736";

/// A server of this test's own. `None` where there is none to start, which is noted.
pub(crate) async fn server(test: &'static str, kind: Kind) -> Option<Server> {
    let starting = tokio::task::spawn_blocking(move || Server::start_or_skip(test, kind));
    starting.await.unwrap().unwrap()
}

/// The caller's trace goes on, through the broker into the other service. Answers the event's id.
pub(crate) async fn an_event_is_traced(service: &Service, collector: &Collector) -> String {
    let body = event_body("traced", 10);
    let answer = post(service.events, "/events", &body, Some(CREATED)).await;
    assert_eq!(answer.status, 201);
    let event = answer.json().unwrap()["ID"].as_str().unwrap().to_owned();
    let act = ["POST /events", "event.created"];
    is_one_chain(collector, CREATED, CALLER, act, [ORGANISING, "bookingservice"]).await;
    event
}

/// So does that of a booking, whose announcement has nobody to handle it here. Answers the booking's id.
pub(crate) async fn a_booking_is_traced(
    service: &Service,
    collector: &Collector,
    event: &str,
    body: &Value,
) -> String {
    service.wait_bookable(event, 10).await.unwrap();
    let path = format!("/events/{event}/bookings");
    let answer = post(service.bookings, &path, body, Some(BOOKED)).await;
    assert_eq!(answer.status, 201);
    let booking = answer.json().unwrap()["ID"].as_str().unwrap().to_owned();
    let act = ["POST /events/{id}/bookings", "event.booked"];
    is_one_chain(collector, BOOKED, CALLER, act, ["bookingservice", ""]).await;
    booking
}

/// Without a caller's trace the request begins one, and its message carries it.
pub(crate) async fn a_request_begins_a_trace(service: &Service, collector: &Collector) {
    let place = json!({"Name": "Hall", "Address": "1 Street", "Country": "X", "Halls": [{"name": "A", "capacity": 5}]});
    let answer = post(service.events, "/locations", &place, None).await;
    assert_eq!(answer.status, 201);
    let begun = collector.wait_any("POST /locations").await.trace();
    let act = ["POST /locations", "location.created"];
    is_one_chain(collector, &begun, "", act, [ORGANISING, "bookingservice"]).await;
}
