//! Both routers, merged, each over a memory store of its own, and what tests ask them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use myevents_core::domain::{Event, EventId};
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{DatabaseHandler, SystemClock};
use myevents_core::relay::handover;
use myevents_core::rest::{
    BookingRest, EventRest, OrganiserList, Readiness, RestSettings, booking_router, docs_router,
    event_router, health_router, openapi, with_fallback,
};
use myevents_core::service::{BookingService, BookingSettings, EventService};
use myevents_core::testkit::fixture;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) events: Arc<MemoryStore>,
    pub(crate) bookings: Arc<MemoryStore>,
    pub(crate) readiness: Readiness,
}

pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The word of the problem, after checking all that every problem has.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{} {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(self.header("access-control-allow-origin"), "*");
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(body["requestId"], self.header("x-request-id"));
        assert!(!body["title"].as_str().unwrap().is_empty());
        assert!(!body["detail"].as_str().unwrap().is_empty());
        assert_eq!(
            self.headers.contains_key("retry-after"),
            self.status == StatusCode::SERVICE_UNAVAILABLE
        );
        body["type"]
            .as_str()
            .and_then(|kind| kind.strip_prefix("urn:myevents:problem:"))
            .unwrap()
            .to_owned()
    }
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with(RestSettings {
            organiser_list: OrganiserList::Open,
            ..RestSettings::default()
        })
    }

    pub(crate) fn with(settings: RestSettings) -> Self {
        let clock = Arc::new(SystemClock);
        let events = Arc::new(MemoryStore::new(Arc::<SystemClock>::clone(&clock)));
        let bookings = Arc::new(MemoryStore::new(clock));
        let (to_relay, _) = handover(16);
        let event_service = EventService::new(Arc::<MemoryStore>::clone(&events), to_relay);
        let (to_relay, _) = handover(16);
        let booking_service = BookingService::new(
            Arc::<MemoryStore>::clone(&bookings),
            to_relay,
            BookingSettings::default(),
        );
        let readiness = Readiness::new();
        readiness.watch_store("eventservice", Arc::<MemoryStore>::clone(&events));
        readiness.watch_store("bookingservice", Arc::<MemoryStore>::clone(&bookings));
        let router = event_router(EventRest {
            service: Arc::new(event_service),
            settings: settings.clone(),
        })
        .merge(booking_router(BookingRest {
            service: Arc::new(booking_service),
            settings: settings.clone(),
        }))
        .merge(health_router(readiness.clone(), &settings))
        .merge(docs_router(openapi::merged_document, &settings));
        Self {
            router: with_fallback(router, &settings),
            events,
            bookings,
            readiness,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answered {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answered {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answered {
        self.ask("POST", path, &[], body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answered {
        self.ask("DELETE", path, &[], "").await
    }

    /// An event that the booking service knows, with this many seats.
    pub(crate) async fn bookable(&self, capacity: Option<u64>) -> EventId {
        self.bookable_as(capacity, |_| {}).await
    }

    /// The same, changed before it is stored.
    pub(crate) async fn bookable_as(
        &self,
        capacity: Option<u64>,
        change: impl FnOnce(&mut Event),
    ) -> EventId {
        let mut event = fixture::event("bookable");
        change(&mut event);
        let id = event.id.clone();
        let projection = fixture::projection(fixture::event_record(event), 1, capacity);
        self.bookings.project_event(&projection).await.unwrap();
        id
    }

    /// The id of a new event of the event service.
    pub(crate) async fn created(&self, body: &str) -> String {
        let answered = self.post("/events", body.to_owned()).await;
        assert_eq!(answered.status, StatusCode::CREATED, "{}", answered.json());
        answered.json()["ID"].as_str().unwrap().to_owned()
    }
}
