//! Routes of events: list, find, create, put, cancel.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use parking_lot::Mutex;

use crate::contract::EventWire;
use crate::domain::{EventId, EventRecord};
use crate::ports::{EventCursor, EventFilter, PageOf};
use crate::rest::answer::{self, Answer, ResponseExt};
use crate::rest::head::{self, PathPair, PathText};
use crate::rest::list::{self, Query};
use crate::rest::problem::Problem;
use crate::rest::{EventState, access, body, lenient};
use crate::service::{EventService, Scope};

type Events = State<Arc<EventState>>;

/// The most pages that are kept, and the largest body that is worth keeping.
const KEPT_PAGES: usize = 8;
const KEPT_BYTES: usize = 1024 * 1024;

/// Pages asked for of late. One is answered again only while the store says that no event has changed since before it
/// was read, so it can't be stale.
#[derive(Debug, Default)]
pub(super) struct ListCache(Mutex<VecDeque<Arc<Page>>>);

/// A page of the list as it is answered.
#[derive(Debug)]
struct Page {
    /// The store's, before the page was read and after.
    revision: u64,
    /// What was asked for: path prefix and query as they came.
    asked: (String, Option<String>),
    etag: HeaderValue,
    link: Option<HeaderValue>,
    body: Bytes,
}

impl ListCache {
    fn find(&self, revision: u64, prefix: &str, query: Option<&str>) -> Option<Arc<Page>> {
        let pages = self.0.lock();
        let mut found = pages
            .iter()
            .filter(|page| page.asked.0 == prefix && page.asked.1.as_deref() == query);
        found.find(|page| page.revision == revision).cloned()
    }

    fn keep(&self, page: &Arc<Page>) {
        if page.body.len() > KEPT_BYTES {
            return;
        }
        let mut pages = self.0.lock();
        // Pages of other revisions are not asked for again.
        pages.retain(|kept| kept.revision == page.revision && kept.asked != page.asked);
        pages.truncate(KEPT_PAGES - 1);
        pages.push_front(Arc::clone(page));
    }
}

/// `GET /events`
pub(super) async fn list(State(state): Events, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let service = &state.rest.service;
    let prefix = head::prefix(&parts, &state.rest.settings);
    let revision = service.events_revision().await?;
    if let Some(revision) = revision
        && let Some(page) = state.list.find(revision, &prefix, parts.uri.query())
    {
        return page.answer(&parts);
    }
    let page = Arc::new(read_page(service, &parts, prefix, revision.unwrap_or_default()).await?);
    if revision.is_some() && service.events_revision().await? == revision {
        state.list.keep(&page);
    }
    page.answer(&parts)
}

async fn read_page(
    service: &EventService,
    parts: &Parts,
    prefix: String,
    revision: u64,
) -> Result<Page, Problem> {
    let query = Query::read(parts, &["limit", "cursor", "q", "from", "to", "cancelled"])?;
    let filters = query.filters("GET /events");
    let filter = EventFilter {
        text: query.text("q")?,
        from: query.date("from")?,
        to: query.date("to")?,
        with_cancelled: query.flag("cancelled")?,
    };
    let after: Option<EventCursor> = list::read_cursor(&query, &filters)?;
    let page = service
        .list_events(&filter, after.as_ref(), query.limit()?)
        .await?;
    let link = page
        .next
        .as_ref()
        .map(|next| query.next_link(&format!("{prefix}/events"), &list::write_cursor(&filters, next)));
    Ok(Page {
        revision,
        asked: (prefix, parts.uri.query().map(ToOwned::to_owned)),
        etag: answer::text(format!("\"{:016x}\"", hash_of(&page))),
        link,
        body: list_body(&page)?,
    })
}

impl Page {
    fn answer(&self, parts: &Parts) -> Answer {
        let mut response = if head::not_modified(parts, &self.etag)? {
            answer::empty(StatusCode::NOT_MODIFIED)
        } else {
            answer::bytes(StatusCode::OK, self.body.clone())
        };
        if let Some(link) = &self.link {
            response = response.with(header::LINK, link.clone());
        }
        Ok(response.with(header::ETAG, self.etag.clone()))
    }
}

fn hash_of(page: &PageOf<EventRecord, EventCursor>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for record in &page.items {
        record.event.id.hash(&mut hasher);
        record.version.hash(&mut hasher);
    }
    page.next.is_some().hash(&mut hasher);
    hasher.finish()
}

fn list_body(page: &PageOf<EventRecord, EventCursor>) -> Result<Bytes, Problem> {
    let mut buffer = Vec::with_capacity(512 * page.items.len() + 2);
    buffer.push(b'[');
    for (index, record) in page.items.iter().enumerate() {
        if index > 0 {
            buffer.push(b',');
        }
        serde_json::to_writer(&mut buffer, &EventWire::from(&record.event))
            .map_err(|error| Problem::internal(error.to_string()))?;
    }
    buffer.push(b']');
    buffer.shrink_to_fit();
    Ok(buffer.into())
}

/// `GET /events/{id}`, `GET /events/id/{id}`
pub(super) async fn find(State(state): Events, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    find_by_id(&state, &path, &parts).await
}

/// `GET /events/name/{name}`
pub(super) async fn find_by_name(State(state): Events, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    by_name(&state, &path, &parts).await
}

/// `GET /events/{criterion}/{value}`: the criterion in any case.
pub(super) async fn find_by(State(state): Events, pair: PathPair, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let (criterion, value) = pair.criterion().ok_or_else(|| Problem::unknown("event"))?;
    match criterion.as_str() {
        "id" => find_by_id(&state, &value, &parts).await,
        "name" => by_name(&state, &value, &parts).await,
        _ => Err(unknown_criterion()),
    }
}

fn unknown_criterion() -> Problem {
    Problem::of(
        "invalid",
        "events are found by id or by name, and by nothing else",
    )
}

async fn find_by_id(state: &EventState, path: &PathText, parts: &Parts) -> Answer {
    let id = path.id(EventId::parse).ok_or_else(|| Problem::unknown("event"))?;
    let record = state.rest.service.find_event(&id).await?;
    shown(parts, record.ok_or_else(|| Problem::unknown("event"))?)
}

async fn by_name(state: &EventState, path: &PathText, parts: &Parts) -> Answer {
    let unknown = || Problem::of("not-found", "no event that is not cancelled has this name");
    let record = match path.text() {
        Some(name) => state.rest.service.find_event_by_name(name).await?,
        None => None,
    };
    shown(parts, record.ok_or_else(unknown)?)
}

/// One event, or 304 when the client has it already.
fn shown(parts: &Parts, record: EventRecord) -> Answer {
    let etag = answer::etag_of(record.version);
    if head::not_modified(parts, &etag)? {
        return Ok(answer::empty(StatusCode::NOT_MODIFIED).with(header::ETAG, etag));
    }
    let response = answer::json(StatusCode::OK, &EventWire::from(&record.event))?;
    Ok(response.with(header::ETAG, etag))
}

fn located(response: Response, parts: &Parts, state: &EventState, id: &EventId) -> Response {
    let prefix = head::prefix(parts, &state.rest.settings);
    response.with_location(format!("{prefix}/events/{id}"))
}

/// `POST /events`
pub(super) async fn create(State(state): Events, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let context = access::allowed(&parts, &state.rest.settings, Scope::EventsWrite)?;
    let key = head::idempotency_key(&parts.headers, &context.caller)?;
    let draft = lenient::event(&body::read(&parts, body, &state.rest.settings).await?)?;

    let service = Arc::clone(&state.rest.service);
    let created =
        carried_through(async move { service.create_event(&context, key.as_ref(), draft).await }).await?;
    let response = answer::json(StatusCode::CREATED, &EventWire::from(&created.record.event))?;
    let response = response
        .with_etag(created.record.version)
        .replayed(created.replayed);
    Ok(located(response, &parts, &state, &created.record.event.id))
}

/// `PUT /events/{id}`, `PUT /events/id/{id}`
pub(super) async fn put(State(state): Events, path: PathText, request: Request) -> Answer {
    put_at(state, &path, request).await
}

/// `PUT /events/{criterion}/{value}`: the criterion in any case, which has to be the id.
pub(super) async fn put_by(State(state): Events, pair: PathPair, request: Request) -> Answer {
    match pair.criterion() {
        Some((criterion, value)) if criterion == "id" => put_at(state, &value, request).await,
        _ => Err(unknown_criterion()),
    }
}

async fn put_at(state: Arc<EventState>, path: &PathText, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let context = access::allowed(&parts, &state.rest.settings, Scope::EventsWrite)?;
    let id = path.id(EventId::parse).ok_or_else(not_an_id)?;
    let draft = lenient::event(&body::read(&parts, body, &state.rest.settings).await?)?;
    if draft.id.as_ref().is_some_and(|named| *named != id) {
        return Err(other_id());
    }
    let service = Arc::clone(&state.rest.service);
    let found = id.clone();
    let condition = head::put_condition(&parts.headers, || async {
        Ok(service.find_event(&found).await?.map(|record| record.version))
    })
    .await?;

    let service = Arc::clone(&state.rest.service);
    let target = id.clone();
    let replaced =
        carried_through(async move { service.put_event(&context, &target, draft, condition).await }).await?;
    let status = if replaced.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let response = answer::json(status, &EventWire::from(&replaced.record.event))?;
    let response = response.with_etag(replaced.record.version);
    Ok(if replaced.created {
        located(response, &parts, &state, &id)
    } else {
        response
    })
}

pub(super) fn not_an_id() -> Problem {
    Problem::of(
        "invalid",
        "the id in the path is not an even number of 2 to 128 hex digits",
    )
}

pub(super) fn other_id() -> Problem {
    Problem::of("unprocessable", "ID is another than that of the path")
}

/// `DELETE /events/{id}`, `DELETE /events/id/{id}`
pub(super) async fn cancel(State(state): Events, path: PathText, request: Request) -> Answer {
    cancel_at(state, &path, request).await
}

/// `DELETE /events/{criterion}/{value}`: the criterion in any case, which has to be the id.
pub(super) async fn cancel_by(State(state): Events, pair: PathPair, request: Request) -> Answer {
    match pair.criterion() {
        Some((criterion, value)) if criterion == "id" => cancel_at(state, &value, request).await,
        _ => Err(unknown_criterion()),
    }
}

async fn cancel_at(state: Arc<EventState>, path: &PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let context = access::allowed(&parts, &state.rest.settings, Scope::EventsWrite)?;
    let id = path.id(EventId::parse).ok_or_else(|| Problem::unknown("event"))?;
    let service = Arc::clone(&state.rest.service);
    carried_through(async move { service.cancel_event(&context, &id).await }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Runs a write in a task of its own: a client that goes away leaves it neither half done nor unannounced.
pub(super) async fn carried_through<T: Send + 'static>(
    write: impl Future<Output = crate::Result<T>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(write).await {
        Ok(result) => Ok(result?),
        Err(failed) => Err(Problem::internal(format!("a write broke off: {failed}"))),
    }
}
