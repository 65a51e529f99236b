//! Which routes each listener has.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use myevents_core::metrics;
use myevents_core::observe::Observer;
use myevents_core::rest::openapi::{booking_document, event_document, merged_document};
use myevents_core::rest::{
    Admission, Authenticator, BookingRest, CorsOrigins, EventRest, OrganiserList, Readiness, RestSettings,
    Turns, booking_audit_router, booking_router, docs_router, event_audit_router, event_router,
    health_router, with_fallback,
};
use myevents_core::runtime::config::{ListenAddress, Program, ServiceSettings, Settings};
use myevents_core::service::{BookingService, EventService};
use prometheus::Registry;
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;

use crate::page::Page;

/// What all listeners are made from.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) readiness: Readiness,
    pub(crate) events: Option<(Arc<EventService>, RestSettings)>,
    pub(crate) bookings: Option<(Arc<BookingService>, RestSettings)>,
    /// Without routes where the program has no page.
    pub(crate) page: Page,
}

/// What all services of a process share, so that a client finds one bound and not two.
#[derive(Debug)]
pub(crate) struct Guards {
    pub(crate) admission: Arc<Admission>,
    pub(crate) requests: Arc<Semaphore>,
}

/// How the routes of a service behave.
pub(crate) fn rest_settings(
    settings: &Settings,
    service: &ServiceSettings,
    authenticator: Option<Arc<dyn Authenticator>>,
    observer: Arc<dyn Observer>,
    guards: Guards,
) -> myevents_core::Result<RestSettings> {
    Ok(RestSettings {
        cors_origins: CorsOrigins::parse(service.cors_origins.iter().map(String::as_str))?,
        body_timeout: settings.body_timeout,
        admission: Some(guards.admission),
        authenticator,
        organiser_list: match service.organiser_open {
            true => OrganiserList::Open,
            false if settings.listeners().all(ListenAddress::is_loopback) => OrganiserList::ThisMachine,
            false => OrganiserList::Closed,
        },
        requests: guards.requests,
        turns: Arc::new(Turns::new(settings.max_requests_active)),
        observer,
        ..RestSettings::default()
    })
}

impl Parts {
    fn settings(&self) -> RestSettings {
        let settings = self.events.as_ref().map(|(_, settings)| settings);
        let settings = settings.or(self.bookings.as_ref().map(|(_, settings)| settings));
        settings.cloned().unwrap_or_default()
    }

    fn complete(&self, routes: Router, document: fn() -> OpenApi) -> Router {
        let settings = self.settings();
        let routes = routes
            .merge(health_router(self.readiness.clone(), &settings))
            .merge(docs_router(document, &settings));
        with_fallback(routes, &settings)
    }

    fn event_routes(&self) -> Router {
        self.events
            .clone()
            .map_or_else(Router::new, |(service, settings)| {
                event_router(EventRest { service, settings })
            })
    }

    fn booking_routes(&self) -> Router {
        self.bookings
            .clone()
            .map_or_else(Router::new, |(service, settings)| {
                booking_router(BookingRest { service, settings })
            })
    }

    /// The event service's own listener.
    pub(crate) fn event_app(&self) -> Router {
        let log = self
            .events
            .clone()
            .map(|(service, settings)| event_audit_router(EventRest { service, settings }));
        self.complete(self.event_routes().merge(log.unwrap_or_default()), event_document)
    }

    /// The booking service's own listener.
    pub(crate) fn booking_app(&self) -> Router {
        let log = self
            .bookings
            .clone()
            .map(|(service, settings)| booking_audit_router(BookingRest { service, settings }));
        self.complete(
            self.booking_routes().merge(log.unwrap_or_default()),
            booking_document,
        )
    }

    /// Page, docs and both APIs on one origin.
    pub(crate) fn whole_app(&self) -> Router {
        let routes = self.event_routes().merge(self.booking_routes());
        let app = self.complete(routes.merge(self.page.routes.clone()), merged_document);
        let unknown = with_fallback(Router::new(), &self.settings());
        app.fallback_service(self.page.for_people(unknown))
    }
}

/// `GET /metrics`, for a port of its own; health too, as that port answers also while the others take no connection.
pub(crate) fn metrics_app(registry: Registry, parts: &Parts) -> Router {
    let show = async move || match metrics::render(&registry) {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, metrics::CONTENT_TYPE),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics can't be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    Router::new()
        .route("/metrics", get(show))
        .merge(health_router(parts.readiness.clone(), &parts.settings()))
}

/// The OpenAPI document of a program's API.
pub(crate) fn document(program: Program) -> OpenApi {
    match program {
        Program::EventService => event_document(),
        Program::BookingService => booking_document(),
        Program::MyEvents => merged_document(),
    }
}
