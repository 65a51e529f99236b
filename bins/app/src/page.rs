//! Serves the page that was built into the program: hashed files for ever, the rest asked for anew, nothing of others.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use myevents_core::ports::UnknownCapacity;
use myevents_core::runtime::config::{ServiceName, Settings};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde_json::{Value, json};

/// The built page, or the placeholder; `build.rs` says which.
#[derive(RustEmbed)]
#[cfg_attr(page_built, folder = "../../frontend/dist/site")]
#[cfg_attr(not(page_built), folder = "../../frontend/placeholder")]
struct Site;

/// Paths that the page itself tells apart. Every other path that nobody knows stays a problem of the API, but for browsers.
const VIEWS: [&str; 11] = [
    "/",
    "/e/{id}",
    "/e/{id}/",
    "/t/{id}",
    "/t/{id}/",
    "/my",
    "/my/",
    "/organise",
    "/organise/",
    "/organise/{*rest}",
    "/sign-in",
];

/// Names with the hash of their content in them: what was once loaded never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// May be kept, but has to be asked for before it is used.
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

/// The page as it is served.
#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) routes: Router,
    index: Arc<Served>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Page").finish_non_exhaustive()
    }
}

impl Page {
    /// # Errors
    /// When the file that `page_config` names can't be read, or is no JSON object.
    pub(crate) fn load(settings: &Settings) -> Result<Self> {
        let config = config(settings)?;
        let policy = policy(&config)?;
        let index = Served::load("index.html", policy.clone()).context("the page is gone")?;
        let index = Arc::new(index);
        let routes = router(config, policy, &index)?;
        Ok(Self { routes, index })
    }

    /// Whoever asks for a page where there is none gets one that says so; programs get what `unknown` answers.
    pub(crate) fn for_people(&self, unknown: Router) -> Router {
        let index = Arc::clone(&self.index);
        unknown.layer(from_fn(move |request: Request, next: Next| {
            let page = wants_page(&request).then(|| index.missing());
            async move {
                match page {
                    Some(page) => page,
                    None => next.run(request).await,
                }
            }
        }))
    }
}

/// Browsers name HTML when somebody goes to an address; a file of the page that is gone is no page, whoever asks.
fn wants_page(request: &Request) -> bool {
    let mut accepted = request.headers().get_all(header::ACCEPT).iter();
    matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.uri().path().starts_with("/assets/")
        && accepted.any(|list| list.to_str().is_ok_and(|list| list.contains("text/html")))
}

fn router(config: Value, policy: HeaderValue, index: &Arc<Served>) -> Result<Router> {
    let mut router = Router::new();
    for name in Site::iter().filter(|name| !is_copy(name)) {
        if name == "index.html" {
            for view in VIEWS {
                router = router.route(view, serve(index));
            }
        } else if name != "config.json" {
            let served = Served::load(&name, policy.clone()).context("a file of the page is gone")?;
            router = router.route(&format!("/{name}"), serve(&Arc::new(served)));
        }
    }
    let config = Arc::new(Served::of_text(config.to_string(), "application/json", policy));
    Ok(router.route("/config.json", serve(&config)))
}

fn serve(served: &Arc<Served>) -> MethodRouter {
    let served = Arc::clone(served);
    get(async move |headers: HeaderMap| served.answer(&headers))
}

/// `.br` and `.gz` stand beside the file that they are a copy of.
fn is_copy(name: &str) -> bool {
    name.ends_with(".br") || name.ends_with(".gz")
}

/// What the page has to know: where the services are, how it is branded, and what of their settings it shows.
fn config(settings: &Settings) -> Result<Value> {
    let mut config = json!({
        "api": { "events": "", "bookings": "" },
        "branding": { "name": "MyEvents", "colour": "#0f6b6b", "logo": "" },
        "organiser": true,
    });
    if let Some(booking) = settings.service(ServiceName::Booking) {
        config["sales"] = json!({
            "refusePastEvents": booking.refuse_past_events,
            "unknownCapacity": match booking.unknown_capacity {
                UnknownCapacity::Allow => "allow",
                UnknownCapacity::Refuse => "refuse",
            },
            "maxSeatsPerBooking": booking.max_seats_per_booking,
            "requestTimeout": booking.request_timeout.as_secs_f64(),
        });
    }
    config["signIn"] = sign_in(settings);
    let Some(path) = &settings.page_config else {
        return Ok(config);
    };
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("page_config: can't read {shown}"))?;
    let own: Value =
        serde_json::from_str(&text).with_context(|| format!("page_config: {shown} is not JSON"))?;
    if !own.is_object() {
        bail!("page_config: {shown} is not a JSON object");
    }
    overlay(&mut config, own);
    Ok(config)
}

/// Whether people have to sign in, and how they do on the page.
fn sign_in(settings: &Settings) -> Value {
    let needed = settings.services.iter().any(|service| service.auth.is_some());
    let Some(page) = &settings.page_sign_in else {
        return json!({ "needed": needed });
    };
    json!({
        "needed": needed,
        "issuer": page.issuer,
        "clientId": page.client_id,
        "scopes": page.scopes,
        "audience": page.audience,
        "resource": page.resource,
        "origins": page.origins,
    })
}

/// Objects are put together member by member; anything else replaces what was there.
fn overlay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                overlay(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// Only files of our own are run, and only the services and the identity provider that the configuration names are asked.
/// Pictures in the style sheet are `data:`.
fn policy(config: &Value) -> Result<HeaderValue> {
    let mut services = String::new();
    for name in ["events", "bookings"] {
        if let Some(origin) = origin(&config["api"][name]) {
            let _infallible = write!(services, " {origin}");
        }
    }
    let sign_in = &config["signIn"];
    if sign_in["clientId"].as_str().is_some_and(|id| !id.is_empty()) {
        let further = sign_in["origins"].as_array().into_iter().flatten();
        for origin in std::iter::once(&sign_in["issuer"])
            .chain(further)
            .filter_map(origin)
        {
            let _infallible = write!(services, " {origin}");
        }
    }
    let logo = origin(&config["branding"]["logo"]).map_or_else(String::new, |origin| format!(" {origin}"));
    let policy = format!(
        "default-src 'self'; connect-src 'self'{services}; img-src 'self' data:{logo}; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).context("page_config: an address holds what no header may hold")
}

/// Scheme, host and port of an address; nothing for paths, which are our own origin, and for what could end the directive.
fn origin(address: &Value) -> Option<&str> {
    let address = address.as_str()?;
    let host = address.find("://")? + 3;
    let end = address[host..].find('/').map_or(address.len(), |end| host + end);
    let origin = &address[..end];
    let plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, ';' | ',' | '\'' | '"');
    origin.chars().all(plain).then_some(origin)
}

/// One file in all the forms in which it can be sent.
struct Served {
    kind: &'static str,
    caching: HeaderValue,
    etag: HeaderValue,
    policy: HeaderValue,
    plain: Content,
    brotli: Option<Content>,
    gzip: Option<Content>,
}

enum Content {
    Embedded(EmbeddedFile),
    Text(String),
}

impl Content {
    fn body(&self) -> Body {
        match self {
            Self::Embedded(file) => match &file.data {
                std::borrow::Cow::Borrowed(bytes) => Body::from(*bytes),
                std::borrow::Cow::Owned(bytes) => Body::from(bytes.clone()),
            },
            Self::Text(text) => Body::from(text.clone()),
        }
    }
}

impl Served {
    fn load(name: &str, policy: HeaderValue) -> Option<Self> {
        let file = Site::get(name)?;
        let hash = file.metadata.sha256_hash();
        Some(Self {
            kind: kind(name),
            caching: if name.starts_with("assets/") {
                FOR_EVER
            } else {
                ASK_FIRST
            },
            etag: etag(&hash),
            policy,
            plain: Content::Embedded(file),
            brotli: Site::get(&format!("{name}.br")).map(Content::Embedded),
            gzip: Site::get(&format!("{name}.gz")).map(Content::Embedded),
        })
    }

    fn of_text(text: String, kind: &'static str, policy: HeaderValue) -> Self {
        // Made once at the start, so that it differs from what an earlier start answered only if the text does.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self {
            kind,
            caching: ASK_FIRST,
            etag: etag(&hash.to_be_bytes()),
            policy,
            plain: Content::Text(text),
            brotli: None,
            gzip: None,
        }
    }

    /// What stands where nothing is: not to be kept, and not in every form.
    fn missing(&self) -> Response {
        let mut response = self.answer(&HeaderMap::new());
        *response.status_mut() = StatusCode::NOT_FOUND;
        let headers = response.headers_mut();
        headers.remove(header::ETAG);
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        response
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let known = asked
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .any(|tags| includes(tags, &self.etag));
        let (encoding, content) = match (&self.brotli, &self.gzip) {
            (Some(brotli), _) if accepts(asked, "br") => (Some("br"), brotli),
            (_, Some(gzip)) if accepts(asked, "gzip") => (Some("gzip"), gzip),
            _ => (None, &self.plain),
        };
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Response::new(content.body())
        };
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
        if !known {
            set(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
            if let Some(encoding) = encoding {
                set(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
        }
        set(header::CACHE_CONTROL, self.caching.clone());
        set(header::ETAG, self.etag.clone());
        set(header::VARY, HeaderValue::from_static("accept-encoding"));
        set(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        // The id of a ticket is the key to it, and it stands in the address.
        set(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        set(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        response
    }
}

/// A weak tag: the same file in another encoding is the same to whoever asks.
fn etag(hash: &[u8]) -> HeaderValue {
    let mut tag = "W/\"".to_owned();
    for byte in hash.iter().take(12) {
        let _infallible = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("W/\"\""))
}

fn includes(tags: &HeaderValue, wanted: &HeaderValue) -> bool {
    let (Ok(tags), Ok(wanted)) = (tags.to_str(), wanted.to_str()) else {
        return false;
    };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.split(',')
        .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(wanted))
}

/// Whether `Accept-Encoding` names the encoding and does not rule it out with `q=0`.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut named = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    named.any(|item| {
        let mut parts = item.split(';').map(str::trim);
        parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(encoding))
            && !parts.any(|part| {
                part.strip_prefix("q=")
                    .is_some_and(|weight| weight.trim().parse() == Ok(0.0))
            })
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn an_encoding_is_used_only_where_it_is_wanted() {
        assert!(accepts(&accepting("gzip, deflate, br;q=0.5"), "br"));
        assert!(accepts(&accepting("BR"), "br"));
        assert!(!accepts(&accepting("gzip, br;q=0"), "br"));
        assert!(!accepts(&accepting("gzip, br; q=0.000"), "br"));
        assert!(!accepts(&accepting("brotli"), "br"));
        assert!(!accepts(&HeaderMap::new(), "gzip"));
    }

    #[test]
    fn the_policy_names_the_services_of_other_origins_and_nothing_that_ends_a_directive() {
        let config = json!({
            "api": { "events": "https://api.example:8443/v1", "bookings": "/here" },
            "branding": { "logo": "https://cdn.example; script-src *" },
        });
        let policy = policy(&config).unwrap();
        let policy = policy.to_str().unwrap();
        assert!(
            policy.contains("connect-src 'self' https://api.example:8443;"),
            "{policy}"
        );
        assert!(!policy.contains("cdn.example"), "{policy}");
    }

    #[test]
    fn the_policy_names_the_identity_provider_only_where_the_page_signs_in() {
        let mut config = json!({ "signIn": {
            "needed": true, "issuer": "https://id.example:8443/realms/tickets", "clientId": "page",
            "origins": ["https://tokens.example", "https://bad.example;script-src *"],
        } });
        let text = |config: &Value| policy(config).unwrap().to_str().unwrap().to_owned();
        let allowed = "connect-src 'self' https://id.example:8443 https://tokens.example; img-src";
        assert!(text(&config).contains(allowed), "{}", text(&config));
        config["signIn"]["clientId"] = json!("");
        assert!(!text(&config).contains("id.example"), "{}", text(&config));
    }

    #[test]
    fn an_own_configuration_is_laid_over_member_by_member() {
        let mut config =
            json!({ "branding": { "name": "MyEvents", "colour": "#0f6b6b" }, "organiser": true });
        overlay(
            &mut config,
            json!({ "branding": { "name": "Opera" }, "organiser": false }),
        );
        assert_eq!(
            config,
            json!({ "branding": { "name": "Opera", "colour": "#0f6b6b" }, "organiser": false })
        );
    }

    #[test]
    fn a_tag_of_another_strength_is_the_same_file() {
        let tag = etag(&[1, 2, 3]);
        assert!(includes(&HeaderValue::from_static("\"x\", \"010203\""), &tag));
        assert!(includes(&HeaderValue::from_static("W/\"010203\""), &tag));
        assert!(!includes(&HeaderValue::from_static("\"010204\""), &tag));
    }
}
