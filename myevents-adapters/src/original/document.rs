//! The original's documents as records: everything is checked, and what does not fit is refused by its reason, never guessed.

use mongodb::bson::{Bson, Document};
use myevents_core::domain::{
    Age, Event, EventId, EventRecord, Fingerprint, Hall, HourOfDay, Location, LocationId, LocationRecord,
    Minutes, Name, PersonLimits, Seats, Text, UnixSeconds, User, UserId, UserRecord, Version,
};
use myevents_core::{Error, Result};

/// Seats that a user of the original has booked; the original gave them no id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OldBooking {
    pub(super) event: EventId,
    pub(super) seats: Seats,
    pub(super) date: UnixSeconds,
}

fn bad(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::unprocessable(what)
}

/// How a document is called where it is listed.
pub(super) fn shown_id(document: &Document) -> String {
    match document.get("_id") {
        Some(Bson::ObjectId(id)) => id.to_hex(),
        Some(other) => other.to_string(),
        None => "(no _id)".to_owned(),
    }
}

fn id_bytes(document: &Document, field: &'static str) -> Result<Vec<u8>> {
    match document.get(field) {
        Some(Bson::ObjectId(id)) => Ok(id.bytes().to_vec()),
        Some(Bson::Binary(binary)) => Ok(binary.bytes.clone()),
        _ => Err(bad(format!("{field} is no id"))),
    }
}

/// Text; the original's driver wrote every field, but a document made by hand may lack one.
fn text(document: &Document, field: &'static str) -> Result<Text> {
    match document.get(field) {
        None | Some(Bson::Null) => Ok(Text::default()),
        Some(Bson::String(text)) => Text::parse(field, text),
        Some(_) => Err(bad(format!("{field} is no text"))),
    }
}

/// A whole number of any width; the shell writes doubles.
fn whole(document: &Document, field: &'static str) -> Result<Option<i64>> {
    match document.get(field) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::Int32(number)) => Ok(Some((*number).into())),
        Some(Bson::Int64(number)) => Ok(Some(*number)),
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a whole number below 2^53 is the same in both"
        )]
        Some(Bson::Double(number)) if number.fract() == 0.0 && number.abs() < 9e15 => {
            Ok(Some(*number as i64))
        }
        Some(_) => Err(bad(format!("{field} is no whole number"))),
    }
}

fn needed(document: &Document, field: &'static str) -> Result<i64> {
    whole(document, field)?.ok_or_else(|| bad(format!("{field} is missing")))
}

/// The documents of a list; Go wrote an empty list as null.
fn documents<'a>(document: &'a Document, field: &'static str) -> Result<Vec<&'a Document>> {
    match document.get(field) {
        None | Some(Bson::Null) => Ok(Vec::new()),
        Some(Bson::Array(items)) => items
            .iter()
            .map(|item| {
                item.as_document()
                    .ok_or_else(|| bad(format!("{field} holds something else than documents")))
            })
            .collect(),
        Some(_) => Err(bad(format!("{field} is no list"))),
    }
}

fn fingerprint(kind: &str, id: &[u8]) -> Fingerprint {
    Fingerprint::of(kind).field(id).finish()
}

fn place(document: &Document, id: LocationId) -> Result<Location> {
    let halls = documents(document, "halls")?.into_iter().map(|hall| {
        Ok(Hall {
            name: text(hall, "name")?,
            location: text(hall, "location")?,
            capacity: Hall::parse_capacity(whole(hall, "capacity")?.unwrap_or(0))?,
        })
    });
    Ok(Location {
        id,
        name: text(document, "name")?,
        address: text(document, "address")?,
        country: text(document, "country")?,
        open_time: HourOfDay::parse("opentime", whole(document, "opentime")?.unwrap_or(0))?,
        close_time: HourOfDay::parse("closetime", whole(document, "closetime")?.unwrap_or(0))?,
        halls: halls.collect::<Result<_>>()?,
        time_zone: None,
    })
}

/// The location inside an event. Go wrote one into every event: one in which nothing is said is none.
fn place_of_event(document: &Document, event: &[u8]) -> Result<Option<Location>> {
    let inner = match document.get("location") {
        None | Some(Bson::Null) => return Ok(None),
        Some(Bson::Document(inner)) => inner,
        Some(_) => return Err(bad("location is no document")),
    };
    // The original gave it no id; as its own it has that of its event.
    let id = match inner.get("_id") {
        None | Some(Bson::Null) => event.to_vec(),
        Some(Bson::String(id)) if id.is_empty() => event.to_vec(),
        Some(_) => id_bytes(inner, "_id")?,
    };
    let place = place(inner, LocationId::from_bytes(&id)?)?;
    let said = !place.name.is_empty()
        || !place.address.is_empty()
        || !place.country.is_empty()
        || !place.halls.is_empty();
    Ok(said.then_some(place))
}

pub(super) fn event(document: &Document) -> Result<EventRecord> {
    let id = id_bytes(document, "_id")?;
    let name = match document.get("name") {
        Some(Bson::String(name)) => Name::parse("name", name)?,
        _ => return Err(bad("name is missing or no text")),
    };
    let event = Event {
        id: EventId::from_bytes(&id)?,
        name,
        duration: Minutes::parse(whole(document, "duration")?.unwrap_or(0))?,
        start: UnixSeconds::parse("startdate", needed(document, "startdate")?)?,
        end: UnixSeconds::parse("enddate", needed(document, "enddate")?)?,
        location: place_of_event(document, &id)?,
        hall_names: Vec::new(),
        sales_start: None,
        sales_end: None,
        max_seats_per_booking: None,
        person_limits: PersonLimits::default(),
        cancelled: false,
    };
    event.validate()?;
    Ok(EventRecord {
        event,
        version: Version::FIRST,
        fingerprint: fingerprint("original event", &id),
        owner: None,
        awaiting_location: None,
    })
}

pub(super) fn location(document: &Document) -> Result<LocationRecord> {
    let id = id_bytes(document, "_id")?;
    let location = place(document, LocationId::from_bytes(&id)?)?;
    Name::parse("name", location.name.as_str())?;
    Ok(LocationRecord {
        location,
        version: Version::FIRST,
        fingerprint: fingerprint("original location", &id),
        owner: None,
        deleted: false,
    })
}

pub(super) fn user(document: &Document) -> Result<UserRecord> {
    let id = id_bytes(document, "_id")?;
    Ok(UserRecord {
        user: User {
            id: UserId::from_bytes(&id)?,
            first: text(document, "first")?,
            last: text(document, "last")?,
            age: Age::parse(whole(document, "age")?.unwrap_or(0))?,
        },
        fingerprint: fingerprint("original user", &id),
    })
}

/// The bookings inside a user, each by itself: one that is bad says nothing about the others.
pub(super) fn bookings(document: &Document) -> Result<Vec<Result<OldBooking>>> {
    let read = |booking: &Document| {
        Ok(OldBooking {
            event: EventId::from_bytes(&id_bytes(booking, "eventid")?)?,
            seats: Seats::parse(needed(booking, "seats")?)?,
            date: UnixSeconds::parse("date", needed(booking, "date")?)?,
        })
    };
    Ok(documents(document, "bookings")?.into_iter().map(read).collect())
}
