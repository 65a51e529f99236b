//! Reads what comes beside the body: ids in paths, traces, keys, conditions, and the prefix we are mounted under.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OriginalUri, Path};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::domain::Version;
use crate::rest::problem::Problem;
use crate::rest::settings::RestSettings;
use crate::service::{Caller, IdempotencyKey, PutCondition};

/// The one parameter of a path, percent-decoded; `None` when it is no text.
#[derive(Debug)]
pub(super) struct PathText(Option<String>);

impl PathText {
    pub(super) fn id<T>(&self, parse: impl FnOnce(&str) -> crate::Result<T>) -> Option<T> {
        self.0.as_deref().and_then(|text| parse(text).ok())
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.ok().map(|Path(text)| text)))
    }
}

/// The two parameters of a path, percent-decoded.
#[derive(Debug)]
pub(super) struct PathPair(Option<(String, String)>);

impl PathPair {
    /// The criterion in lower case and the value.
    pub(super) fn criterion(&self) -> Option<(String, PathText)> {
        self.0
            .as_ref()
            .map(|(criterion, value)| (criterion.to_ascii_lowercase(), PathText(Some(value.clone()))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathPair {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        Ok(Self(path.ok().map(|Path(pair)| pair)))
    }
}

/// The [W3C trace context](https://www.w3.org/TR/trace-context/), if it is well-formed; what is not is dropped.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let hex = |part: Option<&str>, length: usize| {
        part.is_some_and(|part| {
            part.len() == length
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        })
    };
    let known =
        hex(parts.next(), 2) && hex(parts.next(), 32) && hex(parts.next(), 16) && hex(parts.next(), 2);
    (known && text.len() == 55).then(|| text.to_owned())
}

/// The `Idempotency-Key`, if there is one.
pub(super) fn idempotency_key(
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::of("invalid", "Idempotency-Key is given twice"));
    }
    let text = value.to_str().unwrap_or_default();
    Ok(Some(IdempotencyKey::parse(text, caller)?))
}

/// Where our paths begin as the client sees them: what a proxy cut off, then what axum's `nest` cut off.
pub(super) fn prefix(parts: &Parts, settings: &RestSettings) -> String {
    let nested = parts
        .extensions
        .get::<OriginalUri>()
        .and_then(|original| original.path().strip_suffix(parts.uri.path()))
        .unwrap_or_default();
    format!("{}{nested}", settings.prefix.trim_end_matches('/'))
}

/// The entity tags of a list header, weak ones marked; `*` alone stands for any.
enum Tags {
    None,
    Any,
    List(Vec<(bool, String)>),
}

fn tags(headers: &HeaderMap, name: &header::HeaderName) -> Result<Tags, Problem> {
    let mut list = Vec::new();
    let mut any = false;
    let mut given = false;
    for value in headers.get_all(name) {
        given = true;
        let broken = || Problem::of("invalid", format!("{name} is not a list of entity tags"));
        let text = value.to_str().map_err(|_| broken())?;
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if tag == "*" {
                any = true;
                continue;
            }
            let (weak, quoted) = tag.strip_prefix("W/").map_or((false, tag), |rest| (true, rest));
            let opaque = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            list.push((weak, opaque.ok_or_else(broken)?.to_owned()));
        }
    }
    Ok(match (given, any) {
        (false, _) => Tags::None,
        (true, true) => Tags::Any,
        (true, false) => Tags::List(list),
    })
}

/// Whether the client already has what `etag` names ([RFC 9110 §13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
pub(super) fn not_modified(parts: &Parts, etag: &HeaderValue) -> Result<bool, Problem> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Ok(false);
    }
    let etag = etag.to_str().unwrap_or_default().trim_matches('"');
    Ok(match tags(&parts.headers, &header::IF_NONE_MATCH)? {
        Tags::None => false,
        Tags::Any => true,
        Tags::List(list) => list.iter().any(|(_, tag)| tag == etag),
    })
}

/// On which condition a PUT writes. `current` is asked only where a list of tags or `*` has to be held against what is
/// there.
pub(super) async fn put_condition<F>(
    headers: &HeaderMap,
    current: impl FnOnce() -> F + Send,
) -> Result<PutCondition, Problem>
where
    F: Future<Output = crate::Result<Option<Version>>> + Send,
{
    let mismatch = || {
        Problem::of(
            "precondition",
            "the record has another version than If-Match asks for",
        )
    };
    // What is malformed is told before what does not match.
    let (if_match, if_none_match) = (
        tags(headers, &header::IF_MATCH)?,
        tags(headers, &header::IF_NONE_MATCH)?,
    );
    match if_match {
        Tags::None => {}
        Tags::Any => {
            let version = current().await?.ok_or_else(mismatch)?;
            return Ok(PutCondition::Version(version));
        }
        Tags::List(list) => {
            let mut versions = list.iter().filter_map(|(weak, tag)| version_of(*weak, tag));
            return match (versions.next(), versions.next()) {
                (None, _) => Err(mismatch()),
                (Some(version), None) => Ok(PutCondition::Version(version)),
                (Some(_), Some(_)) => {
                    let version = current().await?.ok_or_else(mismatch)?;
                    list.iter()
                        .any(|(weak, tag)| version_of(*weak, tag) == Some(version))
                        .then_some(PutCondition::Version(version))
                        .ok_or_else(mismatch)
                }
            };
        }
    }
    match if_none_match {
        Tags::None => Ok(PutCondition::Always),
        Tags::Any => Ok(PutCondition::CreateOnly),
        Tags::List(list) => {
            let there = current().await?;
            let matches = there.is_some_and(|version| {
                list.iter()
                    .any(|(_, tag)| version_of(false, tag) == Some(version))
            });
            if matches {
                Err(Problem::of(
                    "precondition",
                    "the record has a version that If-None-Match excludes",
                ))
            } else {
                Ok(there.map_or(PutCondition::CreateOnly, PutCondition::Version))
            }
        }
    }
}

/// The version that a strong tag names; a weak one never matches a write.
fn version_of(weak: bool, tag: &str) -> Option<Version> {
    if weak {
        return None;
    }
    let digits = tag.strip_prefix('v')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Version)
}
