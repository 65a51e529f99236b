//! The one layer around every route: request id, CORS, panics, problem bodies, who is let in, and one observation a request.
//!
//! It is one layer and not several, so that a small answer costs one boxed future and no more.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use crate::observe::{Observation, Observer};
use crate::rest::Authenticator;
use crate::rest::access::RequestId;
use crate::rest::admission::{Admission, Standing};
use crate::rest::answer;
use crate::rest::problem::Problem;
use crate::rest::settings::{CorsOrigins, RestSettings};
use crate::rest::turns::{Place, Turns};
use crate::service::Caller;
use crate::trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const ALLOWED_METHODS: &str = "GET, POST, PUT, DELETE";
const ALLOWED_HEADERS: &str =
    "content-type, authorization, idempotency-key, if-match, if-none-match, traceparent";
const EXPOSED_HEADERS: &str = "Date, ETag, Link, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, \
     WWW-Authenticate, X-Request-Id, Idempotency-Replayed";

/// What keeps a browser from taking an answer for something else, and from telling others where it has been: an answer is no
/// page, nothing is run or loaded out of it, and it is shown in no frame. A route that is a page says so itself.
const GUARDS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
];

/// What the layer works with, shared by all routes.
#[derive(Debug)]
struct Shared {
    observer: Arc<dyn Observer>,
    origins: CorsOrigins,
    admission: Option<Arc<Admission>>,
    authenticator: Option<Arc<dyn Authenticator>>,
    /// Room for requests in flight; without it they are not counted.
    requests: Option<Arc<Semaphore>>,
    /// Whose turn it is of them.
    turns: Option<Arc<Turns>>,
}

#[derive(Debug, Clone)]
pub(super) struct RestLayer(Arc<Shared>);

impl RestLayer {
    /// For routes that ask who is there: credentials that are no good are refused on each of them.
    pub(super) fn new(settings: &RestSettings) -> Self {
        Self(Arc::new(Shared {
            requests: Some(Arc::clone(&settings.requests)),
            turns: Some(Arc::clone(&settings.turns)),
            authenticator: settings.authenticator.clone(),
            ..Shared::open(settings)
        }))
    }

    /// For routes that answer everybody, whatever credentials came along: docs, unknown paths.
    pub(super) fn open(settings: &RestSettings) -> Self {
        Self(Arc::new(Shared::open(settings)))
    }

    /// For routes that answer however much and often is asked: health.
    pub(super) fn exempt(settings: &RestSettings) -> Self {
        Self(Arc::new(Shared {
            admission: None,
            ..Shared::open(settings)
        }))
    }
}

impl<S> Layer<S> for RestLayer {
    type Service = RestService<S>;

    fn layer(&self, inner: S) -> RestService<S> {
        RestService {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct RestService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request> for RestService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // The one that was polled ready is used; its copy waits for the next call.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let begun = Instant::now();
            let method = request.method().clone();
            let matched = request.extensions().get::<MatchedPath>().cloned();
            let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
            let request_id = request_id(request.headers());
            let origin = shared.origin(request.headers());
            let mut private = false;
            let mut standing = None;
            let span = traced(&mut request, route);
            request.extensions_mut().insert(RequestId(request_id.clone()));

            let answered = if is_preflight(&request) {
                Ok(Ok(preflight(request.headers())))
            } else {
                let answering = async {
                    match shared.let_in(&mut request, &mut private, &mut standing).await {
                        // The room is kept until the answer is there.
                        Ok(_room) => inner.call(request).await,
                        Err(refusal) => Ok(refusal.into_response()),
                    }
                };
                AssertUnwindSafe(answering.instrument(span.clone()))
                    .catch_unwind()
                    .await
            };
            let response = match answered {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(panic) => Problem::internal(panic_text(&*panic)).into_response(),
            };
            let mut response = with_problem_body(response, &request_id);
            shared.finish(response.headers_mut(), request_id, origin);
            if let Some(standing) = standing {
                standing.write(response.headers_mut());
            }
            if private {
                keep_nowhere(response.headers_mut());
            }
            trace::answered(&span, response.status().as_u16());
            shared.observer.observe(&Observation::HttpRequest {
                method: known_method(&method),
                route,
                status: response.status().as_u16(),
                elapsed: begun.elapsed(),
            });
            Ok(response)
        })
    }
}

impl Shared {
    fn open(settings: &RestSettings) -> Self {
        Self {
            observer: Arc::clone(&settings.observer),
            origins: settings.cors_origins.clone(),
            admission: settings.admission.clone(),
            authenticator: None,
            requests: None,
            turns: None,
        }
    }

    /// Whether the request may go on: how often its address asked, whether there is room, who asks, and how often they
    /// did. The address comes first, as checking signatures is work too. Says besides whether it is somebody who asks,
    /// and what is left of their budget.
    async fn let_in(
        &self,
        request: &mut Request,
        signed_in: &mut bool,
        standing: &mut Option<Standing>,
    ) -> Result<Option<SemaphorePermit<'_>>, Problem> {
        if let Some(admission) = &self.admission {
            admission.by_address(request, standing)?;
        }
        let room = match &self.requests {
            Some(requests) => Some(requests.try_acquire().map_err(|_| too_many())?),
            None => None,
        };
        if let Some(turns) = &self.turns {
            let place = Place::new(turns);
            // Else it takes its turn with its body.
            if request.body().is_end_stream() || !matches!(*request.method(), Method::POST | Method::PUT) {
                place.take_turn().await?;
            }
            request.extensions_mut().insert(place);
        }
        if let Some(authenticator) = &self.authenticator {
            let caller = authenticator.authenticate(request.headers()).await?;
            *signed_in = caller != Caller::Anonymous;
            if let Some(admission) = &self.admission {
                admission.by_caller(&caller, standing)?;
            }
            // For the routes to find.
            request.extensions_mut().insert(caller);
        }
        Ok(room)
    }

    /// The value of `Access-Control-Allow-Origin`, if the page may read the answer.
    fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        match &self.origins {
            CorsOrigins::Any => Some(HeaderValue::from_static("*")),
            CorsOrigins::List(list) => headers
                .get(header::ORIGIN)
                .filter(|origin| list.contains(origin))
                .cloned(),
        }
    }

    fn finish(&self, headers: &mut HeaderMap, request_id: HeaderValue, origin: Option<HeaderValue>) {
        headers.insert(REQUEST_ID, request_id);
        for (name, value) in GUARDS {
            headers.entry(name).or_insert(value);
        }
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(EXPOSED_HEADERS),
            );
        }
        if matches!(self.origins, CorsOrigins::List(_)) {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
    }
}

fn too_many() -> Problem {
    Problem::of(
        "overloaded",
        "as many requests are open as the service takes at once; repeat it with the same Idempotency-Key",
    )
}

/// What is answered to somebody stays with them. Records with an entity tag are public.
fn keep_nowhere(headers: &mut HeaderMap) {
    if !headers.contains_key(header::ETAG) && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The request's own span, which what comes of it continues instead of the caller's. Probes and preflights have none.
fn traced(request: &mut Request, route: &str) -> Span {
    if matches!(route, "/healthz" | "/readyz") || is_preflight(request) {
        return Span::none();
    }
    let span = trace::request(known_method(request.method()), route, request.headers());
    if span.is_disabled() {
        return span;
    }
    if let Some(own) = trace::context(&span) {
        request.headers_mut().insert(TRACEPARENT, answer::text(own));
    }
    span
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Allows every method and header we know. `Access-Control-Allow-Origin`, which decides, comes with every answer.
fn preflight(_headers: &HeaderMap) -> Response {
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(ALLOWED_METHODS),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(ALLOWED_HEADERS),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// The client's own id where it is harmless in a log, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|value| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
    });
    given
        .cloned()
        .unwrap_or_else(|| answer::text(uuid::Uuid::now_v7().to_string()))
}

/// Writes the body of a problem, and makes one of each bare error that axum itself answered.
fn with_problem_body(mut response: Response, request_id: &HeaderValue) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let request_id = request_id.to_str().unwrap_or_default();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        // An answer that a handler wrote in full, such as that of `/readyz`.
        None if response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/")) =>
        {
            return response;
        }
        None => Problem::of_status(status),
    };
    if let Some(cause) = problem.cause() {
        tracing::error!(request_id, status = status.as_u16(), cause, "request failed");
    }
    let allow = response.headers_mut().remove(header::ALLOW);
    let mut rendered = problem.render(request_id);
    if let Some(allow) = allow {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    rendered
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without text"))
}

/// The method as a label: clients may invent methods, metrics must not grow with them.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "other",
    }
}
