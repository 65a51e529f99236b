//! Routes of bookings: book, find, cancel, the organiser's list, and what is left.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::request::Parts;
use http::{StatusCode, header};
use serde::Serialize;

use crate::contract::BookingWire;
use crate::domain::{BookingId, BookingState, EventId};
use crate::ports::{Availability, BookingCursor, BookingFilter, BookingOwner, Outcome};
use crate::rest::answer::{self, Answer, ResponseExt};
use crate::rest::events::carried_through;
use crate::rest::head::{self, PathText};
use crate::rest::list::{self, Query};
use crate::rest::problem::Problem;
use crate::rest::{BookingRest, access, body, lenient};
use crate::service::{Caller, Scope};

type Bookings = State<Arc<BookingRest>>;

/// The most events of one question for what is left.
const MAX_IDS: usize = 100;

/// What is left of an event.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Availability))]
#[serde(rename_all = "PascalCase")]
pub(super) struct AvailabilityWire {
    /// Hex digits.
    #[serde(rename = "EventID")]
    event_id: String,
    /// Seats; null while unknown.
    capacity: Option<u64>,
    /// Seats left; null while unknown.
    available: Option<u64>,
}

impl From<&Availability> for AvailabilityWire {
    fn from(availability: &Availability) -> Self {
        Self {
            event_id: availability.event.to_string(),
            capacity: availability.capacity,
            available: availability.available,
        }
    }
}

/// `POST /events/{id}/bookings`
pub(super) async fn book(State(rest): Bookings, path: PathText, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let context = access::allowed(&parts, &rest.settings, Scope::BookingsWrite)?;
    let key = head::idempotency_key(&parts.headers, &context.caller)?;
    let body = body::read(&parts, body, &rest.settings).await?;
    let event = path.id(EventId::parse).ok_or_else(|| Problem::unknown("event"))?;
    let draft = lenient::booking(&body, event)?;

    let own_id = draft.id.is_some();
    // The event's desk carries it through in a task of its own, whether this future is dropped or not.
    let outcome = if draft.user.is_some() || context.caller != Caller::Anonymous {
        // The user is looked up, or made, before the desk takes over; a client that goes away meanwhile is still served.
        let service = Arc::clone(&rest.service);
        carried_through(async move { service.book_event(&context, key.as_ref(), draft).await }).await?
    } else {
        rest.service.book_event(&context, key.as_ref(), draft).await?
    };
    if let Some(problem) = Problem::of_outcome(&outcome, own_id) {
        return Err(problem);
    }
    let (Outcome::Booked(booking) | Outcome::Existing(booking)) = &outcome else {
        return Err(Problem::internal("an outcome without booking or problem"));
    };
    let prefix = head::prefix(&parts, &rest.settings);
    Ok(answer::json(StatusCode::CREATED, &BookingWire::from(booking))?
        .with_location(format!("{prefix}/bookings/{}", booking.id))
        .replayed(matches!(outcome, Outcome::Existing(_))))
}

/// `GET /bookings/{id}`
pub(super) async fn find(State(rest): Bookings, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let context = access::signed_in(&parts, &rest.settings)?;
    let unknown = || Problem::unknown("booking");
    let id = path.id(BookingId::parse).ok_or_else(unknown)?;
    let found = rest.service.find_booking(&context, &id).await?;
    let booking = found.ok_or_else(unknown)?;
    answer::json(StatusCode::OK, &BookingWire::from(&booking))
}

/// `DELETE /bookings/{id}`
pub(super) async fn cancel(State(rest): Bookings, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let context = access::allowed(&parts, &rest.settings, Scope::BookingsWrite)?;
    let id = path
        .id(BookingId::parse)
        .ok_or_else(|| Problem::unknown("booking"))?;
    let service = Arc::clone(&rest.service);
    carried_through(async move { service.cancel_booking(&context, &id).await }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// `GET /events/{id}/bookings`: names and addresses, so it answers admins, and without sign-in only where nobody but the
/// organiser gets to it.
pub(super) async fn list_of_event(State(rest): Bookings, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    access::organiser(&parts, &rest.settings, Scope::BookingsAdmin)?;
    let unknown = || Problem::unknown("event");
    let event = path.id(EventId::parse).ok_or_else(unknown)?;
    let known = rest.service.availability(std::slice::from_ref(&event)).await?;
    if !known.iter().any(Option::is_some) {
        return Err(unknown());
    }
    let here = format!("/events/{event}/bookings");
    page(&rest, &parts, BookingOwner::Event(event), &here).await
}

/// A page of somebody's bookings, newest first.
pub(super) async fn page(rest: &BookingRest, parts: &Parts, owner: BookingOwner, here: &str) -> Answer {
    let query = Query::read(parts, &["limit", "cursor", "q", "state", "from", "to"])?;
    let filters = query.filters(here);
    let filter = BookingFilter {
        owner,
        text: query.text("q")?,
        state: query.get("state").map(BookingState::from),
        from: query.date("from")?,
        to: query.date("to")?,
    };
    let after: Option<BookingCursor> = list::read_cursor(&query, &filters)?;
    let page = rest
        .service
        .list_bookings(&filter, after.as_ref(), query.limit()?)
        .await?;
    let shown: Vec<_> = page.items.iter().map(BookingWire::from).collect();
    let mut response = answer::json(StatusCode::OK, &shown)?;
    if let Some(next) = &page.next {
        let path = format!("{}{here}", head::prefix(parts, &rest.settings));
        let link = query.next_link(&path, &list::write_cursor(&filters, next));
        response = response.with(header::LINK, link);
    }
    Ok(response)
}

/// `GET /events/{id}/availability`
pub(super) async fn availability(State(rest): Bookings, path: PathText) -> Answer {
    let unknown = || Problem::unknown("event");
    let event = path.id(EventId::parse).ok_or_else(unknown)?;
    let found = rest.service.availability(std::slice::from_ref(&event)).await?;
    let found = found.first().and_then(Option::as_ref).ok_or_else(unknown)?;
    answer::json(StatusCode::OK, &AvailabilityWire::from(found))
}

/// `GET /availability?ids=a,b`: those that are known, in the order asked.
pub(super) async fn availabilities(State(rest): Bookings, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let query = Query::read(&parts, &["ids"])?;
    let ids = query
        .given("ids")
        .ok_or_else(|| Problem::of("invalid", "the parameter ids is missing"))?;
    let ids: Vec<EventId> = ids
        .split(',')
        .filter(|id| !id.is_empty())
        .map(|id| {
            EventId::parse(id).map_err(|_| Problem::of("invalid", "the parameter ids holds what is no id"))
        })
        .collect::<Result<_, _>>()?;
    if ids.len() > MAX_IDS {
        return Err(Problem::of(
            "invalid",
            format!("the parameter ids holds more than {MAX_IDS} ids"),
        ));
    }
    let found = rest.service.availability(&ids).await?;
    let shown: Vec<_> = found.iter().flatten().map(AvailabilityWire::from).collect();
    answer::json(StatusCode::OK, &shown)
}
