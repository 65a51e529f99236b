//! What is around every route: panics, observations, origins of other pages, and the trace that goes on into messages.

use std::sync::Arc;

use http::StatusCode;
use myevents_core::domain::UnixMillis;
use myevents_core::memory::MemoryStore;
use myevents_core::observe::{NoObserver, Observation, Observer};
use myevents_core::ports::{Clock, RandomIds, SystemClock};
use myevents_core::relay::{HandoverReceiver, handover};
use myevents_core::rest::{BookingRest, CorsOrigins, EventRest, RestSettings, booking_router, event_router};
use myevents_core::service::{BookingService, BookingSettings, EventService};
use parking_lot::Mutex;

use crate::app::App;

const AIDA: &str = r#"{"name":"Aida","startdate":100,"enddate":200}"#;

/// A fault of ours, wherever the time is asked for.
#[derive(Debug)]
struct BrokenClock;

impl Clock for BrokenClock {
    fn now(&self) -> UnixMillis {
        panic!("the clock is broken: secret detail");
    }
}

/// The app with other services over the same stores, and what they hand to their relays.
fn with_clock(settings: &RestSettings, clock: &Arc<dyn Clock>) -> (App, [HandoverReceiver; 2]) {
    let mut app = App::with(settings.clone());
    let (to_relay, events_handed_over) = handover(16);
    let events = EventService::with_parts(
        Arc::<MemoryStore>::clone(&app.events),
        to_relay,
        Arc::clone(clock),
        Arc::new(RandomIds),
        200_000,
    );
    let (to_relay, bookings_handed_over) = handover(16);
    let bookings = BookingService::with_parts(
        Arc::<MemoryStore>::clone(&app.bookings),
        to_relay,
        Arc::clone(clock),
        Arc::new(RandomIds),
        Arc::new(NoObserver),
        BookingSettings::default(),
    );
    app.router = event_router(EventRest {
        service: Arc::new(events),
        settings: settings.clone(),
    })
    .merge(booking_router(BookingRest {
        service: Arc::new(bookings),
        settings: settings.clone(),
    }));
    (app, [events_handed_over, bookings_handed_over])
}

#[tokio::test]
async fn a_panic_is_a_problem_without_its_text_and_the_service_goes_on() {
    let broken: Arc<dyn Clock> = Arc::new(BrokenClock);
    let (app, _handed_over) = with_clock(&RestSettings::default(), &broken);
    let event = app.bookable(Some(5)).await;
    // The first panics in the request itself, the second in the task that carries a write through.
    for (path, body) in [
        (format!("/events/{event}/bookings"), r#"{"seats":1}"#),
        ("/events".to_owned(), AIDA),
    ] {
        let answered = app.post(&path, body).await;
        assert_eq!(answered.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(answered.problem(), "internal", "{path}");
        let body = String::from_utf8_lossy(&answered.body).into_owned();
        assert!(!body.contains("clock") && !body.contains("secret"), "{body}");
    }
    let left = app.get(&format!("/events/{event}/availability")).await.json();
    assert_eq!(left["Available"], 5);
}

#[derive(Debug, Default)]
struct Noted(Mutex<Vec<(String, String, u16)>>);

impl Observer for Noted {
    fn observe(&self, observation: &Observation<'_>) {
        if let Observation::HttpRequest {
            method,
            route,
            status,
            ..
        } = observation
        {
            self.0
                .lock()
                .push(((*method).to_owned(), (*route).to_owned(), *status));
        }
    }
}

#[tokio::test]
async fn each_request_is_observed_once_under_the_template_of_its_route() {
    let noted = Arc::new(Noted::default());
    let app = App::with(RestSettings {
        observer: Arc::<Noted>::clone(&noted),
        ..RestSettings::default()
    });
    for (method, path, route, status) in [
        ("GET", "/events/00ff", "/events/{id}", 404),
        ("GET", "/events?limit=2", "/events", 200),
        ("GET", "/events/name/Aida", "/events/name/{name}", 404),
        ("GET", "/events/Name/Aida", "/events/{criterion}/{value}", 404),
        ("DELETE", "/bookings/00ff", "/bookings/{id}", 404),
        ("POST", "/events/00ff/bookings", "/events/{id}/bookings", 400),
        ("PATCH", "/users/00ff", "/users/{id}", 405),
        ("BREW", "/users/00ff", "/users/{id}", 405),
        ("GET", "/no/such/path", "unmatched", 404),
        ("GET", "/healthz", "/healthz", 200),
    ] {
        let answered = app.ask(method, path, &[], "").await;
        assert_eq!(answered.status.as_u16(), status, "{method} {path}");
        let seen = std::mem::take(&mut *noted.0.lock());
        // Clients may invent methods; what is counted must not grow with them.
        let method = if method == "BREW" { "other" } else { method };
        let expected = [(method.to_owned(), route.to_owned(), status)];
        assert_eq!(seen, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn pages_of_the_listed_origins_alone_may_read_answers() {
    let app = App::with(RestSettings {
        cors_origins: CorsOrigins::parse(["https://tickets.example", " https://other.example"]).unwrap(),
        ..RestSettings::default()
    });
    for origin in ["https://tickets.example", "https://other.example"] {
        for path in ["/events", "/events/00ff", "/no/such/path"] {
            let answered = app.ask("GET", path, &[("origin", origin)], "").await;
            assert_eq!(answered.header("access-control-allow-origin"), origin, "{path}");
            let exposed = answered.header("access-control-expose-headers");
            // A page of another origin corrects its clock by `Date`.
            assert!(exposed.contains("ETag") && exposed.contains("Date"), "{exposed}");
            // A cache between must not give one page's answer to another.
            let varies: Vec<_> = answered.headers.get_all("vary").iter().collect();
            assert!(
                varies.iter().any(|value| *value == "origin"),
                "{path}: {varies:?}"
            );
        }
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "idempotency-key"),
        ];
        let preflight = app.ask("OPTIONS", "/events/00ff/bookings", &asked, "").await;
        assert_eq!(preflight.status, StatusCode::NO_CONTENT);
        assert_eq!(preflight.header("access-control-allow-origin"), origin);
        assert!(preflight.header("access-control-allow-methods").contains("POST"));
        assert!(
            preflight
                .header("access-control-allow-headers")
                .contains("idempotency-key")
        );
    }
    for origin in [
        "https://evil.example",
        "http://tickets.example",
        "https://tickets.example.evil.example",
        "null",
    ] {
        let answered = app.ask("GET", "/events", &[("origin", origin)], "").await;
        assert_eq!(answered.status, StatusCode::OK);
        assert!(
            !answered.headers.contains_key("access-control-allow-origin"),
            "{origin}"
        );
        assert_eq!(answered.header("vary"), "origin");
        let asked = [("origin", origin), ("access-control-request-method", "DELETE")];
        let preflight = app.ask("OPTIONS", "/events/00ff", &asked, "").await;
        assert!(
            !preflight.headers.contains_key("access-control-allow-origin"),
            "{origin}"
        );
    }
    let answered = app.get("/events").await;
    assert!(!answered.headers.contains_key("access-control-allow-origin"));
    assert!(CorsOrigins::parse(["https://a\nb"]).is_err());
    assert_eq!(CorsOrigins::parse(["https://a", "*"]).unwrap(), CorsOrigins::Any);
}

#[tokio::test]
async fn the_trace_of_a_request_goes_on_in_the_headers_of_its_messages() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (app, handed_over) = with_clock(&RestSettings::default(), &clock);
    let event = app.bookable(Some(5)).await;
    let booking = format!("/events/{event}/bookings");
    for (path, body, relay) in [
        ("/events", AIDA, &handed_over[0]),
        (booking.as_str(), r#"{"seats":1}"#, &handed_over[1]),
    ] {
        for (given, passed_on) in [
            (TRACE, Some(TRACE)),
            // What is not well-formed is dropped.
            ("00-xyz-b7ad6b7169203331-01", None),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", None),
        ] {
            let answered = app.ask("POST", path, &[("traceparent", given)], body).await;
            assert_eq!(answered.status, StatusCode::CREATED, "{}", answered.json());
            let (rows, _) = relay.take();
            assert_eq!(rows.len(), 1, "{path}");
            let header = rows[0].envelope.headers().get("traceparent");
            assert_eq!(header.map(String::as_str), passed_on, "{path} {given}");
        }
    }
}
