//! Targets of `fuzz/`: bodies, queries, cursors, ids, and what else comes with a request. No part of the interface.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method, Request, header};

use super::admission::{ForwardedHeader, TrustedProxies};
use super::api_keys::ApiKeySecret;
use super::list::{self, Position, Query};
use super::{head, lenient};
use crate::contract::EventWire;
use crate::domain::{BookingId, EventId, Id, LocationId, UserId};
use crate::error::Result;
use crate::fuzzing::{Input, is_refusal};
use crate::ports::{BookingCursor, EventCursor};
use crate::service::{Caller, IdempotencyKey};

fn fair<T>(read: Result<T>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            is_refusal(&error);
            None
        }
    }
}

/// Bodies of requests; the first byte says of which kind.
///
/// # Panics
/// When a promise is broken.
pub fn bodies(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => drop(fair(lenient::booking(input.rest(), EventId::from([1; 12])))),
        1 => {
            if let Some(draft) = fair(lenient::event(input.rest())) {
                assert!(!draft.name.as_str().trim().is_empty());
            }
        }
        2 => drop(fair(lenient::location(input.rest()))),
        _ => drop(fair(lenient::user(input.rest()))),
    }
    // What we answer, we read.
    if let Ok(event) = serde_json::from_slice::<EventWire>(&data[1.min(data.len())..])
        && let Ok(again) = serde_json::to_vec(&event)
    {
        drop(fair(lenient::event(&again)));
    }
}

fn id_comes_back(text: &str) {
    let Some(id) = fair(Id::parse(text)) else {
        assert!(EventId::parse(text).is_err() && BookingId::parse(text).is_err());
        return;
    };
    let shown = id.to_string();
    assert_eq!(shown, text.to_ascii_lowercase());
    assert_eq!(Id::parse(&shown).ok().as_ref(), Some(&id));
    assert_eq!(Id::from_bytes(id.as_bytes()).ok(), Some(id));
    assert!(UserId::parse(text).is_ok() && LocationId::parse(text).is_ok());
}

fn cursor_comes_back<P: Position>(query: &Query, position: &[u8]) {
    let filters = query.filters("GET /list");
    if let Ok(Some(read)) = list::read_cursor::<P>(query, &filters) {
        let written = list::write_cursor(&filters, &read);
        assert_eq!(query.get("cursor"), Some(written.as_str()));
    }
    let Some(position) = P::from_bytes(position) else {
        return;
    };
    let written = list::write_cursor(&filters, &position);
    let asked = query_of(&format!("cursor={written}"));
    let Some(asked) = asked else {
        panic!("a cursor is text of a query")
    };
    // It is bound to its filters.
    let read = list::read_cursor::<P>(&asked, &filters);
    assert_eq!(
        read.ok().flatten().map(|read| read.to_bytes()),
        Some(position.to_bytes())
    );
    let others = query.filters("GET /other");
    assert!(list::read_cursor::<P>(&asked, &others).is_err());
}

fn query_of(text: &str) -> Option<Query> {
    let request = Request::builder().uri(format!("/list?{text}")).body(()).ok()?;
    let (parts, ()) = request.into_parts();
    let known = ["limit", "cursor", "q", "state", "from", "to", "cancelled", "ids"];
    Query::read(&parts, &known).ok()
}

/// Queries with their cursors, and ids: a position, then the text.
///
/// # Panics
/// When a promise is broken.
pub fn queries(data: &[u8]) {
    let mut input = Input::new(data);
    let position = input.bytes();
    let Ok(text) = std::str::from_utf8(input.rest()) else {
        return;
    };
    id_comes_back(text);
    let Some(query) = query_of(text) else { return };
    if let Ok(limit) = query.limit() {
        assert!((1..=1_000).contains(&limit));
    }
    let (_, _) = (query.date("from"), query.date("to"));
    let (_, _) = (query.text("q"), query.flag("cancelled"));
    cursor_comes_back::<EventCursor>(&query, position);
    cursor_comes_back::<BookingCursor>(&query, position);
    cursor_comes_back::<LocationId>(&query, position);
    // The link to the next page asks the same.
    let link = query.next_link("/list", "c");
    let shown = link.to_str().unwrap_or_default();
    let next = shown
        .strip_prefix("</list?")
        .and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    let next = next.and_then(query_of);
    let same = next.map(|next| next.filters("x") == query.filters("x"));
    assert_eq!(same, Some(true), "{shown}");
}

/// Headers: entity tags, traces, keys, addresses of proxies. A byte for the kind, then the value.
///
/// # Panics
/// When a promise is broken.
pub fn headers(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let Ok(value) = HeaderValue::from_bytes(input.rest()) else {
        return;
    };
    let mut headers = HeaderMap::new();
    match kind % 5 {
        0 => {
            headers.insert("traceparent", value);
            assert!(head::traceparent(&headers).is_none_or(|trace| trace.len() == 55));
        }
        1 => {
            headers.insert(header::IF_NONE_MATCH, value);
            let request = Request::builder().method(Method::GET).body(());
            if let Ok(request) = request {
                let (mut parts, ()) = request.into_parts();
                parts.headers = headers;
                let _said = head::not_modified(&parts, &HeaderValue::from_static("\"v1\""));
            }
        }
        2 => {
            let text = value.to_str().unwrap_or_default();
            if let Some(key) = fair(IdempotencyKey::parse(text, &Caller::Anonymous)) {
                assert!((16..=255).contains(&key.as_str().len()));
            }
        }
        3 => {
            let peer = IpAddr::from([10, 0, 0, 1]);
            for (name, kind) in [
                ("x-forwarded-for", ForwardedHeader::XForwardedFor),
                ("forwarded", ForwardedHeader::Forwarded),
            ] {
                if let Some(proxies) = fair(TrustedProxies::parse(["10.0.0.0/8"], kind)) {
                    let mut headers = HeaderMap::new();
                    headers.insert(name, value.clone());
                    let _client = proxies.client(peer, &headers);
                }
            }
        }
        _ => {
            let text = value.to_str().unwrap_or_default();
            let words: Vec<&str> = text.split(',').collect();
            drop(fair(TrustedProxies::parse(words, ForwardedHeader::Forwarded)));
            if let Some(secret) = ApiKeySecret::parse(text) {
                assert_eq!(secret.reveal(), text);
            }
        }
    }
}
