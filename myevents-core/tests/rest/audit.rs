//! The audit log through the routers: whom it answers, what it shows, how it is paged, and what is refused.

use std::sync::Arc;

use axum::Router;
use http::StatusCode;
use myevents_core::relay::handover;
use myevents_core::rest::{
    BookingRest, EventRest, OrganiserList, RestSettings, booking_audit_router, event_audit_router, openapi,
};
use myevents_core::service::{BookingService, BookingSettings, EventService};
use serde_json::{Value, json};

use crate::app::App;
use crate::sign_in::ByProxy;

fn event(name: &str, start: u64) -> String {
    json!({ "name": name, "startdate": start, "enddate": start + 60 }).to_string()
}

/// What the log says of actions and fields, newest first.
fn told(log: &Value) -> Vec<(String, Vec<String>)> {
    let entries = log.as_array().unwrap().iter();
    entries
        .map(|entry| {
            let fields = entry["Fields"].as_array().cloned().unwrap_or_default();
            let fields = fields.iter().map(|field| field.as_str().unwrap().to_owned());
            (entry["Action"].as_str().unwrap().to_owned(), fields.collect())
        })
        .collect()
}

#[tokio::test]
async fn each_change_is_told_once_with_who_and_which_fields() {
    let app = App::new();
    let id = app.created(&event("first", 1_900_000_000)).await;
    let path = format!("/events/{id}");
    for body in [
        event("second", 1_900_000_060),
        // The same again changes nothing.
        event("second", 1_900_000_060),
    ] {
        assert_eq!(app.ask("PUT", &path, &[], body).await.status, StatusCode::OK);
    }
    let stale = app
        .ask(
            "PUT",
            &path,
            &[("if-match", "\"v1\"")],
            event("third", 1_900_000_000),
        )
        .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let head = [("x-request-id", "mine-1"), ("traceparent", trace)];
    for _ in 0..2 {
        let cancelled = app.ask("DELETE", &path, &head, "").await;
        assert_eq!(cancelled.status, StatusCode::NO_CONTENT);
    }
    let answered = app.get("/events/audit").await;
    assert_eq!(answered.status, StatusCode::OK);
    assert!(!answered.headers.contains_key("link"));
    let log = answered.json();
    let of = |action: &str, fields: &[&str]| {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        (action.to_owned(), fields)
    };
    let mut found = told(&log);
    // Within one millisecond the ids decide.
    found.sort();
    assert_eq!(
        found,
        [
            of("event.cancelled", &[]),
            of("event.created", &[]),
            of("event.updated", &["Name", "StartDate", "EndDate"]),
        ]
    );
    let cancelled = log
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["Action"] == "event.cancelled")
        .unwrap();
    assert_eq!(cancelled["ObjectID"], id.as_str());
    assert_eq!(cancelled["Object"], "event");
    assert_eq!(cancelled["Who"], "anonymous");
    assert_eq!(cancelled["Version"], 3);
    assert_eq!(cancelled["RequestID"], "mine-1");
    assert_eq!(cancelled["TraceID"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(
        !answered.body.windows(6).any(|part| part == b"second"),
        "content is in the log"
    );
}

#[tokio::test]
async fn a_repeat_under_its_key_is_told_once_and_a_refusal_never() {
    let app = App::new();
    let key = [("idempotency-key", "0b0f7a52-8a55-4f3e-9d3f-7a2c1d1e0f00")];
    for (name, status) in [("one", 201), ("one", 201), ("other", 422)] {
        let answered = app
            .ask("POST", "/locations", &key, json!({ "name": name }).to_string())
            .await;
        assert_eq!(answered.status.as_u16(), status);
    }
    let id = told_id(&app.get("/locations").await.json());
    let path = format!("/locations/{id}");
    for body in [
        json!({"name": "one", "country": "NL"}),
        json!({"name": "one", "country": "NL"}),
    ] {
        app.ask("PUT", &path, &[], body.to_string()).await;
    }
    app.delete(&path).await;
    app.delete(&path).await;
    app.ask("PUT", &path, &[], "{\"name\":\"again\"}").await;
    let log = app
        .get(&format!("/events/audit?object={}", id.to_uppercase()))
        .await
        .json();
    let mut found = told(&log);
    found.sort();
    let names: Vec<&str> = found.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(
        names,
        [
            "location.created",
            "location.created",
            "location.deleted",
            "location.updated"
        ]
    );
    assert_eq!(found[3].1, ["Country"]);
}

fn told_id(list: &Value) -> String {
    list[0]["ID"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_sign_in_bookings_are_their_holders_and_people_are_told() {
    let app = App::new();
    let event = app.bookable(Some(9)).await;
    let made = app
        .post(
            &format!("/events/{event}/bookings"),
            "{\"seats\":1,\"name\":\"Ada\"}",
        )
        .await;
    assert_eq!(
        app.delete(made.header("location")).await.status,
        StatusCode::NO_CONTENT
    );
    let user = app.post("/users", "{\"first\":\"Ada\"}").await;
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(app.delete(user.header("location")).await.status, status);
    }
    let answered = app.get("/bookings/audit").await;
    assert_eq!(told(&answered.json()), [("user.removed".to_owned(), Vec::new())]);
    assert!(
        !answered.body.windows(3).any(|part| part == b"Ada"),
        "a name is in the log"
    );
    // Each service has its own.
    assert_eq!(app.get("/events/audit").await.json(), json!([]));
}

#[tokio::test]
async fn pages_are_linked_and_complete() {
    let app = App::new();
    for number in 0..7 {
        app.post("/locations", json!({ "name": number.to_string() }).to_string())
            .await;
    }
    let whole = app.get("/events/audit").await.json();
    assert_eq!(whole.as_array().unwrap().len(), 7);
    let mut paged = Vec::new();
    let mut next = "/events/audit?limit=3&since=0".to_owned();
    for more in [true, true, false] {
        let page = app.get(&next).await;
        assert_eq!(page.status, StatusCode::OK, "{next}");
        paged.extend(page.json().as_array().unwrap().clone());
        assert_eq!(page.headers.contains_key("link"), more);
        if let Some(link) = page.header("link").strip_prefix('<') {
            next = link.split('>').next().unwrap().to_owned();
            assert!(
                next.starts_with("/events/audit?limit=3&since=0&cursor="),
                "{next}"
            );
        }
    }
    assert_eq!(Value::Array(paged), whole);
    let last = whole[6]["Time"].as_i64().unwrap();
    for (query, found) in [
        (format!("until={}", last - 1), 0),
        (format!("since={last}"), 7),
        ("object=00ff".to_owned(), 0),
        ("object=&since=&until=".to_owned(), 7),
        (format!("object={}", whole[2]["ObjectID"].as_str().unwrap()), 1),
        ("since=9&until=8".to_owned(), 0),
    ] {
        let log = app.get(&format!("/events/audit?{query}")).await.json();
        assert_eq!(log.as_array().unwrap().len(), found, "{query}");
    }
}

#[tokio::test]
async fn what_is_no_question_is_refused() {
    let app = App::new();
    app.post("/locations", "{\"name\":\"a\"}").await;
    app.post("/locations", "{\"name\":\"b\"}").await;
    let page = app.get("/events/audit?limit=1").await;
    let cursor = page.header("link").split("cursor=").nth(1).unwrap();
    let cursor = cursor.split('>').next().unwrap();
    for query in [
        "limit=0",
        "limit=x",
        "object=0",
        "object=xyz",
        "object=%FF",
        "since=-1",
        "until=253402300800",
        "until=1e3",
        "since=1&since=2",
        "cursor=AAAA",
        // A cursor of the same list with another filter.
        &format!("cursor={cursor}&since=1"),
    ] {
        for path in ["/events/audit", "/bookings/audit"] {
            let answered = app.get(&format!("{path}?{query}")).await;
            assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{path}?{query}");
            assert_eq!(answered.problem(), "invalid");
        }
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/events/audit", "/bookings/audit"] {
            let answered = app.ask(method, path, &[], "").await;
            assert_eq!(answered.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn without_sign_in_it_follows_the_organisers_list() {
    for (list, status) in [
        (OrganiserList::Closed, StatusCode::FORBIDDEN),
        (OrganiserList::ThisMachine, StatusCode::OK),
        (OrganiserList::Open, StatusCode::OK),
    ] {
        let app = App::with(RestSettings {
            organiser_list: list,
            ..RestSettings::default()
        });
        for path in ["/events/audit", "/bookings/audit"] {
            let here = app.ask("GET", path, &[("host", "localhost:8181")], "").await;
            assert_eq!(here.status, status, "{path} {list:?}");
            if list == OrganiserList::ThisMachine {
                let head = [("host", "localhost"), ("x-forwarded-for", "192.0.2.1")];
                let by_proxy = app.ask("GET", path, &head, "").await;
                assert_eq!(by_proxy.problem(), "forbidden");
            }
        }
    }
}

/// The routes that each service has at its own origin, by these settings.
fn alone(app: &App, settings: &RestSettings) -> [Router; 2] {
    let (to_relay, _) = handover(1);
    let events = EventService::new(app.events.clone(), to_relay.clone());
    let bookings = BookingService::new(app.bookings.clone(), to_relay, BookingSettings::default());
    [
        event_audit_router(EventRest {
            service: Arc::new(events),
            settings: settings.clone(),
        }),
        booking_audit_router(BookingRest {
            service: Arc::new(bookings),
            settings: settings.clone(),
        }),
    ]
}

#[tokio::test]
async fn a_service_with_its_own_origin_has_it_at_the_root() {
    let mut app = App::new();
    let settings = RestSettings {
        organiser_list: OrganiserList::Open,
        ..RestSettings::default()
    };
    let [events, bookings] = alone(&app, &settings);
    app.post("/locations", "{\"name\":\"a\"}").await;
    app.post("/locations", "{\"name\":\"b\"}").await;
    for (router, document, lines) in [
        (events, openapi::event_document(), 1),
        (bookings, openapi::booking_document(), 0),
    ] {
        app.router = router;
        let answered = app.get("/audit?limit=1").await;
        assert_eq!(answered.status, StatusCode::OK);
        assert_eq!(answered.json().as_array().unwrap().len(), lines);
        assert!(answered.header("link").is_empty() || answered.header("link").starts_with("</audit?"));
        let document = serde_json::to_value(document).unwrap();
        assert!(document["paths"]["/audit"]["get"].is_object());
    }
    let merged = serde_json::to_value(openapi::merged_document()).unwrap();
    assert!(merged["paths"]["/audit"].is_null());
}

#[tokio::test]
async fn with_sign_in_each_answers_its_own_admin_at_the_root_too() {
    let settings = RestSettings {
        authenticator: Some(Arc::new(ByProxy)),
        organiser_list: OrganiserList::Open,
        ..RestSettings::default()
    };
    let mut app = App::with(settings.clone());
    for (router, own, other) in alone(&app, &settings)
        .into_iter()
        .zip([
            ("events:admin", "bookings:admin"),
            ("bookings:admin", "events:admin"),
        ])
        .map(|(router, (own, other))| (router, own, other))
    {
        app.router = router;
        let ask = async |user: Option<String>| {
            let head: Vec<(&str, &str)> = user.iter().map(|user| ("x-user", user.as_str())).collect();
            app.ask("GET", "/audit", &head, "").await.status
        };
        assert_eq!(ask(None).await, StatusCode::UNAUTHORIZED, "{own}");
        for (scopes, status) in [
            ("", StatusCode::FORBIDDEN),
            ("events:write bookings:write", StatusCode::FORBIDDEN),
            (other, StatusCode::FORBIDDEN),
            (own, StatusCode::OK),
        ] {
            assert_eq!(
                ask(Some(format!("ann {scopes}"))).await,
                status,
                "{own}: {scopes}"
            );
        }
    }
}
