//! Routes of the audit log, the same for both services.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::request::Parts;
use http::{StatusCode, header};

use crate::contract::AuditWire;
use crate::domain::AuditEntry;
use crate::ports::{AuditCursor, AuditFilter, PageOf};
use crate::rest::answer::{self, Answer, ResponseExt};
use crate::rest::list::{self, Query};
use crate::rest::problem::Problem;
use crate::rest::settings::RestSettings;
use crate::rest::{BookingRest, EventState, access, head};
use crate::service::Scope;

/// What a page of the log was asked for.
struct Asked {
    query: Query,
    filter: AuditFilter,
    after: Option<AuditCursor>,
    limit: usize,
}

fn read(parts: &Parts) -> Result<Asked, Problem> {
    let query = Query::read(parts, &["limit", "cursor", "object", "since", "until"])?;
    Ok(Asked {
        filter: AuditFilter {
            object: query.id("object")?,
            since: query.date("since")?,
            until: query.date("until")?,
        },
        after: list::read_cursor(&query, &query.filters("/audit"))?,
        limit: query.limit()?,
        query,
    })
}

fn show(
    parts: &Parts,
    settings: &RestSettings,
    asked: &Asked,
    page: &PageOf<AuditEntry, AuditCursor>,
) -> Answer {
    let shown: Vec<_> = page.items.iter().map(AuditWire::from).collect();
    let mut response = answer::json(StatusCode::OK, &shown)?;
    if let Some(next) = &page.next {
        // It is mounted under more than one path: the next page is where this one was.
        let path = format!("{}{}", head::prefix(parts, settings), parts.uri.path());
        let cursor = list::write_cursor(&asked.query.filters("/audit"), next);
        response = response.with(header::LINK, asked.query.next_link(&path, &cursor));
    }
    Ok(response)
}

/// `GET /audit` of the event service.
pub(super) async fn of_events(State(state): State<Arc<EventState>>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let rest = &state.rest;
    access::organiser(&parts, &rest.settings, Scope::EventsAdmin)?;
    let asked = read(&parts)?;
    let listed = rest
        .service
        .list_audit(&asked.filter, asked.after.as_ref(), asked.limit);
    show(&parts, &rest.settings, &asked, &listed.await?)
}

/// `GET /audit` of the booking service.
pub(super) async fn of_bookings(State(rest): State<Arc<BookingRest>>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    access::organiser(&parts, &rest.settings, Scope::BookingsAdmin)?;
    let asked = read(&parts)?;
    let listed = rest
        .service
        .list_audit(&asked.filter, asked.after.as_ref(), asked.limit);
    show(&parts, &rest.settings, &asked, &listed.await?)
}
