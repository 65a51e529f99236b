//! Makes answers: JSON written once into one buffer, entity tags, links.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::domain::Version;
use crate::rest::problem::Problem;

/// What a handler answers.
pub(super) type Answer = Result<Response, Problem>;

/// `Idempotency-Replayed`: the record was made by an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

pub(super) fn bytes(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Bytes, Problem> {
    let mut buffer = Vec::with_capacity(512);
    serde_json::to_writer(&mut buffer, value).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(buffer.into())
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    Ok(bytes(status, to_json(value)?))
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(super) fn etag_of(version: Version) -> HeaderValue {
    text(format!("\"{version}\""))
}

/// A header of text that we made ourselves; what no header may hold is left out.
pub(super) fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

pub(super) trait ResponseExt: Sized {
    fn with(self, name: HeaderName, value: HeaderValue) -> Self;

    fn with_etag(self, version: Version) -> Self {
        self.with(header::ETAG, etag_of(version))
    }

    fn with_location(self, path: String) -> Self {
        self.with(header::LOCATION, text(path))
    }

    fn replayed(self, replayed: bool) -> Self {
        if replayed {
            self.with(REPLAYED, HeaderValue::from_static("true"))
        } else {
            self
        }
    }
}

impl ResponseExt for Response {
    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers_mut().insert(name, value);
        self
    }
}
