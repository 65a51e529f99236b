//! The OpenAPI 3.1 documents of both services, alone or as one, and the page that shows them.
//!
//! The table of operations stands in `operations`; a test holds it against the routers.

mod access;
mod operations;
mod requests;
mod words;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, OnceLock};

use axum::extract::{Path, Request, State};
use axum::routing::get;
use axum::{Router, response::Response};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{OpenApi, RefOr, Schema};

use crate::contract::{AuditWire, BookingWire, EventWire, HallWire, LocationWire, UserWire};
use crate::rest::answer::{self, Answer, ResponseExt};
use crate::rest::bookings::AvailabilityWire;
use crate::rest::head;
use crate::rest::layer::RestLayer;
use crate::rest::problem::{PROBLEMS, Problem, TYPE_PREFIX};
use crate::rest::settings::RestSettings;
use operations::{BOOKING_ALONE, BOOKING_SERVICE, EVENT_ALONE, EVENT_SERVICE, Operation, SHARED};

/// The document of the event service.
#[must_use]
pub fn event_document() -> OpenApi {
    document("MyEvents event service", &[EVENT_SERVICE, EVENT_ALONE, SHARED])
}

/// The document of the booking service.
#[must_use]
pub fn booking_document() -> OpenApi {
    document(
        "MyEvents booking service",
        &[BOOKING_SERVICE, BOOKING_ALONE, SHARED],
    )
}

/// One document of both services on one origin.
#[must_use]
pub fn merged_document() -> OpenApi {
    document("MyEvents", &[EVENT_SERVICE, BOOKING_SERVICE, SHARED])
}

/// Every method and path in the document of both services, for tests that hold it against the routers.
#[must_use]
pub fn operations() -> Vec<(&'static str, &'static str)> {
    [EVENT_SERVICE, BOOKING_SERVICE, SHARED]
        .concat()
        .iter()
        .map(|operation| (operation.method, operation.path))
        .collect()
}

fn document(title: &str, parts: &[&[Operation]]) -> OpenApi {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in parts.iter().copied().flatten() {
        let path = paths.entry(operation.path).or_default();
        path.insert(operation.method.to_ascii_lowercase(), operation.to_json());
    }
    let whole = json!({
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Event booking that never oversells. Requests are read with field names in any case.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas(), "securitySchemes": { "token": access::token() } },
    });
    // What is written here is fixed; a document that can't be read back is one without paths, which the tests see.
    serde_json::from_value(whole).unwrap_or_default()
}

fn schemas() -> BTreeMap<String, Value> {
    fn add<T: ToSchema>(all: &mut Vec<(String, RefOr<Schema>)>) {
        all.push((T::name().into_owned(), T::schema()));
        T::schemas(all);
    }
    let mut all = Vec::new();
    add::<EventWire>(&mut all);
    add::<LocationWire>(&mut all);
    add::<HallWire>(&mut all);
    add::<BookingWire>(&mut all);
    add::<UserWire>(&mut all);
    add::<AvailabilityWire>(&mut all);
    add::<AuditWire>(&mut all);
    let mut named: BTreeMap<String, Value> = all
        .into_iter()
        .filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?)))
        .collect();
    named.extend(requests::bodies().map(|(name, schema)| (name.to_owned(), schema)));
    named.insert("Problem".to_owned(), problem());
    named.insert("Health".to_owned(), json!({ "type": "object" }));
    named
}

fn problem() -> Value {
    let types: Vec<String> = PROBLEMS
        .iter()
        .map(|(word, _, _)| format!("{TYPE_PREFIX}{word}"))
        .collect();
    json!({
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status", "detail", "requestId"],
        "properties": {
            "type": { "type": "string", "enum": types },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "requestId": { "type": "string" },
            "available": { "type": "integer", "description": "with sold-out: the seats left" },
            "max": { "type": "integer", "description": "with too-many-seats: the most of one booking" },
        },
    })
}

macro_rules! packed {
    ($name:literal) => {
        ($name, include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")))
    };
}

/// What the page of the document may do: run and ask what is of our own origin. Swagger UI writes styles into its elements and
/// has its pictures in the style sheet.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Starts it, from a file of its own: a policy that lets inline scripts run would let those of others run too.
const START: &[u8] = include_bytes!("start.js");
/// The files of Swagger UI that the page asks for, packed by gzip: `build.rs` takes them out of its archive.
const PACKED: [(&str, &[u8]); 3] = [
    packed!("swagger-ui.css"),
    packed!("swagger-ui-bundle.js"),
    packed!("swagger-ui-standalone-preset.js"),
];

/// What the routes of the documentation answer with.
struct Docs {
    settings: RestSettings,
    make: Box<dyn Fn() -> OpenApi + Send + Sync>,
    /// The document for a service at the root, which is the common case; made when somebody first asks.
    at_root: OnceLock<Bytes>,
}

/// `/openapi.json` and `/docs`, once for all services of a process. The page's parts are built in. `document` is called
/// when somebody asks for it: most processes are never asked, and it takes time and memory.
pub fn docs_router(
    document: impl Fn() -> OpenApi + Send + Sync + 'static,
    settings: &RestSettings,
) -> Router {
    let docs = Arc::new(Docs {
        settings: settings.clone(),
        make: Box::new(document),
        at_root: OnceLock::new(),
    });
    Router::new()
        .route("/openapi.json", get(openapi_json))
        .route("/docs", get(page))
        .route("/docs/", get(page))
        .route("/docs/{file}", get(file))
        .with_state(docs)
        .layer(RestLayer::open(settings))
}

async fn openapi_json(State(docs): State<Arc<Docs>>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let prefix = head::prefix(&parts, &docs.settings);
    if prefix.is_empty() {
        let made = || serde_json::to_vec(&(docs.make)()).unwrap_or_default().into();
        let at_root = docs.at_root.get_or_init(made).clone();
        return Ok(answer::bytes(StatusCode::OK, at_root));
    }
    let mut document = (docs.make)();
    document.servers = Some(vec![utoipa::openapi::Server::new(prefix)]);
    answer::json(StatusCode::OK, &document)
}

/// The page itself is ours, as it has to find its parts under any prefix.
async fn page(State(docs): State<Arc<Docs>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let prefix = head::prefix(&parts, &docs.settings);
    let prefix: String = prefix
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "/-_.~".contains(*letter))
        .collect();
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>MyEvents API</title>\
         <link rel=\"stylesheet\" href=\"{prefix}/docs/swagger-ui.css\"></head><body><div id=\"swagger-ui\"></div>\
         <script src=\"{prefix}/docs/swagger-ui-bundle.js\"></script>\
         <script src=\"{prefix}/docs/swagger-ui-standalone-preset.js\"></script>\
         <script src=\"{prefix}/docs/start.js\"></script></body></html>"
    );
    answer::bytes(StatusCode::OK, html.into())
        .with(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        )
        .with(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(PAGE_POLICY),
        )
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let response = if name == "start.js" {
        answer::bytes(StatusCode::OK, Bytes::from_static(START))
    } else {
        let (_, packed) = PACKED
            .into_iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(Problem::unknown_path)?;
        let response = if takes_gzip(&headers) {
            answer::bytes(StatusCode::OK, Bytes::from_static(packed))
                .with(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))
        } else {
            let mut plain = Vec::new();
            GzDecoder::new(packed)
                .read_to_end(&mut plain)
                .map_err(|error| Problem::internal(error.to_string()))?;
            answer::bytes(StatusCode::OK, plain.into())
        };
        response.with(header::VARY, HeaderValue::from_static("accept-encoding"))
    };
    let kind = if name.ends_with(".css") {
        "text/css; charset=utf-8"
    } else {
        "text/javascript; charset=utf-8"
    };
    Ok(response
        .with(header::CONTENT_TYPE, HeaderValue::from_static(kind))
        .with(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600")))
}

/// Whether `Accept-Encoding` names gzip and does not rule it out with a weight of zero.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut items = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    items.any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::parse);
        name.trim().eq_ignore_ascii_case("gzip") && weight != Some(Ok(0.0))
    })
}
