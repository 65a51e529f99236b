//! Routes of locations: list, find, create, put, delete.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::{StatusCode, header};

use crate::contract::LocationWire;
use crate::domain::LocationId;
use crate::rest::answer::{self, Answer, ResponseExt};
use crate::rest::events::{carried_through, not_an_id, other_id};
use crate::rest::head::{self, PathText};
use crate::rest::list::{self, Query};
use crate::rest::problem::Problem;
use crate::rest::{EventState, access, body, lenient};
use crate::service::Scope;

type Events = State<Arc<EventState>>;

/// `GET /locations`
pub(super) async fn list(State(state): Events, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let query = Query::read(&parts, &["limit", "cursor"])?;
    let filters = query.filters("GET /locations");
    let after: Option<LocationId> = list::read_cursor(&query, &filters)?;
    let page = state
        .rest
        .service
        .list_locations(after.as_ref(), query.limit()?)
        .await?;
    let shown: Vec<_> = page
        .items
        .iter()
        .map(|record| LocationWire::from(&record.location))
        .collect();
    let mut response = answer::json(StatusCode::OK, &shown)?;
    if let Some(next) = &page.next {
        let path = format!("{}/locations", head::prefix(&parts, &state.rest.settings));
        let link = query.next_link(&path, &list::write_cursor(&filters, next));
        response = response.with(header::LINK, link);
    }
    Ok(response)
}

/// `GET /locations/{id}`
pub(super) async fn find(State(state): Events, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let unknown = || Problem::unknown("location");
    let id = path.id(LocationId::parse).ok_or_else(unknown)?;
    let record = state.rest.service.find_location(&id).await?.ok_or_else(unknown)?;
    let etag = answer::etag_of(record.version);
    if head::not_modified(&parts, &etag)? {
        return Ok(answer::empty(StatusCode::NOT_MODIFIED).with(header::ETAG, etag));
    }
    Ok(answer::json(StatusCode::OK, &LocationWire::from(&record.location))?.with(header::ETAG, etag))
}

/// `POST /locations`
pub(super) async fn create(State(state): Events, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let context = access::allowed(&parts, &state.rest.settings, Scope::EventsWrite)?;
    let key = head::idempotency_key(&parts.headers, &context.caller)?;
    let draft = lenient::location(&body::read(&parts, body, &state.rest.settings).await?)?;

    let service = Arc::clone(&state.rest.service);
    let created =
        carried_through(async move { service.create_location(&context, key.as_ref(), draft).await }).await?;
    let location = &created.record.location;
    let prefix = head::prefix(&parts, &state.rest.settings);
    Ok(answer::json(StatusCode::CREATED, &LocationWire::from(location))?
        .with_etag(created.record.version)
        .with_location(format!("{prefix}/locations/{}", location.id))
        .replayed(created.replayed))
}

/// `PUT /locations/{id}`
pub(super) async fn put(State(state): Events, path: PathText, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let context = access::allowed(&parts, &state.rest.settings, Scope::EventsWrite)?;
    let id = path.id(LocationId::parse).ok_or_else(not_an_id)?;
    let draft = lenient::location(&body::read(&parts, body, &state.rest.settings).await?)?;
    if draft.id.as_ref().is_some_and(|named| *named != id) {
        return Err(other_id());
    }
    let service = Arc::clone(&state.rest.service);
    let found = id.clone();
    let condition = head::put_condition(&parts.headers, || async {
        Ok(service.find_location(&found).await?.map(|record| record.version))
    })
    .await?;

    let service = Arc::clone(&state.rest.service);
    let target = id.clone();
    let replaced =
        carried_through(async move { service.put_location(&context, &target, draft, condition).await })
            .await?;
    let status = if replaced.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let response = answer::json(status, &LocationWire::from(&replaced.record.location))?
        .with_etag(replaced.record.version);
    if !replaced.created {
        return Ok(response);
    }
    let prefix = head::prefix(&parts, &state.rest.settings);
    Ok(response.with_location(format!("{prefix}/locations/{id}")))
}

/// `DELETE /locations/{id}`
pub(super) async fn remove(State(state): Events, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let context = access::allowed(&parts, &state.rest.settings, Scope::EventsWrite)?;
    let id = path
        .id(LocationId::parse)
        .ok_or_else(|| Problem::unknown("location"))?;
    let service = Arc::clone(&state.rest.service);
    carried_through(async move { service.delete_location(&context, &id).await }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
