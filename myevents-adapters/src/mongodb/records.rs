//! Events, locations and users as documents: the original's fields, and our own beside them.
//!
//! A record that holds messages is changed by named fields, never replaced whole: [`Fieldset`] is what such a change
//! sets and takes away.

use mongodb::bson::{Bson, Document, doc};
use myevents_core::Result;
use myevents_core::domain::{
    Age, Event, EventId, EventRecord, Hall, HourOfDay, Location, LocationId, LocationRecord, Minutes, Name,
    PersonLimits, Text, TimeZoneName, UnixSeconds, User, UserRecord,
};

use super::codec::{Fields, binary, id, narrow, text_of, version};
use super::error::malformed;

/// The fields of a record but `_id` and `outbox`: those that are there, and those that are not.
#[derive(Debug, Clone, Default)]
pub(super) struct Fieldset {
    pub(super) set: Document,
    pub(super) unset: Document,
}

impl Fieldset {
    fn put(&mut self, name: &str, value: impl Into<Bson>) {
        self.set.insert(name, value);
    }

    fn optional(&mut self, name: &str, value: Option<Bson>) {
        match value {
            Some(value) => self.set.insert(name, value),
            None => self.unset.insert(name, ""),
        };
    }

    /// The change of a record that is there.
    pub(super) fn update(self) -> Document {
        let mut update = doc! { "$set": self.set };
        if !self.unset.is_empty() {
            update.insert("$unset", self.unset);
        }
        update
    }

    /// The record that is not there yet.
    pub(super) fn insertion(self, record: &[u8]) -> Document {
        let mut document = doc! { "_id": id(record) };
        document.extend(self.set);
        document
    }
}

fn location_document(location: &Location) -> Document {
    let mut document = doc! { "_id": id(location.id.as_bytes()) };
    document.extend(location_fields(location).set);
    document
}

fn location_fields(location: &Location) -> Fieldset {
    let halls = location.halls.iter().map(|hall| {
        Bson::Document(doc! {
            "name": hall.name.as_str(),
            "location": hall.location.as_str(),
            "capacity": narrow(hall.capacity.into()),
        })
    });
    let mut fields = Fieldset::default();
    fields.put("name", location.name.as_str());
    fields.put("address", location.address.as_str());
    fields.put("country", location.country.as_str());
    fields.put("opentime", i32::from(location.open_time.get()));
    fields.put("closetime", i32::from(location.close_time.get()));
    fields.put("halls", halls.collect::<Vec<_>>());
    let zone = location.time_zone.as_ref();
    fields.optional("timezone", zone.map(|zone| zone.as_str().into()));
    fields
}

/// `place` is the id of a location that has none: the original's driver could not write one, a person could.
fn location_of(fields: Fields<'_>, place: &[u8]) -> Result<Location> {
    let text = |name| Ok::<_, myevents_core::Error>(fields.text(name)?.unwrap_or_default());
    let hour = |name| Ok::<_, myevents_core::Error>(HourOfDay::from_stored(fields.int(name)?.unwrap_or(0)));
    let mut halls = Vec::new();
    for hall in fields.documents("halls")? {
        halls.push(Hall {
            name: hall.text("name")?.unwrap_or_default(),
            location: hall.text("location")?.unwrap_or_default(),
            capacity: hall.small("capacity")?.unwrap_or(0),
        });
    }
    let own = match fields.location_id("_id")? {
        Some(id) => id,
        None => LocationId::from_bytes(place).map_err(|_| malformed("the id of a record is not an id"))?,
    };
    Ok(Location {
        id: own,
        name: text("name")?,
        address: text("address")?,
        country: text("country")?,
        open_time: hour("opentime")?,
        close_time: hour("closetime")?,
        halls,
        time_zone: fields.str("timezone")?.map(TimeZoneName::from_stored),
    })
}

fn seconds(seconds: UnixSeconds) -> Bson {
    Bson::Int64(seconds.get())
}

/// An id as text whose order is that of the bytes.
pub(super) fn order(id: &EventId) -> String {
    id.to_string()
}

/// The fields of an event's record.
pub(super) fn event_fields(record: &EventRecord) -> Fieldset {
    let event = &record.event;
    let mut fields = Fieldset::default();
    if event.id.as_bytes().len() != 12 {
        // Ids that are no ObjectIds are listed in an order of their own making.
        fields.put("otherid", true);
        fields.put("order", order(&event.id));
    }
    fields.put("name", event.name.as_str());
    fields.put("duration", narrow(event.duration.get().into()));
    fields.put("startdate", seconds(event.start));
    fields.put("enddate", seconds(event.end));
    let location = event.location.as_ref();
    fields.optional(
        "location",
        location.map(|location| location_document(location).into()),
    );
    let halls: Vec<Bson> = event.hall_names.iter().map(text_of).collect();
    fields.optional("hallnames", (!halls.is_empty()).then_some(halls.into()));
    fields.optional("salesstart", event.sales_start.map(seconds));
    fields.optional("salesend", event.sales_end.map(seconds));
    let count = |count: Option<u32>| count.map(|count| narrow(count.into()));
    fields.optional("maxseatsperbooking", count(event.max_seats_per_booking));
    fields.optional("maxseatsperperson", count(event.person_limits.seats));
    fields.optional("maxbookingsperperson", count(event.person_limits.bookings));
    fields.optional("cancelled", event.cancelled.then_some(true.into()));
    fields.put("version", version(record.version));
    fields.put("fingerprint", binary(record.fingerprint.as_bytes()));
    fields.optional("owner", record.owner.as_ref().map(text_of));
    fields.optional("awaiting", record.awaiting_location.as_ref().map(text_of));
    fields
}

/// Reads the record of an event.
pub(super) fn event_of(fields: Fields<'_>) -> Result<EventRecord> {
    let event = fields.event_id("_id")?;
    let location = fields.document("location")?;
    let location = location
        .map(|location| location_of(location, event.as_bytes()))
        .transpose()?;
    let date = |name| Ok::<_, myevents_core::Error>(fields.int(name)?.map(UnixSeconds::from_stored));
    let halls = fields.strs("hallnames")?;
    Ok(EventRecord {
        event: Event {
            id: event,
            name: Name::from_stored(fields.str("name")?.unwrap_or_default()),
            duration: Minutes::from_stored(fields.int("duration")?.unwrap_or(0)),
            start: date("startdate")?.unwrap_or_default(),
            end: date("enddate")?.unwrap_or_default(),
            location,
            hall_names: halls.into_iter().map(Text::from_stored).collect(),
            sales_start: date("salesstart")?,
            sales_end: date("salesend")?,
            max_seats_per_booking: fields.small("maxseatsperbooking")?,
            person_limits: PersonLimits {
                seats: fields.small("maxseatsperperson")?,
                bookings: fields.small("maxbookingsperperson")?,
            },
            cancelled: fields.flag("cancelled")?,
        },
        version: fields.version("version")?,
        fingerprint: fields.fingerprint()?,
        owner: fields.text("owner")?,
        awaiting_location: fields.text("awaiting")?,
    })
}

/// The fields of a location's record.
pub(super) fn location_record_fields(record: &LocationRecord) -> Fieldset {
    let mut fields = location_fields(&record.location);
    fields.put("version", version(record.version));
    fields.put("fingerprint", binary(record.fingerprint.as_bytes()));
    fields.optional("owner", record.owner.as_ref().map(text_of));
    fields.optional("deleted", record.deleted.then_some(true.into()));
    fields
}

/// Reads the record of a location.
pub(super) fn location_record_of(fields: Fields<'_>) -> Result<LocationRecord> {
    Ok(LocationRecord {
        location: location_of(fields, fields.need_id("_id")?.as_slice())?,
        version: fields.version("version")?,
        fingerprint: fields.fingerprint()?,
        owner: fields.text("owner")?,
        deleted: fields.flag("deleted")?,
    })
}

/// The fields of a user's record.
pub(super) fn user_fields(record: &UserRecord) -> Document {
    doc! {
        "first": record.user.first.as_str(),
        "last": record.user.last.as_str(),
        "age": i32::from(record.user.age.get()),
        "fingerprint": binary(record.fingerprint.as_bytes()),
    }
}

/// Reads the record of a user; none where only the mark of a removed one is left.
pub(super) fn user_of(fields: Fields<'_>) -> Result<Option<UserRecord>> {
    if fields.flag("removed")? {
        return Ok(None);
    }
    let id = fields
        .user_id("_id")?
        .ok_or_else(|| malformed("the id of a user is missing"))?;
    Ok(Some(UserRecord {
        user: User {
            id,
            first: fields.text("first")?.unwrap_or_default(),
            last: fields.text("last")?.unwrap_or_default(),
            age: Age::from_stored(fields.int("age")?.unwrap_or(0)),
        },
        fingerprint: fields.fingerprint()?,
    }))
}
