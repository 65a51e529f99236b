//! Events and locations as items, with the attribute names of the original; its items are read too.

use aws_sdk_dynamodb::types::AttributeValue;
use myevents_core::Result;
use myevents_core::domain::{
    Event, EventId, EventRecord, Hall, HourOfDay, Location, LocationId, LocationRecord, Minutes, Name,
    PersonLimits, Text, TimeZoneName, UnixSeconds,
};

use super::codec::{fingerprint, hex, key, list_key, list_shard, opt_stored_text, version};
use super::error::malformed;
use super::ids::shard_of;
use super::item::{
    self, Item, as_map, bytes, cut, get_bytes, get_flag, number, opt_list, opt_map, opt_number, opt_text,
    text,
};
use super::names::*;
use super::pack::{PACKED, unpack};

/// The longest text that may be the key of an index.
const MAX_INDEXED: usize = 2_048;

const START: &str = "StartDate";
const LONG_NAME: &str = "LongName";
const LOCATION: &str = "Location";
const AWAITING: &str = "Awaiting";
const CANCELLED: &str = "Cancelled";
const DELETED: &str = "Deleted";

/// The attributes of an event that may be absent.
pub(super) const OPTIONAL_OF_EVENT: &[&str] = &[
    EVENT_NAME,
    LONG_NAME,
    LOCATION,
    "HallNames",
    "SalesStart",
    "SalesEnd",
    "MaxSeatsPerBooking",
    "MaxSeatsPerPerson",
    "MaxBookingsPerPerson",
    CANCELLED,
    "Owner",
    AWAITING,
    PACKED,
];

/// The attributes of an event that are packed when it is too large with them.
pub(super) const BULKY_OF_EVENT: &[&str] = &[LOCATION, "HallNames"];

/// The attributes of a location that are packed when it is too large with them.
pub(super) const BULKY_OF_LOCATION: &[&str] = &["Halls"];

/// The attributes of a location that may be absent.
pub(super) const OPTIONAL_OF_LOCATION: &[&str] = &[
    "TimeZone", DELETED, "Owner", "Halls", LIST_SHARD, LIST_KEY, PACKED,
];

/// What the index of names holds of `name`: all of it, or its beginning.
pub(super) fn indexed_name(name: &str) -> Option<&str> {
    Some(cut(name, MAX_INDEXED)).filter(|name| !name.is_empty())
}

/// The place of an event in the index that lists are read from.
pub(super) fn event_listing(start: UnixSeconds, id: &[u8]) -> [(String, AttributeValue); 2] {
    [
        (LIST_SHARD.into(), text(list_shard(shard_of(id)))),
        (LIST_KEY.into(), text(list_key(start, id))),
    ]
}

/// The place of a location in the index that lists are read from.
pub(super) fn location_listing(id: &[u8]) -> [(String, AttributeValue); 2] {
    [
        (LIST_SHARD.into(), text(list_shard(shard_of(id)))),
        (LIST_KEY.into(), text(hex(id))),
    ]
}

/// Everything of a record but its revision and the place of its last message.
pub(super) fn event_to_item(record: &EventRecord) -> Item {
    let event = &record.event;
    let mut item = key(event.id.as_bytes());
    let name = event.name.as_str();
    let indexed = indexed_name(name);
    item::set(&mut item, EVENT_NAME, indexed.map(text));
    if indexed != Some(name) {
        item.insert(LONG_NAME.into(), text(name));
    }
    item.insert("Duration".into(), number(event.duration.get()));
    item.insert(START.into(), number(event.start.get()));
    item.insert("EndDate".into(), number(event.end.get()));
    let location = event.location.as_ref().map(location_to_map);
    item::set(&mut item, LOCATION, location.map(AttributeValue::M));
    let halls: Vec<_> = event.hall_names.iter().map(|name| text(name.as_str())).collect();
    item::set(
        &mut item,
        "HallNames",
        (!halls.is_empty()).then_some(AttributeValue::L(halls)),
    );
    for (name, value) in [("SalesStart", event.sales_start), ("SalesEnd", event.sales_end)] {
        item::set(&mut item, name, value.map(|value| number(value.get())));
    }
    for (name, value) in [
        ("MaxSeatsPerBooking", event.max_seats_per_booking),
        ("MaxSeatsPerPerson", event.person_limits.seats),
        ("MaxBookingsPerPerson", event.person_limits.bookings),
    ] {
        item::set(&mut item, name, value.map(number));
    }
    item::set(
        &mut item,
        CANCELLED,
        event.cancelled.then_some(AttributeValue::Bool(true)),
    );
    item.insert(VERSION.into(), number(record.version.0));
    item.insert("Fingerprint".into(), bytes(record.fingerprint.as_bytes()));
    let opt = |value: &Option<Text>| value.as_ref().map(|value| text(value.as_str()));
    item::set(&mut item, "Owner", opt(&record.owner));
    item::set(&mut item, AWAITING, opt(&record.awaiting_location));
    item.extend(event_listing(event.start, event.id.as_bytes()));
    item
}

pub(super) fn event_from_item(item: &Item) -> Result<EventRecord> {
    let unpacked = unpack(item)?;
    let item = unpacked.as_ref().unwrap_or(item);
    let id = event_id(item)?;
    let seconds = |name| Ok::<_, myevents_core::Error>(opt_number(item, name)?.map(UnixSeconds::from_stored));
    let hall_names = opt_list(item, "HallNames")?
        .iter()
        .map(|name| match name {
            AttributeValue::S(name) => Ok(Text::from_stored(name)),
            _ => Err(malformed("the name of a hall is no text")),
        })
        .collect::<Result<_>>()?;
    let name = match opt_text(item, LONG_NAME)? {
        Some(name) => name,
        None => opt_text(item, EVENT_NAME)?.unwrap_or(""),
    };
    Ok(EventRecord {
        event: Event {
            name: Name::from_stored(name),
            duration: Minutes::from_stored(opt_number(item, "Duration")?.unwrap_or(0)),
            start: seconds(START)?.unwrap_or_default(),
            end: seconds("EndDate")?.unwrap_or_default(),
            location: opt_map(item, LOCATION)?
                .and_then(|map| location_in_event(map).transpose())
                .transpose()?,
            hall_names,
            sales_start: seconds("SalesStart")?,
            sales_end: seconds("SalesEnd")?,
            max_seats_per_booking: opt_number(item, "MaxSeatsPerBooking")?,
            person_limits: PersonLimits {
                seats: opt_number(item, "MaxSeatsPerPerson")?,
                bookings: opt_number(item, "MaxBookingsPerPerson")?,
            },
            cancelled: get_flag(item, CANCELLED)?,
            id,
        },
        version: version(item)?,
        fingerprint: fingerprint(item)?,
        owner: opt_stored_text(item, "Owner")?,
        awaiting_location: opt_stored_text(item, AWAITING)?,
    })
}

pub(super) fn event_id(item: &Item) -> Result<EventId> {
    EventId::from_bytes(get_bytes(item, ID)?).map_err(|_| malformed("the id of an event is not an id"))
}

/// Where an event stands in its list, by the item alone: what the original wrote has no such attribute.
pub(super) fn start_of_event(item: &Item) -> Result<UnixSeconds> {
    Ok(UnixSeconds::from_stored(opt_number(item, START)?.unwrap_or(0)))
}

fn location_to_map(location: &Location) -> Item {
    let halls = location.halls.iter().map(|hall| {
        let mut map = Item::from([
            ("name".to_owned(), text(hall.name.as_str())),
            ("capacity".to_owned(), number(hall.capacity)),
        ]);
        if !hall.location.is_empty() {
            map.insert("location".into(), text(hall.location.as_str()));
        }
        AttributeValue::M(map)
    });
    let mut map = key(location.id.as_bytes());
    map.insert("Name".into(), text(location.name.as_str()));
    map.insert("Address".into(), text(location.address.as_str()));
    map.insert("Country".into(), text(location.country.as_str()));
    map.insert("OpenTime".into(), number(location.open_time.get()));
    map.insert("CloseTime".into(), number(location.close_time.get()));
    map.insert("Halls".into(), AttributeValue::L(halls.collect()));
    let zone = location.time_zone.as_ref().map(|zone| text(zone.as_str()));
    item::set(&mut map, "TimeZone", zone);
    map
}

/// The copy of a location inside an event. The original writes an empty one where there is none.
fn location_in_event(map: &Item) -> Result<Option<Location>> {
    let id = match map.get(ID) {
        Some(AttributeValue::B(blob)) => LocationId::from_bytes(blob.as_ref()).ok(),
        // The original's driver kept ids as text: hex digits, or the bytes themselves.
        Some(AttributeValue::S(word)) => LocationId::parse(word)
            .or_else(|_| LocationId::from_bytes(word.as_bytes()))
            .ok(),
        _ => None,
    };
    let empty = map.iter().all(|(name, value)| match value {
        AttributeValue::S(text) => text.is_empty(),
        AttributeValue::B(blob) => blob.as_ref().is_empty(),
        AttributeValue::N(digits) => digits == "0",
        AttributeValue::L(list) => list.is_empty(),
        AttributeValue::Null(_) => true,
        _ => name.is_empty(),
    });
    match id {
        None if empty => Ok(None),
        // An id of its own keeps what people see of it.
        None => location_from_map(map, LocationId::from([0; 12])).map(Some),
        Some(id) => location_from_map(map, id).map(Some),
    }
}

fn location_from_map(map: &Item, id: LocationId) -> Result<Location> {
    let word = |name| Ok::<_, myevents_core::Error>(Text::from_stored(opt_text(map, name)?.unwrap_or("")));
    let hour =
        |name| Ok::<_, myevents_core::Error>(HourOfDay::from_stored(opt_number(map, name)?.unwrap_or(0)));
    Ok(Location {
        id,
        name: word("Name")?,
        address: word("Address")?,
        country: word("Country")?,
        open_time: hour("OpenTime")?,
        close_time: hour("CloseTime")?,
        halls: opt_list(map, "Halls")?
            .iter()
            .map(|hall| hall_from_map(as_map(hall)?))
            .collect::<Result<_>>()?,
        time_zone: opt_text(map, "TimeZone")?.map(TimeZoneName::from_stored),
    })
}

fn hall_from_map(map: &Item) -> Result<Hall> {
    let word = |one, other| {
        let found = match opt_text(map, one)? {
            Some(word) => word,
            None => opt_text(map, other)?.unwrap_or(""),
        };
        Ok::<_, myevents_core::Error>(Text::from_stored(found))
    };
    let capacity: Option<i64> = match opt_number(map, "capacity")? {
        Some(capacity) => Some(capacity),
        None => opt_number(map, "Capacity")?,
    };
    Ok(Hall {
        name: word("name", "Name")?,
        location: word("location", "Location")?,
        capacity: u32::try_from(capacity.unwrap_or(0).clamp(0, i64::from(Hall::MAX_CAPACITY))).unwrap_or(0),
    })
}

/// Everything of a record but its revision and the place of its last message.
pub(super) fn location_to_item(record: &LocationRecord) -> Item {
    let mut item = location_to_map(&record.location);
    item.insert(VERSION.into(), number(record.version.0));
    item.insert("Fingerprint".into(), bytes(record.fingerprint.as_bytes()));
    let owner = record.owner.as_ref().map(|owner| text(owner.as_str()));
    item::set(&mut item, "Owner", owner);
    if record.deleted {
        item.insert(DELETED.into(), AttributeValue::Bool(true));
    } else {
        item.extend(location_listing(record.location.id.as_bytes()));
    }
    item
}

pub(super) fn location_from_item(item: &Item) -> Result<LocationRecord> {
    let unpacked = unpack(item)?;
    let item = unpacked.as_ref().unwrap_or(item);
    let id = LocationId::from_bytes(get_bytes(item, ID)?)
        .map_err(|_| malformed("the id of a location is not an id"))?;
    Ok(LocationRecord {
        location: location_from_map(item, id)?,
        version: version(item)?,
        fingerprint: fingerprint(item)?,
        owner: opt_stored_text(item, "Owner")?,
        deleted: get_flag(item, DELETED)?,
    })
}
