//! Reads the body of a request: bounded in size and time, JSON unless it plainly says it is something else.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, header};
use http_body_util::BodyExt;

use crate::rest::problem::Problem;
use crate::rest::settings::RestSettings;
use crate::rest::turns::Place;

/// How many times the bound is read and thrown away, so that a client that sends on still reads our 413.
const DRAINED: usize = 8;

/// The whole body, and then the request's turn.
pub(super) async fn read(parts: &Parts, body: Body, settings: &RestSettings) -> Result<Bytes, Problem> {
    check_type(&parts.headers)?;
    let whole = tokio::time::timeout(settings.body_timeout, collect(body, settings.max_body_bytes))
        .await
        .map_err(|_| Problem::of("timeout", "the body took too long to arrive"))??;
    if let Some(place) = parts.extensions.get::<Place>() {
        place.take_turn().await?;
    }
    Ok(whole)
}

async fn collect(mut body: Body, bound: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::of("invalid", "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > bound.saturating_mul(DRAINED) {
            break;
        }
        if length > bound {
            continue;
        }
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if length > bound {
        return Err(Problem::of(
            "too-large",
            format!("the body is larger than {bound} bytes"),
        ));
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(length);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// Refuses what is plainly another format. The original page sends JSON as `text/plain`, others send no type at all.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let not_json = || {
        Problem::of(
            "unsupported-media-type",
            "the Content-Type says that the body is not JSON",
        )
    };
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Problem::of(
            "unsupported-media-type",
            "a body with a Content-Encoding is not read",
        ));
    }
    for value in headers.get_all(header::CONTENT_TYPE) {
        let kind = value.to_str().map_err(|_| not_json())?;
        let kind = kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let other = matches!(
            kind.as_str(),
            "application/x-www-form-urlencoded"
                | "application/xml"
                | "text/xml"
                | "text/html"
                | "text/csv"
                | "application/yaml"
                | "application/cbor"
        ) || kind.ends_with("+xml")
            || ["multipart/", "image/", "audio/", "video/"]
                .iter()
                .any(|start| kind.starts_with(start));
        if other {
            return Err(not_json());
        }
    }
    Ok(())
}
