//! A message as an element of its record's list `outbox`, and the names of rows.
//!
//! ```text
//! { id, name, key, time, headers?, type?, body,      the envelope
//!   n,                                               its place: the order of writes, whole store
//!   until, token? }                                  0 = free, else held under the token until then
//! { …, n, parked: n, reason }                        set aside for people
//! ```
//!
//! `until` is there exactly while the message is neither parked nor confirmed, so its absence in all of a record's
//! messages says that nothing waits.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mongodb::bson::{Bson, Document, doc};
use myevents_core::Result;
use myevents_core::contract::{CONTENT_TYPE_JSON, Envelope, MessageId, MessageName};
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{ClaimToken, OutboxRow, RowId};

use super::codec::{Fields, binary, id};

/// The collections whose records hold messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Events,
    Locations,
    Bookings,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Events, Self::Locations, Self::Bookings];

    fn letter(self) -> char {
        match self {
            Self::Events => 'e',
            Self::Locations => 'l',
            Self::Bookings => 'b',
        }
    }

    fn of_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.letter() == letter)
    }
}

/// Where a message is: which record holds it, and which of its messages it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) record: Vec<u8>,
    pub(super) n: i64,
}

impl Place {
    /// Padded, so that row ids sort by age as text too.
    pub(super) fn row_id(&self) -> RowId {
        use std::fmt::Write as _;
        let mut text = format!("{:016x}{}", self.n, self.kind.letter());
        for byte in &self.record {
            // Writing into a string can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        RowId(Arc::from(text))
    }

    /// A row id that is none of ours names no place.
    pub(super) fn of_row(row: &RowId) -> Option<Self> {
        let text = &row.0;
        let n = i64::from_str_radix(text.get(..16)?, 16).ok()?;
        let kind = Kind::of_letter(text.get(16..17)?.chars().next()?)?;
        let digits = text.get(17..)?;
        if digits.is_empty() || digits.len() % 2 != 0 {
            return None;
        }
        let record = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
            .collect::<Option<Vec<u8>>>()?;
        Some(Self { kind, record, n })
    }

    pub(super) fn record_id(&self) -> Bson {
        id(&self.record)
    }
}

/// This opening of the store: which leases are its own, and the last place it gave out.
#[derive(Debug)]
pub(super) struct Instance {
    id: u64,
    tokens: AtomicU64,
    last: AtomicI64,
    lease: Option<Duration>,
}

/// The hold under which messages are born.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) token: ClaimToken,
    pub(super) until: UnixMillis,
}

impl Instance {
    pub(super) fn new(lease: Option<Duration>) -> Self {
        Self {
            id: rand::random(),
            tokens: AtomicU64::new(0),
            last: AtomicI64::new(0),
            lease,
        }
    }

    /// The first half of a token names the instance, so that its leases can be found again.
    pub(super) fn new_token(&self) -> ClaimToken {
        let count = self.tokens.fetch_add(1, Ordering::Relaxed) + 1;
        ClaimToken((u128::from(self.id) << 64) | u128::from(count))
    }

    /// The first and the last token of this instance, as texts.
    pub(super) fn tokens(&self) -> (String, String) {
        let first = u128::from(self.id) << 64;
        (
            token_text(ClaimToken(first)),
            token_text(ClaimToken(first | u128::from(u64::MAX))),
        )
    }

    pub(super) fn is_own(&self, token: ClaimToken) -> bool {
        (token.0 >> 64) as u64 == self.id
    }

    /// A new lease for messages of a write; none where messages are born free.
    pub(super) fn new_lease(&self, now: UnixMillis) -> Option<Lease> {
        self.lease.map(|lease| Lease {
            token: self.new_token(),
            until: now.plus(lease),
        })
    }

    /// The place of the next message: after every earlier one of this instance, and by time among those of others. The
    /// low bits are random, so that two instances hardly ever give out the same place.
    pub(super) fn next_place(&self, now: UnixMillis) -> i64 {
        let by_time = (now.0 << 20) | i64::from(rand::random::<u32>() & 0xf_ffff);
        let next = |last: i64| Some(by_time.max(last + 1));
        match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(last) | Err(last) => by_time.max(last + 1),
        }
    }
}

/// When a message at this place was written.
pub(super) fn written(n: i64) -> UnixMillis {
    UnixMillis(n >> 20)
}

/// A token as text: fixed width, so that the tokens of one instance are a range.
pub(super) fn token_text(token: ClaimToken) -> String {
    format!("{:032x}", token.0)
}

pub(super) fn token_of(text: &str) -> Option<ClaimToken> {
    u128::from_str_radix(text, 16).ok().map(ClaimToken)
}

/// A message on its way into a record.
#[derive(Debug, Clone)]
pub(super) struct NewMessage {
    pub(super) envelope: Envelope,
    pub(super) n: i64,
}

impl NewMessage {
    pub(super) fn new(envelope: Envelope, instance: &Instance, now: UnixMillis) -> Self {
        Self {
            envelope,
            n: instance.next_place(now),
        }
    }

    /// The element of the list, held under `lease` or free.
    pub(super) fn document(&self, lease: Option<Lease>) -> Document {
        let envelope = &self.envelope;
        let mut document = doc! {
            "id": envelope.id().as_str(),
            "name": envelope.name().as_str(),
            "key": envelope.key(),
            "time": envelope.time().0,
        };
        if !envelope.headers().is_empty() {
            // Names of headers may hold what names of fields may not.
            let pairs = envelope.headers().iter();
            let flat: Vec<Bson> = pairs
                .flat_map(|(name, value)| [name.as_str().into(), value.as_str().into()])
                .collect();
            document.insert("headers", flat);
        }
        if envelope.content_type() != CONTENT_TYPE_JSON {
            document.insert("type", envelope.content_type());
        }
        document.insert("body", binary(envelope.body()));
        document.insert("n", self.n);
        match lease {
            Some(lease) => {
                document.insert("until", lease.until.0);
                document.insert("token", token_text(lease.token));
            }
            None => {
                document.insert("until", 0_i64);
            }
        }
        document
    }

    /// The row that its writer may hand over, if it was born under `lease`.
    pub(super) fn row(&self, kind: Kind, record: &[u8], lease: Lease) -> OutboxRow {
        let place = Place {
            kind,
            record: record.to_vec(),
            n: self.n,
        };
        OutboxRow {
            id: place.row_id(),
            token: lease.token,
            envelope: self.envelope.clone(),
        }
    }
}

/// The messages of one write as elements: the first of each key under `lease`, any second of a key free behind it.
pub(super) fn elements(messages: &[NewMessage], lease: Option<Lease>) -> Vec<Bson> {
    leases(messages, lease)
        .into_iter()
        .zip(messages)
        .map(|(lease, message)| Bson::Document(message.document(lease)))
        .collect()
}

/// Which messages of a write are born under `lease`.
pub(super) fn leases(messages: &[NewMessage], lease: Option<Lease>) -> Vec<Option<Lease>> {
    let mut keys = HashSet::new();
    messages
        .iter()
        .map(|message| {
            let key = message.envelope.key();
            lease.filter(|_| key.is_empty() || keys.insert(key))
        })
        .collect()
}

/// Reads the envelope of an element.
pub(super) fn envelope_of(element: Fields<'_>) -> Result<Envelope> {
    let flat = element.strs("headers")?;
    let headers: BTreeMap<String, String> = flat
        .chunks_exact(2)
        .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
        .collect();
    let message = MessageId::new(element.need_str("id")?);
    let name = MessageName::from_wire(element.need_str("name")?);
    Ok(
        Envelope::builder(message, name, element.str("key")?.unwrap_or_default())
            .time(UnixMillis(element.int("time")?.unwrap_or_default()))
            .headers(headers)
            .content_type(element.str("type")?.unwrap_or(CONTENT_TYPE_JSON))
            .body(Bytes::copy_from_slice(element.bytes("body")?.unwrap_or_default()))
            .build(),
    )
}

/// The row of an element of a record, held under `token`.
pub(super) fn row_of(
    kind: Kind,
    record: Fields<'_>,
    element: Fields<'_>,
    token: ClaimToken,
) -> Result<OutboxRow> {
    let place = Place {
        kind,
        record: record.need_id("_id")?.as_slice().to_vec(),
        n: element.need_int("n")?,
    };
    Ok(OutboxRow {
        id: place.row_id(),
        token,
        envelope: envelope_of(element)?,
    })
}

/// The rows of a record that `held` wants, by their tokens, in the order of its writes.
pub(super) fn held_rows(
    kind: Kind,
    record: Fields<'_>,
    held: impl Fn(ClaimToken, UnixMillis) -> bool,
) -> Result<Vec<OutboxRow>> {
    let mut rows = Vec::new();
    for element in record.documents("outbox")? {
        let (Some(token), Some(until)) = (element.str("token")?.and_then(token_of), element.int("until")?)
        else {
            continue;
        };
        if held(token, UnixMillis(until)) {
            rows.push(row_of(kind, record, element, token)?);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_id_names_its_place_and_nothing_else_does() {
        for kind in Kind::ALL {
            let place = Place {
                kind,
                record: vec![0, 255, 16],
                n: 77,
            };
            assert_eq!(Place::of_row(&place.row_id()), Some(place));
        }
        for text in [
            "",
            "7",
            "000000000000004dx00",
            "000000000000004de",
            "000000000000004de0",
            "é00000000000004de00",
        ] {
            assert_eq!(Place::of_row(&RowId(Arc::from(text))), None, "{text}");
        }
    }

    #[test]
    fn places_rise_whatever_the_clock_does() {
        let instance = Instance::new(None);
        let mut last = i64::MIN;
        for now in [1_000, 1_000, 5, 2_000] {
            let next = instance.next_place(UnixMillis(now));
            assert!(next > last);
            last = next;
        }
        assert_eq!(written(last), UnixMillis(2_000));
    }

    #[test]
    fn tokens_of_an_instance_are_a_range_of_texts() {
        let (one, other) = (Instance::new(None), Instance::new(None));
        let (first, last) = one.tokens();
        let within = |token| (first.as_str()..=last.as_str()).contains(&token_text(token).as_str());
        assert!(within(one.new_token()) && !within(other.new_token()));
        assert!(one.is_own(one.new_token()) && !one.is_own(other.new_token()));
    }
}
