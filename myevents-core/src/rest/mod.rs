//! REST routers on axum: the map, and what all of them share.
//!
//! ```text
//! layer (request id, CORS, panics, problems, admission, sign-in, observation) ──► events │ locations │ bookings │ users ──► service
//! ```
//!
//! Who may come in on which route stands in `access`; whose record it is, the use cases check.
//!
//! [`event_router`] and [`booking_router`] share no path, so they merge on one origin. [`health_router`] and
//! `docs_router` (feature `openapi`) are there once for both. [`with_fallback`] goes on top of whatever was merged. All of
//! them mount under a prefix with [`axum::Router::nest`] and still make right links.

mod access;
mod admission;
mod answer;
mod api_keys;
mod audit;
mod body;
mod bookings;
mod events;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod head;
pub mod health;
mod layer;
mod lenient;
mod list;
mod locations;
mod nearby;
#[cfg(feature = "openapi")]
pub mod openapi;
mod problem;
mod settings;
mod sign_in;
mod turns;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, delete, get, post};

use crate::service::{BookingService, EventService};
pub use admission::{Admission, AdmissionOptions, ForwardedHeader, Rate, TrustedProxies};
use answer::Answer;
pub use api_keys::{ApiKeyAuthenticator, ApiKeySecret};
pub(crate) use head::traceparent;
pub use health::{Readiness, health_router};
use layer::RestLayer;
#[cfg(feature = "openapi")]
pub use openapi::docs_router;
pub use problem::Problem;
pub use settings::{CorsOrigins, OrganiserList, RestSettings};
pub use sign_in::{Authenticator, JwtOptions, KeySource, key_url};
pub use turns::Turns;

/// What the routes of the event service work with.
#[derive(Debug, Clone)]
pub struct EventRest {
    /// The use cases.
    pub service: Arc<EventService>,
    /// How its routes behave.
    pub settings: RestSettings,
}

/// What the routes of the booking service work with.
#[derive(Debug, Clone)]
pub struct BookingRest {
    /// The use cases.
    pub service: Arc<BookingService>,
    /// How its routes behave.
    pub settings: RestSettings,
}

pub(crate) struct EventState {
    rest: EventRest,
    list: events::ListCache,
}

impl EventState {
    fn new(rest: EventRest) -> Arc<Self> {
        Arc::new(Self {
            rest,
            list: events::ListCache::default(),
        })
    }
}

/// The routes of the event service.
pub fn event_router(rest: EventRest) -> Router {
    let layer = RestLayer::new(&rest.settings);
    let state = EventState::new(rest);
    Router::new()
        .route("/events", get(events::list).post(events::create))
        .route(
            "/events/{id}",
            get(events::find).put(events::put).delete(events::cancel),
        )
        .route(
            "/events/id/{id}",
            get(events::find).put(events::put).delete(events::cancel),
        )
        .route("/events/audit", get(audit::of_events))
        .route("/events/name/{name}", get(events::find_by_name))
        .route(
            "/events/{criterion}/{value}",
            get(events::find_by).put(events::put_by).delete(events::cancel_by),
        )
        .route("/locations", get(locations::list).post(locations::create))
        .route(
            "/locations/{id}",
            get(locations::find).put(locations::put).delete(locations::remove),
        )
        .with_state(state)
        .layer(layer)
}

/// The routes of the booking service.
pub fn booking_router(rest: BookingRest) -> Router {
    let layer = RestLayer::new(&rest.settings);
    Router::new()
        .route(
            "/events/{id}/bookings",
            post(bookings::book).get(bookings::list_of_event),
        )
        .route("/events/{id}/availability", get(bookings::availability))
        .route("/availability", get(bookings::availabilities))
        .route("/bookings/audit", get(audit::of_bookings))
        .route("/bookings/{id}", get(bookings::find).delete(bookings::cancel))
        .route("/users", post(users::create))
        .route("/users/{id}", get(users::find).merge(delete(users::remove)))
        .route("/users/{id}/bookings", get(users::bookings))
        .with_state(Arc::new(rest))
        .layer(layer)
}

/// `/audit` of an event service that has an origin of its own. Where both services share one it is only `/events/audit`.
pub fn event_audit_router(rest: EventRest) -> Router {
    let layer = RestLayer::new(&rest.settings);
    Router::new()
        .route("/audit", get(audit::of_events))
        .with_state(EventState::new(rest))
        .layer(layer)
}

/// `/audit` of a booking service that has an origin of its own. Where both services share one it is only
/// `/bookings/audit`.
pub fn booking_audit_router(rest: BookingRest) -> Router {
    let layer = RestLayer::new(&rest.settings);
    Router::new()
        .route("/audit", get(audit::of_bookings))
        .with_state(Arc::new(rest))
        .layer(layer)
}

/// `router` with a problem for every path it does not know. Goes on the outermost router, once: of nested routers only
/// the outermost one's fallback is asked.
pub fn with_fallback(router: Router, settings: &RestSettings) -> Router {
    let unknown = any::<_, _, ()>(async || -> Answer { Err(Problem::unknown_path()) });
    router.fallback_service(unknown.layer(RestLayer::open(settings)))
}
