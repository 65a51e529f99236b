//! Bad input: each piece is answered with a problem, and nothing changed.

use axum::body::{Body, Bytes};
use http::StatusCode;
use myevents_core::domain::EventId;
use serde_json::json;

use crate::app::App;

async fn untouched(app: &App, event: &EventId) {
    assert_eq!(app.get("/events?cancelled=true").await.json(), json!([]));
    assert_eq!(app.get("/locations").await.json(), json!([]));
    let left = app.get(&format!("/events/{event}/availability")).await.json();
    assert_eq!(left["Available"], 10);
    assert_eq!(
        app.get(&format!("/events/{event}/bookings")).await.json(),
        json!([])
    );
}

#[tokio::test]
async fn bad_bookings() {
    let app = App::new();
    let event = app.bookable(Some(10)).await;
    let path = format!("/events/{event}/bookings");
    let deep = format!(r#"{{"seats":1,"x":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    for body in [
        r#"{"seats":1.5}"#,
        r#"{"seats":100000000000000000000}"#,
        r#"{"seats":0}"#,
        r#"{"seats":-1}"#,
        r#"{"seats":null}"#,
        r#"{"seats":"1"}"#,
        r#"{"seats":true}"#,
        r#"{"seats":[1]}"#,
        r#"{"seats":1,"seats":0}"#,
        r#"{"seats":1,"name":7}"#,
        r#"{"seats":1,"userId":7}"#,
        r#"{"seats":1"#,
        r#"{"seats":1}{}"#,
        "{}",
        "null",
        "[]",
        "1",
        "",
        "  ",
        "seats=1",
        &deep,
    ] {
        let answered = app.post(&path, body.to_owned()).await;
        assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{body:.60}");
        assert_eq!(answered.problem(), "invalid");
        if body.starts_with(r#"{"seats":1.5"#) || body == "{}" {
            assert!(answered.json()["detail"].as_str().unwrap().contains("Seats"));
        }
    }
    let bytes = app
        .post(&path, Bytes::from_static(b"{\"seats\":1,\"name\":\"\xff\"}"))
        .await;
    assert_eq!(bytes.problem(), "invalid");
    let controls = app.post(&path, r#"{"seats":1,"name":"a\u0000b"}"#).await;
    assert_eq!(controls.status, StatusCode::UNPROCESSABLE_ENTITY);
    untouched(&app, &event).await;
}

#[tokio::test]
async fn bad_events() {
    let app = App::new();
    let event = app.bookable(Some(10)).await;
    for (body, status) in [
        (r#"{"startdate":1,"enddate":2}"#, 422),
        (r#"{"name":" "}"#, 422),
        (r#"{"name":"a\tb"}"#, 422),
        (r#"{"name":7}"#, 400),
        (r#"{"name":"a","startdate":"tomorrow"}"#, 400),
        (r#"{"name":"a","startdate":2,"enddate":1}"#, 422),
        (r#"{"name":"a","startdate":-1}"#, 422),
        (r#"{"name":"a","enddate":253402300800}"#, 422),
        (r#"{"name":"a","salesstart":2,"salesend":1}"#, 422),
        (r#"{"name":"a","duration":-1}"#, 422),
        (r#"{"name":"a","duration":1.5}"#, 400),
        (r#"{"name":"a","maxseatsperbooking":0}"#, 422),
        (r#"{"name":"a","hallnames":["x"]}"#, 422),
        (r#"{"name":"a","hallnames":[7]}"#, 400),
        (r#"{"name":"a","location":"here"}"#, 400),
        (r#"{"name":"a","location":{"id":"00ff"}}"#, 422),
        (r#"{"name":"a","location":{"opentime":24}}"#, 422),
        (r#"{"name":"a","location":{"timezone":"Mars/Base"}}"#, 422),
        (r#"{"name":"a","location":{"halls":[7]}}"#, 400),
        (r#"{"name":"a","location":{"halls":[{"capacity":-1}]}}"#, 422),
        (
            r#"{"name":"a","location":{"halls":[{"capacity":2147483648}]}}"#,
            422,
        ),
        (r#"{"name":"a","location":{"halls":[{"capacity":1e30}]}}"#, 400),
        (
            r#"{"name":"a","location":{"halls":[{"name":"h","capacity":1}]},"hallnames":["x"]}"#,
            422,
        ),
    ] {
        for (method, path) in [("POST", "/events"), ("PUT", "/events/00ff")] {
            let answered = app.ask(method, path, &[], body).await;
            assert_eq!(answered.status.as_u16(), status, "{method} {body}");
            answered.problem();
        }
    }
    let answered = app.post("/locations", r#"{"address":"x"}"#).await;
    assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY);
    untouched(&app, &event).await;
}

#[tokio::test]
async fn bodies_that_are_too_large_or_another_format() {
    let app = App::new();
    let event = app.bookable(Some(10)).await;
    let path = format!("/events/{event}/bookings");
    let large = format!(r#"{{"seats":1,"x":"{}"}}"#, "x".repeat(3 << 20));
    let answered = app.post(&path, large).await;
    assert_eq!(
        (answered.status, answered.problem()),
        (StatusCode::PAYLOAD_TOO_LARGE, "too-large".to_owned())
    );
    for kind in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "text/XML; charset=utf-8",
        "application/soap+xml",
    ] {
        let answered = app
            .ask("POST", &path, &[("content-type", kind)], r#"{"seats":1}"#)
            .await;
        assert_eq!(answered.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        assert_eq!(answered.problem(), "unsupported-media-type");
    }
    let packed = app
        .ask("POST", &path, &[("content-encoding", "gzip")], r#"{"seats":1}"#)
        .await;
    assert_eq!(packed.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    untouched(&app, &event).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_cut_off() {
    let app = App::new();
    let event = app.bookable(Some(10)).await;
    let stalled = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let answered = app.post(&format!("/events/{event}/bookings"), stalled).await;
    assert_eq!(
        (answered.status, answered.problem()),
        (StatusCode::REQUEST_TIMEOUT, "timeout".to_owned())
    );
    untouched(&app, &event).await;
}

#[tokio::test]
async fn bad_keys() {
    let app = App::new();
    let event = app.bookable(Some(10)).await;
    let long = "k".repeat(300);
    let key = "0123456789abcdef";
    for keys in [
        vec![("idempotency-key", long.as_str())],
        vec![("idempotency-key", "1")],
        vec![("idempotency-key", "")],
        vec![("idempotency-key", "0123456789 abcdef")],
        vec![("idempotency-key", key), ("idempotency-key", key)],
    ] {
        for (path, body) in [
            (format!("/events/{event}/bookings"), r#"{"seats":1}"#),
            ("/events".to_owned(), r#"{"name":"a"}"#),
            ("/locations".to_owned(), r#"{"name":"a"}"#),
            ("/users".to_owned(), "{}"),
        ] {
            let answered = app.ask("POST", &path, &keys, body).await;
            assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{path} {keys:?}");
            assert_eq!(answered.problem(), "invalid");
        }
    }
    untouched(&app, &event).await;
}

#[tokio::test]
async fn strange_paths_and_methods() {
    let app = App::new();
    for path in [
        "/",
        "/nowhere",
        "/events/",
        "/events/00ff/bookings/1",
        "/bookings",
        "/events/..%2f..%2fetc%2fpasswd",
        "/events/%00",
        "/events/%ff%fe",
        "/events/%2e%2e",
        "/bookings/..",
        "/users/%F0%9F%98%80",
        "/locations/00%2fff",
        "/events/name/%ff",
        "/docs/..%2f..%2fCargo.toml",
    ] {
        let answered = app.get(path).await;
        assert_eq!(answered.status, StatusCode::NOT_FOUND, "{path}");
        answered.problem();
    }
    for (method, path, allow) in [
        ("PATCH", "/events", "GET,HEAD,POST"),
        ("DELETE", "/events", "GET,HEAD,POST"),
        ("POST", "/bookings/00ff", "GET,HEAD,DELETE"),
        ("PUT", "/users/00ff", "GET,HEAD,DELETE"),
        ("POST", "/healthz", "GET,HEAD"),
    ] {
        let answered = app.ask(method, path, &[], "").await;
        assert_eq!(answered.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(answered.problem(), "method-not-allowed");
        assert_eq!(answered.header("allow"), allow);
    }
}

#[tokio::test]
async fn request_ids_are_given_back_where_they_are_harmless() {
    let app = App::new();
    let answered = app
        .ask("GET", "/healthz", &[("x-request-id", "abc-123")], "")
        .await;
    assert_eq!(answered.header("x-request-id"), "abc-123");
    for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
        let answered = app.ask("GET", "/healthz", &[("x-request-id", bad)], "").await;
        assert_eq!(answered.header("x-request-id").len(), 36, "{bad}");
    }
}
