//! A parcel: one item of the outbox, with all messages of a write, who holds which of them, and which are set aside.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use myevents_core::Result;
use myevents_core::contract::{CONTENT_TYPE_JSON, Envelope, MessageId, MessageName};
use myevents_core::domain::UnixMillis;

use super::error::malformed;
use super::ids::{Place, Row};
use super::item::{
    self, Item, as_map, bytes, get_bytes, get_flag, get_number, get_text, number, opt_bytes, opt_list,
    opt_text, text,
};
use super::names::*;

/// How many bytes of messages go into one item: below the 400 KB of an item, with room for holds and reasons.
pub(super) const MAX_PARCEL_BYTES: usize = 360 * 1024;

/// How long a reason for setting a message aside may be.
const MAX_REASON_BYTES: usize = 2_048;

const MESSAGES: &str = "Messages";
const HOLDS: &str = "Holds";
const TOTAL: &str = "Total";
pub(super) const WRITTEN: &str = "Written";
/// How many messages wait, so that they can be counted without reading them.
pub(super) const WAITING: &str = "Waiting";
pub(super) const PARKED: &str = "Parked";

/// One message in its parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) index: u16,
    pub(super) envelope: Envelope,
    /// Where the previous message of the same record lay, if it was still there when this one was written.
    pub(super) after: Option<Place>,
    /// Why it was set aside.
    pub(super) parked: Option<String>,
    /// It was set aside and let go again: later messages of its record may have been handed out meanwhile.
    pub(super) resent: bool,
}

/// A lease on some messages of a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) token: u128,
    pub(super) until: UnixMillis,
    pub(super) rows: Vec<u16>,
}

/// An item of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) place: Place,
    pub(super) rev: u64,
    pub(super) written: UnixMillis,
    /// How many messages it had when it was written.
    pub(super) total: u16,
    pub(super) entries: Vec<Entry>,
    pub(super) holds: Vec<Hold>,
}

/// What a message takes up in its item, at most a little less.
pub(super) fn weight(envelope: &Envelope) -> usize {
    let headers: usize = envelope
        .headers()
        .iter()
        .map(|(name, value)| name.len() + value.len() + 8)
        .sum();
    envelope.body().len()
        + headers
        + envelope.key().len()
        + envelope.id().as_str().len()
        + envelope.name().as_str().len()
        + envelope.content_type().len()
        + 96
}

/// The key of an item of the outbox.
pub(super) fn parcel_key(place: Place) -> Item {
    Item::from([
        (SHARD.to_owned(), number(place.shard)),
        (ID.to_owned(), bytes(&place.id.to_be_bytes())),
    ])
}

impl Parcel {
    pub(super) fn row(&self, index: u16) -> Row {
        Row {
            place: self.place,
            index,
            total: self.total,
        }
    }

    /// Whether a live lease holds the message.
    pub(super) fn is_held(&self, index: u16, now: UnixMillis) -> bool {
        self.holds
            .iter()
            .any(|hold| hold.until > now && hold.rows.contains(&index))
    }

    /// Whether an unparked message of `entity` is here.
    pub(super) fn waits_for(&self, entity: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.parked.is_none() && entry.envelope.key() == entity)
    }

    /// Where the chain of `entity`'s messages goes on before this parcel.
    pub(super) fn before(&self, entity: &str) -> Option<Place> {
        let mut of_entity = self.entries.iter().filter(|entry| entry.envelope.key() == entity);
        of_entity.find_map(|entry| entry.after)
    }

    /// Takes the message out of every hold.
    pub(super) fn let_go(&mut self, index: u16) {
        for hold in &mut self.holds {
            hold.rows.retain(|row| *row != index);
        }
        self.holds.retain(|hold| !hold.rows.is_empty());
    }

    /// Takes the message out of the hold of `token`; answers whether that held it.
    pub(super) fn let_go_of(&mut self, token: u128, index: u16) -> bool {
        let mut found = false;
        for hold in self.holds.iter_mut().filter(|hold| hold.token == token) {
            let before = hold.rows.len();
            hold.rows.retain(|row| *row != index);
            found |= hold.rows.len() != before;
        }
        self.holds.retain(|hold| !hold.rows.is_empty());
        found
    }

    /// Holds messages under a new lease, whoever held them before.
    pub(super) fn hold(&mut self, token: u128, until: UnixMillis, rows: Vec<u16>) {
        for row in &rows {
            self.let_go(*row);
        }
        if !rows.is_empty() {
            self.holds.push(Hold { token, until, rows });
        }
    }

    fn counts(&self) -> (usize, usize) {
        let parked = self.entries.iter().filter(|entry| entry.parked.is_some()).count();
        (self.entries.len() - parked, parked)
    }

    /// The attributes that a lease changes.
    pub(super) fn holds_value(&self) -> AttributeValue {
        let holds = self.holds.iter().map(|hold| {
            let rows: Vec<u8> = hold.rows.iter().flat_map(|row| row.to_be_bytes()).collect();
            AttributeValue::M(Item::from([
                (TOKEN.to_owned(), bytes(&hold.token.to_be_bytes())),
                (UNTIL.to_owned(), number(hold.until.0)),
                ("Rows".to_owned(), bytes(&rows)),
            ]))
        });
        AttributeValue::L(holds.collect())
    }

    /// All attributes but key and revision.
    pub(super) fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        let (waiting, parked) = self.counts();
        vec![
            (
                MESSAGES,
                AttributeValue::L(self.entries.iter().map(entry_to_value).collect()),
            ),
            (HOLDS, self.holds_value()),
            (TOTAL, number(self.total)),
            (WRITTEN, number(self.written.0)),
            (WAITING, number(waiting)),
            (PARKED, number(parked)),
        ]
    }

    pub(super) fn to_item(&self) -> Item {
        let mut item = parcel_key(self.place);
        for (name, value) in self.attributes() {
            item.insert(name.to_owned(), value);
        }
        item.insert(REV.into(), number(self.rev));
        item
    }

    pub(super) fn from_item(item: &Item) -> Result<Self> {
        let id = get_bytes(item, ID)?
            .try_into()
            .map_err(|_| malformed("the id of an outbox item has not 16 bytes"))?;
        Ok(Self {
            place: Place {
                id: u128::from_be_bytes(id),
                shard: get_number(item, SHARD)?,
            },
            rev: get_number(item, REV)?,
            written: UnixMillis(get_number(item, WRITTEN)?),
            total: get_number(item, TOTAL)?,
            entries: opt_list(item, MESSAGES)?
                .iter()
                .map(|entry| entry_from_map(as_map(entry)?))
                .collect::<Result<_>>()?,
            holds: opt_list(item, HOLDS)?
                .iter()
                .map(|hold| hold_from_map(as_map(hold)?))
                .collect::<Result<_>>()?,
        })
    }
}

pub(super) const HOLDS_ATTRIBUTE: &str = HOLDS;

fn entry_to_value(entry: &Entry) -> AttributeValue {
    let mut map = envelope_to_map(&entry.envelope);
    map.insert("I".into(), number(entry.index));
    item::set(&mut map, "A", entry.after.map(|place| bytes(&place.to_bytes())));
    let reason = entry.parked.as_deref();
    item::set(
        &mut map,
        "P",
        reason.map(|reason| text(item::cut(reason, MAX_REASON_BYTES))),
    );
    item::set(&mut map, "R", entry.resent.then_some(AttributeValue::Bool(true)));
    AttributeValue::M(map)
}

fn entry_from_map(map: &Item) -> Result<Entry> {
    let after = match opt_bytes(map, "A")? {
        None => None,
        Some(bytes) => {
            Some(Place::from_bytes(bytes).ok_or_else(|| malformed("the place of a message is none"))?)
        }
    };
    Ok(Entry {
        index: get_number(map, "I")?,
        envelope: envelope_from_map(map)?,
        after,
        parked: opt_text(map, "P")?.map(str::to_owned),
        resent: get_flag(map, "R")?,
    })
}

fn hold_from_map(map: &Item) -> Result<Hold> {
    let token = get_bytes(map, TOKEN)?
        .try_into()
        .map_err(|_| malformed("the token of a lease has not 16 bytes"))?;
    let rows = get_bytes(map, "Rows")?
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    Ok(Hold {
        token: u128::from_be_bytes(token),
        until: UnixMillis(get_number(map, UNTIL)?),
        rows: rows.collect(),
    })
}

/// An envelope under short names, as every message pays for them.
pub(super) fn envelope_to_map(envelope: &Envelope) -> Item {
    let mut map = Item::from([
        ("K".to_owned(), text(envelope.key())),
        ("M".to_owned(), text(envelope.id().as_str())),
        ("N".to_owned(), text(envelope.name().as_str())),
        ("T".to_owned(), number(envelope.time().0)),
        ("B".to_owned(), bytes(envelope.body())),
    ]);
    if !envelope.headers().is_empty() {
        let headers = envelope
            .headers()
            .iter()
            .map(|(name, value)| (name.clone(), text(value.as_str())));
        map.insert("H".into(), AttributeValue::M(headers.collect()));
    }
    if envelope.content_type() != CONTENT_TYPE_JSON {
        map.insert("C".into(), text(envelope.content_type()));
    }
    map
}

pub(super) fn envelope_from_map(map: &Item) -> Result<Envelope> {
    let headers: BTreeMap<String, String> = match item::opt_map(map, "H")? {
        None => BTreeMap::new(),
        Some(headers) => headers
            .iter()
            .map(|(name, value)| match value {
                AttributeValue::S(value) => Ok((name.clone(), value.clone())),
                _ => Err(malformed("a header of a message is no text")),
            })
            .collect::<Result<_>>()?,
    };
    let id = MessageId::new(get_text(map, "M")?);
    let name = MessageName::from_wire(get_text(map, "N")?);
    Ok(Envelope::builder(id, name, get_text(map, "K")?)
        .time(UnixMillis(get_number(map, "T")?))
        .headers(headers)
        .content_type(opt_text(map, "C")?.unwrap_or(CONTENT_TYPE_JSON))
        .body(Bytes::copy_from_slice(get_bytes(map, "B")?))
        .build())
}

#[cfg(test)]
mod tests {
    use myevents_core::ErrorKind;

    use super::*;

    fn parcel() -> Parcel {
        let entry = |index: u16, key: &str| Entry {
            index,
            envelope: Envelope::builder(
                MessageId::new(&format!("m{index}")),
                MessageName::from_static("event.updated"),
                key,
            )
            .header("traceparent", "00-1-2-01")
            .body("{}")
            .build(),
            after: (index == 1).then_some(Place { id: 4, shard: 2 }),
            parked: (index == 2).then(|| "refused".to_owned()),
            resent: index == 1,
        };
        Parcel {
            place: Place { id: 9, shard: 3 },
            rev: 5,
            written: UnixMillis(77),
            total: 4,
            entries: vec![entry(0, "a"), entry(1, "b"), entry(2, "c")],
            holds: vec![Hold {
                token: 1,
                until: UnixMillis(100),
                rows: vec![0, 1],
            }],
        }
    }

    #[test]
    fn it_reads_back() {
        let parcel = parcel();
        let item = parcel.to_item();
        assert_eq!(Parcel::from_item(&item).unwrap(), parcel);
        assert_eq!(get_number::<u64>(&item, WAITING).unwrap(), 2);
        assert_eq!(get_number::<u64>(&item, PARKED).unwrap(), 1);
        for broken in [MESSAGES, HOLDS, REV, ID] {
            let mut item = item.clone();
            item.insert(broken.to_owned(), AttributeValue::Bool(true));
            assert_eq!(Parcel::from_item(&item).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }

    #[test]
    fn holds_end_by_time_and_by_token() {
        let mut parcel = parcel();
        assert!(parcel.is_held(0, UnixMillis(99)) && !parcel.is_held(0, UnixMillis(100)));
        assert!(!parcel.let_go_of(2, 0) && parcel.let_go_of(1, 0));
        assert!(!parcel.is_held(0, UnixMillis(1)) && parcel.is_held(1, UnixMillis(1)));
        parcel.hold(7, UnixMillis(500), vec![1]);
        assert_eq!(parcel.holds.len(), 1);
        assert!(!parcel.let_go_of(1, 1));
    }

    #[test]
    fn parked_messages_do_not_wait() {
        let parcel = parcel();
        assert!(parcel.waits_for("b") && !parcel.waits_for("c") && !parcel.waits_for("d"));
        assert_eq!(parcel.before("b"), Some(Place { id: 4, shard: 2 }));
    }
}
