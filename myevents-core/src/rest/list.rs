//! What lists share: query parameters, cursors, and the link to the next page.

use data_encoding::BASE64URL_NOPAD;
use http::HeaderValue;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::domain::{
    AuditId, BookingId, EventId, Fingerprint, Id, LocationId, Text, UnixMillis, UnixSeconds,
};
use crate::ports::{AuditCursor, BookingCursor, EventCursor};
use crate::rest::answer;
use crate::rest::problem::Problem;

/// The most records of one page, and what a list without `limit` has.
const MAX_LIMIT: usize = 1_000;

/// Left as they are in the value of a query parameter.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::of("invalid", detail)
}

/// The query parameters that a route knows; others are ignored.
#[derive(Debug)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    pub(super) fn read(parts: &Parts, known: &[&'static str]) -> Result<Self, Problem> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for pair in parts.uri.query().unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = known.iter().find(|known| **known == name) else {
                continue;
            };
            if found.iter().any(|(there, _)| there == name) {
                return Err(invalid(format!("the parameter {name} is given twice")));
            }
            let value = value.replace('+', " ");
            let value = percent_decode_str(&value)
                .decode_utf8()
                .map_err(|_| invalid(format!("the parameter {name} is not UTF-8")))?;
            found.push((name, value.into_owned()));
        }
        Ok(Self(found))
    }

    /// The value of a parameter; an empty one is as good as none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// The value of a parameter, empty or not.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(there, _)| *there == name)
            .map(|(_, value)| value.as_str())
    }

    /// How many records a page has.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(MAX_LIMIT);
        };
        match text.parse::<usize>() {
            Ok(limit) if limit > 0 => Ok(limit.min(MAX_LIMIT)),
            // A number with more digits than fit is more than the most.
            Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(MAX_LIMIT),
            _ => Err(invalid("the parameter limit is not a whole number from 1")),
        }
    }

    pub(super) fn date(&self, name: &'static str) -> Result<Option<UnixSeconds>, Problem> {
        self.get(name)
            .map(|text| {
                text.parse::<i64>()
                    .ok()
                    .and_then(|seconds| UnixSeconds::parse(name, seconds).ok())
                    .ok_or_else(|| {
                        invalid(format!(
                            "the parameter {name} is not a number of Unix seconds from 0 to {}",
                            UnixSeconds::MAX.get()
                        ))
                    })
            })
            .transpose()
    }

    pub(super) fn id(&self, name: &'static str) -> Result<Option<Id>, Problem> {
        let parse = |text| {
            Id::parse(text).map_err(|_| {
                invalid(format!(
                    "the parameter {name} is not an even number of 2 to 128 hex digits"
                ))
            })
        };
        self.get(name).map(parse).transpose()
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, Problem> {
        self.get(name)
            .map(|text| {
                Text::parse(name, text)
                    .map(|text| text.as_str().to_owned())
                    .map_err(|error| invalid(error.message().to_owned()))
            })
            .transpose()
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(invalid(format!("the parameter {name} is neither true nor false"))),
        }
    }

    /// What a cursor of this list is bound to: the route and every filter, but neither page size nor position.
    pub(super) fn filters(&self, route: &str) -> Fingerprint {
        let mut named: Vec<_> = self
            .0
            .iter()
            .filter(|(name, value)| !matches!(*name, "limit" | "cursor") && !value.is_empty())
            .collect();
        named.sort();
        let mut builder = Fingerprint::of(route);
        for (name, value) in named {
            builder = builder.field(name.as_bytes()).field(value.as_bytes());
        }
        builder.finish()
    }

    /// `Link: <…>; rel="next"`, the same list from `cursor` on.
    pub(super) fn next_link(&self, path: &str, cursor: &str) -> HeaderValue {
        let mut link = format!("<{path}?");
        for (name, value) in self.0.iter().filter(|(name, _)| *name != "cursor") {
            link.push_str(&format!("{name}={}&", utf8_percent_encode(value, VALUE)));
        }
        link.push_str(&format!("cursor={cursor}>; rel=\"next\""));
        answer::text(link)
    }
}

/// A position that goes into a cursor.
pub(super) trait Position: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

fn dated(date: UnixSeconds, id: &[u8]) -> Vec<u8> {
    [&date.get().to_be_bytes()[..], id].concat()
}

fn split(bytes: &[u8]) -> Option<(UnixSeconds, &[u8])> {
    let (date, id) = bytes.split_first_chunk::<8>()?;
    Some((UnixSeconds::parse("date", i64::from_be_bytes(*date)).ok()?, id))
}

impl Position for EventCursor {
    fn to_bytes(&self) -> Vec<u8> {
        dated(self.start, self.id.as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (start, id) = split(bytes)?;
        Some(Self {
            start,
            id: EventId::from_bytes(id).ok()?,
        })
    }
}

impl Position for BookingCursor {
    fn to_bytes(&self) -> Vec<u8> {
        dated(self.date, self.id.as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (date, id) = split(bytes)?;
        Some(Self {
            date,
            id: BookingId::from_bytes(id).ok()?,
        })
    }
}

impl Position for AuditCursor {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.time.0.to_be_bytes()[..], self.id.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, id) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            time: UnixMillis(i64::from_be_bytes(*time)),
            id: AuditId::from_bytes(id).ok()?,
        })
    }
}

impl Position for LocationId {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes).ok()
    }
}

/// The bytes that tell a cursor of this list at this position from any other text.
fn seal(filters: &Fingerprint, position: &[u8]) -> [u8; 8] {
    let sealed = Fingerprint::of("cursor")
        .field(filters.as_bytes())
        .field(position)
        .finish();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&sealed.as_bytes()[..8]);
    bytes
}

pub(super) fn write_cursor(filters: &Fingerprint, position: &impl Position) -> String {
    let position = position.to_bytes();
    BASE64URL_NOPAD.encode(&[&seal(filters, &position)[..], &position].concat())
}

/// Reads the `cursor` parameter: one of another list, with other filters, or broken is refused.
pub(super) fn read_cursor<P: Position>(query: &Query, filters: &Fingerprint) -> Result<Option<P>, Problem> {
    let Some(text) = query.get("cursor") else {
        return Ok(None);
    };
    let read = || {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (sealed, position) = bytes.split_first_chunk::<8>()?;
        if *sealed != seal(filters, position) {
            return None;
        }
        P::from_bytes(position)
    };
    read()
        .map(Some)
        .ok_or_else(|| invalid("the cursor is broken or belongs to another list"))
}
