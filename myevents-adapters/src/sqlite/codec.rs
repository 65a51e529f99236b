//! Records as rows: the JSON of events and locations, and reading columns without trusting them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use myevents_core::Result;
use myevents_core::contract::{CONTENT_TYPE_JSON, Envelope, MessageId, MessageName};
use myevents_core::domain::{
    Booking, BookingId, BookingState, Event, EventId, EventRecord, Fingerprint, Hall, HourOfDay, Location,
    LocationId, LocationRecord, Minutes, Name, Person, PersonLimits, Seats, Text, TimeZoneName, UnixMillis,
    UnixSeconds, User, UserId, UserRecord, Version,
};
use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::{Deserialize, Serialize};

use super::error::{fault, malformed};

/// Between the parts of a search column; text never holds it.
const SEPARATOR: char = '\u{1f}';

#[derive(Serialize, Deserialize)]
struct StoredEvent<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    duration: u32,
    start: i64,
    end: i64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    location: Option<StoredLocation<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hall_names: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sales_start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sales_end: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_seats: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person_seats: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person_bookings: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct StoredLocation<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    address: Cow<'a, str>,
    #[serde(borrow)]
    country: Cow<'a, str>,
    open: u8,
    close: u8,
    #[serde(borrow, default)]
    halls: Vec<StoredHall<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct StoredHall<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    location: Cow<'a, str>,
    capacity: u32,
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    // Only maps with keys that are no text, or a failing writer, can fail; there is neither.
    serde_json::to_vec(value).unwrap_or_default()
}

fn location_to_stored(location: &Location) -> StoredLocation<'_> {
    StoredLocation {
        id: location.id.to_string().into(),
        name: location.name.as_str().into(),
        address: location.address.as_str().into(),
        country: location.country.as_str().into(),
        open: location.open_time.get(),
        close: location.close_time.get(),
        halls: location
            .halls
            .iter()
            .map(|hall| StoredHall {
                name: hall.name.as_str().into(),
                location: hall.location.as_str().into(),
                capacity: hall.capacity,
            })
            .collect(),
        time_zone: location.time_zone.as_ref().map(|zone| zone.as_str().into()),
    }
}

fn location_from_stored(stored: &StoredLocation<'_>) -> Result<Location> {
    Ok(Location {
        id: LocationId::parse(&stored.id).map_err(|_| malformed("the id of a location is not an id"))?,
        name: Text::from_stored(&stored.name),
        address: Text::from_stored(&stored.address),
        country: Text::from_stored(&stored.country),
        open_time: HourOfDay::from_stored(stored.open.into()),
        close_time: HourOfDay::from_stored(stored.close.into()),
        halls: stored
            .halls
            .iter()
            .map(|hall| Hall {
                name: Text::from_stored(&hall.name),
                location: Text::from_stored(&hall.location),
                capacity: hall.capacity,
            })
            .collect(),
        time_zone: stored.time_zone.as_deref().map(TimeZoneName::from_stored),
    })
}

/// The JSON of an event: everything that has no column of its own.
pub(super) fn event_to_body(event: &Event) -> Vec<u8> {
    to_json(&StoredEvent {
        name: event.name.as_str().into(),
        duration: event.duration.get(),
        start: event.start.get(),
        end: event.end.get(),
        location: event.location.as_ref().map(location_to_stored),
        hall_names: event.hall_names.iter().map(|name| name.as_str().into()).collect(),
        sales_start: event.sales_start.map(UnixSeconds::get),
        sales_end: event.sales_end.map(UnixSeconds::get),
        max_seats: event.max_seats_per_booking,
        person_seats: event.person_limits.seats,
        person_bookings: event.person_limits.bookings,
    })
}

/// The columns every query of events reads, in the order [`event_from_row`] expects.
pub(super) const EVENT_COLUMNS: &str = "id, version, cancelled, awaiting, owner, fingerprint, body";

pub(super) fn event_from_row(row: &Row<'_>) -> Result<EventRecord> {
    let body = blob(row, 6)?;
    let stored: StoredEvent<'_> = serde_json::from_slice(body)
        .map_err(|error| malformed("an event can't be decoded").caused_by(error))?;
    Ok(EventRecord {
        event: Event {
            id: event_id(row, 0)?,
            name: Name::from_stored(&stored.name),
            duration: Minutes::from_stored(stored.duration.into()),
            start: UnixSeconds::from_stored(stored.start),
            end: UnixSeconds::from_stored(stored.end),
            location: stored.location.as_ref().map(location_from_stored).transpose()?,
            hall_names: stored
                .hall_names
                .iter()
                .map(|name| Text::from_stored(name))
                .collect(),
            sales_start: stored.sales_start.map(UnixSeconds::from_stored),
            sales_end: stored.sales_end.map(UnixSeconds::from_stored),
            max_seats_per_booking: stored.max_seats,
            person_limits: PersonLimits {
                seats: stored.person_seats,
                bookings: stored.person_bookings,
            },
            cancelled: int(row, 2)? != 0,
        },
        version: version(row, 1)?,
        awaiting_location: optional_text(row, 3)?.map(Text::from_stored),
        owner: optional_text(row, 4)?.map(Text::from_stored),
        fingerprint: Fingerprint::from_stored(blob(row, 5)?)?,
    })
}

/// What text filters look into: the lower-cased name, the location's name and its address.
pub(super) fn event_search(event: &Event) -> String {
    let location = event.location.as_ref();
    let mut search = String::new();
    for part in [
        event.name.as_str(),
        location.map_or("", |location| location.name.as_str()),
        location.map_or("", |location| location.address.as_str()),
    ] {
        search.extend(part.to_lowercase().chars().filter(|c| *c != SEPARATOR));
        search.push(SEPARATOR);
    }
    search
}

pub(super) fn location_to_body(location: &Location) -> Vec<u8> {
    to_json(&location_to_stored(location))
}

/// The columns every query of locations reads, in the order [`location_from_row`] expects.
pub(super) const LOCATION_COLUMNS: &str = "version, deleted, owner, fingerprint, body";

pub(super) fn location_from_row(row: &Row<'_>) -> Result<LocationRecord> {
    let stored: StoredLocation<'_> = serde_json::from_slice(blob(row, 4)?)
        .map_err(|error| malformed("a location can't be decoded").caused_by(error))?;
    Ok(LocationRecord {
        location: location_from_stored(&stored)?,
        version: version(row, 0)?,
        deleted: int(row, 1)? != 0,
        owner: optional_text(row, 2)?.map(Text::from_stored),
        fingerprint: Fingerprint::from_stored(blob(row, 3)?)?,
    })
}

/// The columns every query of users reads, in the order [`user_from_row`] expects.
pub(super) const USER_COLUMNS: &str = "id, first, last, age, fingerprint";

pub(super) fn user_from_row(row: &Row<'_>) -> Result<UserRecord> {
    Ok(UserRecord {
        user: User {
            id: UserId::from_bytes(blob(row, 0)?).map_err(|_| malformed("the id of a user is not an id"))?,
            first: Text::from_stored(text(row, 1)?),
            last: Text::from_stored(text(row, 2)?),
            age: myevents_core::domain::Age::from_stored(int(row, 3)?),
        },
        fingerprint: Fingerprint::from_stored(blob(row, 4)?)?,
    })
}

/// The columns every query of bookings reads, in the order [`booking_from_row`] expects.
pub(super) const BOOKING_COLUMNS: &str =
    "id, event, user, name, email, seats, date, state, version, fingerprint, person";

pub(super) fn booking_from_row(row: &Row<'_>) -> Result<Booking> {
    let user = match optional_blob(row, 2)? {
        Some(bytes) => {
            Some(UserId::from_bytes(bytes).map_err(|_| malformed("the id of a user is not an id"))?)
        }
        None => None,
    };
    Ok(Booking {
        id: BookingId::from_bytes(blob(row, 0)?)
            .map_err(|_| malformed("the id of a booking is not an id"))?,
        event: event_id(row, 1)?,
        user,
        name: optional_text(row, 3)?.map(Text::from_stored),
        email: optional_text(row, 4)?.map(Text::from_stored),
        seats: Seats::from_stored(int(row, 5)?),
        date: UnixSeconds::from_stored(int(row, 6)?),
        state: BookingState::from(text(row, 7)?),
        version: version(row, 8)?,
        fingerprint: Fingerprint::from_stored(blob(row, 9)?)?,
        person: optional_text(row, 10)?.map(|person| Person::new(Text::from_stored(person))),
    })
}

/// The columns of an envelope, in the order [`envelope_from_row`] expects.
pub(super) const ENVELOPE_COLUMNS: &str = "entity, message, name, time, headers, content_type, body";

/// Reads an envelope from the columns from `at` on.
pub(super) fn envelope_from_row(row: &Row<'_>, at: usize) -> Result<Envelope> {
    let headers: BTreeMap<String, String> = match optional_text(row, at + 4)? {
        Some(json) => serde_json::from_str(json)
            .map_err(|error| malformed("the headers of a message can't be decoded").caused_by(error))?,
        None => BTreeMap::new(),
    };
    let id = MessageId::new(text(row, at + 1)?);
    let name = MessageName::from_wire(text(row, at + 2)?);
    Ok(Envelope::builder(id, name, text(row, at)?)
        .time(UnixMillis(int(row, at + 3)?))
        .headers(headers)
        .content_type(optional_text(row, at + 5)?.unwrap_or(CONTENT_TYPE_JSON))
        .body(Bytes::copy_from_slice(blob(row, at + 6)?))
        .build())
}

/// Headers as JSON; none at all is NULL.
pub(super) fn headers_to_text(headers: &BTreeMap<String, String>) -> Option<String> {
    (!headers.is_empty()).then(|| serde_json::to_string(headers).unwrap_or_default())
}

/// The media type; the usual one is NULL.
pub(super) fn content_type_to_text(content_type: &str) -> Option<&str> {
    (content_type != CONTENT_TYPE_JSON).then_some(content_type)
}

fn value<'r>(row: &'r Row<'_>, index: usize) -> Result<ValueRef<'r>> {
    row.get_ref(index).map_err(|source| fault("read record", source))
}

pub(super) fn int(row: &Row<'_>, index: usize) -> Result<i64> {
    match value(row, index)? {
        ValueRef::Integer(number) => Ok(number),
        _ => Err(malformed("a column that holds a number holds something else")),
    }
}

pub(super) fn optional_int(row: &Row<'_>, index: usize) -> Result<Option<i64>> {
    match value(row, index)? {
        ValueRef::Null => Ok(None),
        _ => int(row, index).map(Some),
    }
}

/// A version. SQLite's numbers have a sign; a version above 2⁶³ is none of ours.
fn version(row: &Row<'_>, index: usize) -> Result<Version> {
    u64::try_from(int(row, index)?)
        .map(Version)
        .map_err(|_| malformed("a version is negative"))
}

pub(super) fn version_to_int(version: Version) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
}

pub(super) fn blob<'r>(row: &'r Row<'_>, index: usize) -> Result<&'r [u8]> {
    match value(row, index)? {
        ValueRef::Blob(bytes) => Ok(bytes),
        _ => Err(malformed("a column that holds bytes holds something else")),
    }
}

pub(super) fn optional_blob<'r>(row: &'r Row<'_>, index: usize) -> Result<Option<&'r [u8]>> {
    match value(row, index)? {
        ValueRef::Null => Ok(None),
        _ => blob(row, index).map(Some),
    }
}

pub(super) fn text<'r>(row: &'r Row<'_>, index: usize) -> Result<&'r str> {
    match value(row, index)? {
        ValueRef::Text(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| malformed("a column that holds text is not UTF-8"))
        }
        _ => Err(malformed("a column that holds text holds something else")),
    }
}

pub(super) fn optional_text<'r>(row: &'r Row<'_>, index: usize) -> Result<Option<&'r str>> {
    match value(row, index)? {
        ValueRef::Null => Ok(None),
        _ => text(row, index).map(Some),
    }
}

pub(super) fn event_id(row: &Row<'_>, index: usize) -> Result<EventId> {
    EventId::from_bytes(blob(row, index)?).map_err(|_| malformed("the id of an event is not an id"))
}
