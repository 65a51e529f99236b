//! Records as lines: every field of a record, by hand, so that what is written today can be read tomorrow.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use myevents_core::contract::audit_to_json;
use myevents_core::domain::{
    Age, AuditEntry, Booking, BookingId, BookingState, Event, EventId, EventRecord, Fingerprint, Hall,
    HourOfDay, IdSecret, Location, LocationId, LocationRecord, Minutes, Name, Person, PersonLimits, Seats,
    Text, TimeZoneName, UnixSeconds, User, UserId, UserRecord, Version,
};
use myevents_core::ports::Reconciliation;
use myevents_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Counts;

/// What the first line names.
pub(super) const FORMAT: &str = "myevents-export";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
    #[serde(borrow)]
    pub(super) stores: Vec<StoreLine<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreLine<'a> {
    #[serde(borrow)]
    pub(super) role: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    id_secret: Cow<'a, str>,
}

impl<'a> StoreLine<'a> {
    pub(super) fn new(role: &'a str, kind: &'a str, secret: &IdSecret) -> Self {
        Self {
            role: role.into(),
            kind: kind.into(),
            id_secret: HEXLOWER.encode(secret.expose()).into(),
        }
    }

    pub(super) fn secret(&self) -> Result<IdSecret> {
        let bytes = HEXLOWER.decode(self.id_secret.as_bytes()).unwrap_or_default();
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| bad("id_secret has not 32 bytes"))?;
        Ok(IdSecret::new(bytes))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) end: bool,
    pub(super) counts: Counts,
}

/// A record with its place, to write.
#[derive(Serialize)]
pub(super) struct LineOf<'a, T> {
    pub(super) store: &'a str,
    pub(super) kind: &'a str,
    pub(super) record: T,
}

/// A record with its place, as read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) store: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) record: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HallLine<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    location: Cow<'a, str>,
    capacity: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    address: Cow<'a, str>,
    #[serde(borrow)]
    country: Cow<'a, str>,
    open: i64,
    close: i64,
    #[serde(borrow)]
    halls: Vec<HallLine<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    duration: i64,
    start: i64,
    end: i64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    location: Option<PlaceLine<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    hall_names: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sales_start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sales_end: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_seats_per_booking: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_seats_per_person: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_bookings_per_person: Option<u32>,
    cancelled: bool,
    version: u64,
    #[serde(borrow)]
    fingerprint: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    owner: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    awaiting_location: Option<Cow<'a, str>>,
}

/// An event with a counter: what the booking service keeps.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CopyLine<'a> {
    #[serde(borrow)]
    pub(super) event: EventLine<'a>,
    /// The counter's; null = unknown.
    pub(super) capacity: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LocationLine<'a> {
    #[serde(borrow)]
    location: PlaceLine<'a>,
    version: u64,
    #[serde(borrow)]
    fingerprint: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    owner: Option<Cow<'a, str>>,
    deleted: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    first: Cow<'a, str>,
    #[serde(borrow)]
    last: Cow<'a, str>,
    age: i64,
    #[serde(borrow)]
    fingerprint: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemovedUserLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BookingLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    email: Option<Cow<'a, str>>,
    seats: i64,
    date: i64,
    #[serde(borrow)]
    state: Cow<'a, str>,
    version: u64,
    #[serde(borrow)]
    fingerprint: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    person: Option<Cow<'a, str>>,
}

/// The counter of an event, behind the event's bookings.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CounterLine<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    pub(super) capacity: Option<u64>,
    sold: i64,
    held: i64,
    /// The seats of the confirmed bookings in the file.
    pub(super) confirmed: i64,
}

/// A line of the audit log, in the form that stores keep.
pub(super) fn audit_line(entry: &AuditEntry) -> Result<Box<RawValue>> {
    RawValue::from_string(audit_to_json(entry))
        .map_err(|error| bad("the line of the audit log can't be written").caused_by(error))
}

pub(super) fn bad(what: impl Into<Cow<'static, str>>) -> Error {
    Error::invalid(what)
}

fn version(number: u64) -> Result<Version> {
    i64::try_from(number).map_err(|_| bad("version is above 2^63"))?;
    Ok(Version(number))
}

fn fingerprint_text(fingerprint: &Fingerprint) -> Cow<'static, str> {
    HEXLOWER.encode(fingerprint.as_bytes()).into()
}

fn fingerprint(text: &str) -> Result<Fingerprint> {
    let bytes = HEXLOWER.decode(text.as_bytes()).unwrap_or_default();
    Fingerprint::from_stored(&bytes).map_err(|_| bad("fingerprint has not 16 bytes"))
}

fn optional(text: Option<&Text>) -> Option<Cow<'_, str>> {
    text.map(|text| text.as_str().into())
}

fn optional_text(text: Option<&Cow<'_, str>>) -> Option<Text> {
    text.map(|text| Text::from_stored(text))
}

impl<'a> PlaceLine<'a> {
    fn of(place: &'a Location) -> Self {
        let halls = place.halls.iter().map(|hall| HallLine {
            name: hall.name.as_str().into(),
            location: hall.location.as_str().into(),
            capacity: hall.capacity.into(),
        });
        Self {
            id: place.id.to_string().into(),
            name: place.name.as_str().into(),
            address: place.address.as_str().into(),
            country: place.country.as_str().into(),
            open: place.open_time.get().into(),
            close: place.close_time.get().into(),
            halls: halls.collect(),
            time_zone: place.time_zone.as_ref().map(|zone| zone.as_str().into()),
        }
    }

    fn read(&self) -> Result<Location> {
        let halls = self.halls.iter().map(|hall| {
            Ok(Hall {
                name: Text::from_stored(&hall.name),
                location: Text::from_stored(&hall.location),
                capacity: Hall::parse_capacity(hall.capacity)?,
            })
        });
        Ok(Location {
            id: LocationId::parse(&self.id)?,
            name: Text::from_stored(&self.name),
            address: Text::from_stored(&self.address),
            country: Text::from_stored(&self.country),
            open_time: HourOfDay::parse("open", self.open)?,
            close_time: HourOfDay::parse("close", self.close)?,
            halls: halls.collect::<Result<_>>()?,
            time_zone: self.time_zone.as_deref().map(TimeZoneName::from_stored),
        })
    }
}

impl<'a> EventLine<'a> {
    pub(super) fn of(record: &'a EventRecord) -> Self {
        let event = &record.event;
        Self {
            id: event.id.to_string().into(),
            name: event.name.as_str().into(),
            duration: event.duration.get().into(),
            start: event.start.get(),
            end: event.end.get(),
            location: event.location.as_ref().map(PlaceLine::of),
            hall_names: event.hall_names.iter().map(|name| name.as_str().into()).collect(),
            sales_start: event.sales_start.map(UnixSeconds::get),
            sales_end: event.sales_end.map(UnixSeconds::get),
            max_seats_per_booking: event.max_seats_per_booking,
            max_seats_per_person: event.person_limits.seats,
            max_bookings_per_person: event.person_limits.bookings,
            cancelled: event.cancelled,
            version: record.version.0,
            fingerprint: fingerprint_text(&record.fingerprint),
            owner: optional(record.owner.as_ref()),
            awaiting_location: optional(record.awaiting_location.as_ref()),
        }
    }

    pub(super) fn read(&self) -> Result<EventRecord> {
        let time = |field, seconds: Option<i64>| {
            seconds
                .map(|seconds| UnixSeconds::parse(field, seconds))
                .transpose()
        };
        Ok(EventRecord {
            event: Event {
                id: EventId::parse(&self.id)?,
                name: Name::from_stored(&self.name),
                duration: Minutes::parse(self.duration)?,
                start: UnixSeconds::parse("start", self.start)?,
                end: UnixSeconds::parse("end", self.end)?,
                location: self.location.as_ref().map(PlaceLine::read).transpose()?,
                hall_names: self
                    .hall_names
                    .iter()
                    .map(|name| Text::from_stored(name))
                    .collect(),
                sales_start: time("sales_start", self.sales_start)?,
                sales_end: time("sales_end", self.sales_end)?,
                max_seats_per_booking: self.max_seats_per_booking,
                person_limits: PersonLimits {
                    seats: self.max_seats_per_person,
                    bookings: self.max_bookings_per_person,
                },
                cancelled: self.cancelled,
            },
            version: version(self.version)?,
            fingerprint: fingerprint(&self.fingerprint)?,
            owner: optional_text(self.owner.as_ref()),
            awaiting_location: optional_text(self.awaiting_location.as_ref()),
        })
    }
}

impl<'a> LocationLine<'a> {
    pub(super) fn of(record: &'a LocationRecord) -> Self {
        Self {
            location: PlaceLine::of(&record.location),
            version: record.version.0,
            fingerprint: fingerprint_text(&record.fingerprint),
            owner: optional(record.owner.as_ref()),
            deleted: record.deleted,
        }
    }

    pub(super) fn read(&self) -> Result<LocationRecord> {
        Ok(LocationRecord {
            location: self.location.read()?,
            version: version(self.version)?,
            fingerprint: fingerprint(&self.fingerprint)?,
            owner: optional_text(self.owner.as_ref()),
            deleted: self.deleted,
        })
    }
}

impl<'a> UserLine<'a> {
    pub(super) fn of(record: &'a UserRecord) -> Self {
        Self {
            id: record.user.id.to_string().into(),
            first: record.user.first.as_str().into(),
            last: record.user.last.as_str().into(),
            age: record.user.age.get().into(),
            fingerprint: fingerprint_text(&record.fingerprint),
        }
    }

    pub(super) fn read(&self) -> Result<UserRecord> {
        Ok(UserRecord {
            user: User {
                id: UserId::parse(&self.id)?,
                first: Text::from_stored(&self.first),
                last: Text::from_stored(&self.last),
                age: Age::parse(self.age)?,
            },
            fingerprint: fingerprint(&self.fingerprint)?,
        })
    }
}

impl RemovedUserLine<'_> {
    pub(super) fn of(user: &UserId) -> Self {
        Self {
            id: user.to_string().into(),
        }
    }

    pub(super) fn read(&self) -> Result<UserId> {
        UserId::parse(&self.id)
    }
}

impl<'a> BookingLine<'a> {
    pub(super) fn of(booking: &'a Booking) -> Self {
        Self {
            id: booking.id.to_string().into(),
            event: booking.event.to_string().into(),
            user: booking.user.as_ref().map(|user| user.to_string().into()),
            name: optional(booking.name.as_ref()),
            email: optional(booking.email.as_ref()),
            seats: booking.seats.get().into(),
            date: booking.date.get(),
            state: booking.state.as_str().into(),
            version: booking.version.0,
            fingerprint: fingerprint_text(&booking.fingerprint),
            person: booking.person.as_ref().map(|person| person.as_str().into()),
        }
    }

    pub(super) fn read(&self) -> Result<Booking> {
        if self.state.is_empty() {
            return Err(bad("state is empty"));
        }
        Ok(Booking {
            id: BookingId::parse(&self.id)?,
            event: EventId::parse(&self.event)?,
            user: self.user.as_deref().map(UserId::parse).transpose()?,
            name: optional_text(self.name.as_ref()),
            email: optional_text(self.email.as_ref()),
            seats: Seats::parse(self.seats)?,
            date: UnixSeconds::parse("date", self.date)?,
            state: BookingState::from(&*self.state),
            version: version(self.version)?,
            fingerprint: fingerprint(&self.fingerprint)?,
            person: optional_text(self.person.as_ref()).map(Person::new),
        })
    }
}

impl CounterLine<'_> {
    /// The counter as it is, and what the bookings written before it hold.
    pub(super) fn of(found: &Reconciliation, confirmed: i64) -> Self {
        Self {
            event: found.event.to_string().into(),
            capacity: found.capacity,
            sold: found.sold,
            held: found.held,
            confirmed,
        }
    }

    pub(super) fn event(&self) -> Result<EventId> {
        EventId::parse(&self.event)
    }
}
