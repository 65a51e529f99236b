//! What clients of the original send, byte for byte.

use http::StatusCode;
use serde_json::json;

use crate::app::App;

const DOCUMENTED: &str = r#"{"name": "opera aida", "startdate": 768346784, "enddate": 768353984, "duration": 120,
   "location": {"name": "West Street Opera House", "address": "11 west street, AZ 73646",
                "country": "U.S.A", "opentime": 7, "closetime": 20,
                "Hall": {"name": "Cesar hall", "location": "second floor, room 2210", "capacity": 10}}}"#;

#[tokio::test]
async fn the_documented_body_makes_the_event_it_says() {
    let app = App::new();
    for body in [
        DOCUMENTED.to_owned(),
        DOCUMENTED.replacen('{', r#"{"id": 3, "#, 1),
        DOCUMENTED
            .replace("startdate", "start_time")
            .replace("enddate", "end_time"),
        DOCUMENTED.replace("closetime", "clostime"),
        DOCUMENTED
            .replace("\"Hall\": {", "\"HALLS\": [{")
            .replace("10}}}", "10}]}}"),
    ] {
        let answered = app.post("/events", body).await;
        assert_eq!(answered.status, StatusCode::CREATED);
        let event = answered.json();
        let id = event["ID"].as_str().unwrap();
        assert_eq!(id.len(), 24);
        assert_eq!(answered.header("location"), format!("/events/{id}"));
        assert_eq!(
            event,
            json!({
                "ID": id, "Name": "opera aida", "Duration": 120,
                "StartDate": 768346784, "EndDate": 768353984,
                "Location": {
                    "ID": event["Location"]["ID"], "Name": "West Street Opera House",
                    "Address": "11 west street, AZ 73646", "Country": "U.S.A",
                    "OpenTime": 7, "CloseTime": 20,
                    "Halls": [{"name": "Cesar hall", "location": "second floor, room 2210", "capacity": 10}],
                },
            })
        );
    }
}

#[tokio::test]
async fn the_page_books_with_plain_text_and_reads_the_status() {
    let app = App::new();
    let event = app.bookable(Some(10)).await;
    let headers = [
        ("content-type", "text/plain;charset=UTF-8"),
        ("origin", "http://localhost:8080"),
    ];
    let path = format!("/events/{event}/bookings");
    let answered = app.ask("POST", &path, &headers, r#"{"seats":2}"#).await;
    assert_eq!(answered.status, StatusCode::CREATED);
    assert_eq!(answered.header("access-control-allow-origin"), "*");
    assert_eq!(answered.json()["Seats"], 2);
}

#[tokio::test]
async fn preflights_allow_what_pages_send() {
    let app = App::new();
    for path in ["/events", "/events/00ff/bookings", "/nowhere"] {
        let headers = [
            ("origin", "https://tickets.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let answered = app.ask("OPTIONS", path, &headers, "").await;
        assert_eq!(answered.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answered.header("access-control-allow-origin"), "*");
        assert_eq!(
            answered.header("access-control-allow-methods"),
            "GET, POST, PUT, DELETE"
        );
        assert_eq!(
            answered.header("access-control-allow-headers"),
            "content-type, authorization, idempotency-key, if-match, if-none-match, traceparent"
        );
    }
}
