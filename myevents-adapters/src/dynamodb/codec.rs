//! Bookings, users and counters as items, and the keys of lists.

use aws_sdk_dynamodb::types::AttributeValue;
use myevents_core::Result;
use myevents_core::counter::{Counter, CounterState};
use myevents_core::domain::{
    Age, Booking, BookingId, BookingState, EventId, Fingerprint, Person, Seats, Text, UnixSeconds, User,
    UserId, UserRecord, Version,
};

use super::error::malformed;
use super::ids::{Place, SHARDS, shard_of};
use super::item::{
    self, Item, bytes, get_bytes, get_number, get_text, number, opt_bytes, opt_number, opt_text, text,
};
use super::names::*;

/// The key of an item in every table that has the id alone as key.
pub(super) fn key(id: &[u8]) -> Item {
    Item::from([(ID.to_owned(), bytes(id))])
}

/// The key of an item in `state`.
pub(super) fn state_key(kind: &str, id: &[u8]) -> Item {
    Item::from([(KIND.to_owned(), text(kind)), (ID.to_owned(), bytes(id))])
}

pub(super) fn hex(id: &[u8]) -> String {
    use std::fmt::Write;
    id.iter()
        .fold(String::with_capacity(2 * id.len()), |mut hex, byte| {
            // Writing to a string does not fail.
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
}

/// A position in a list by (time, id), as text that sorts so.
pub(super) fn list_key(time: UnixSeconds, id: &[u8]) -> String {
    format!("{:012}#{}", time.get(), hex(id))
}

/// The first text after every key that begins with `key` and before every longer id's: no hex digit sorts below `!`.
pub(super) fn just_after(key: &str) -> String {
    format!("{key}!")
}

/// Before every position of this second.
pub(super) fn start_of(time: UnixSeconds) -> String {
    format!("{:012}#", time.get())
}

/// After every position of this second.
pub(super) fn end_of(time: UnixSeconds) -> String {
    format!("{:012}#~", time.get())
}

pub(super) fn list_shard(shard: u8) -> String {
    format!("L#{shard}")
}

/// A partition of an event's list of bookings.
pub(super) fn event_shard(event: &EventId, shard: u8) -> String {
    format!("{event}#{shard}")
}

pub(super) fn all_shards() -> impl Iterator<Item = u8> {
    0..SHARDS
}

pub(super) fn version(item: &Item) -> Result<Version> {
    Ok(Version(opt_number(item, VERSION)?.unwrap_or(Version::FIRST.0)))
}

/// The attribute that tells whether a record is still as it was read.
pub(super) fn rev(item: &Item) -> Result<Option<AttributeValue>> {
    Ok(opt_number::<u64>(item, REV)?.map(number))
}

/// Where a record's last message lies.
pub(super) fn place(item: &Item) -> Result<Option<Place>> {
    match opt_bytes(item, OUTBOX)? {
        None => Ok(None),
        Some(bytes) => Place::from_bytes(bytes)
            .map(Some)
            .ok_or_else(|| malformed("the place of a message is none")),
    }
}

/// What the request that made a record asked for; items of the original have none.
pub(super) fn fingerprint(item: &Item) -> Result<Fingerprint> {
    match opt_bytes(item, "Fingerprint")? {
        Some(stored) => Fingerprint::from_stored(stored),
        None => Ok(Fingerprint::of("original").field(get_bytes(item, ID)?).finish()),
    }
}

pub(super) fn opt_stored_text(item: &Item, name: &'static str) -> Result<Option<Text>> {
    Ok(opt_text(item, name)?.map(Text::from_stored))
}

pub(super) fn booking_to_item(booking: &Booking, rev: u64, outbox: Option<Place>) -> Item {
    let mut item = key(booking.id.as_bytes());
    item.insert("EventID".into(), bytes(booking.event.as_bytes()));
    let shard = shard_of(booking.id.as_bytes());
    item.insert(EVENT_SHARD.into(), text(event_shard(&booking.event, shard)));
    item.insert(
        DATE_ID.into(),
        text(list_key(booking.date, booking.id.as_bytes())),
    );
    item.insert(SEATS.into(), number(booking.seats.get()));
    item.insert("Date".into(), number(booking.date.get()));
    item.insert(STATE.into(), text(booking.state.as_str()));
    item.insert(VERSION.into(), number(booking.version.0));
    item.insert("Fingerprint".into(), bytes(booking.fingerprint.as_bytes()));
    item.insert(REV.into(), number(rev));
    let opt = |value: &Option<Text>| value.as_ref().map(|value| text(value.as_str()));
    item::set(&mut item, "Name", opt(&booking.name));
    item::set(&mut item, "Email", opt(&booking.email));
    item::set(
        &mut item,
        USER_ID,
        booking.user.as_ref().map(|user| bytes(user.as_bytes())),
    );
    item::set(
        &mut item,
        PERSON,
        booking.person.as_ref().map(|person| text(person.as_str())),
    );
    item::set(&mut item, OUTBOX, outbox.map(|place| bytes(&place.to_bytes())));
    item
}

/// The attributes of a booking that name its person.
pub(super) const PERSONAL: [&str; 4] = [USER_ID, "Name", "Email", PERSON];

pub(super) fn booking_from_item(item: &Item) -> Result<Booking> {
    let user = opt_bytes(item, USER_ID)?
        .map(UserId::from_bytes)
        .transpose()
        .map_err(|_| malformed("the id of a user is not an id"))?;
    Ok(Booking {
        id: BookingId::from_bytes(get_bytes(item, ID)?)
            .map_err(|_| malformed("the id of a booking is not an id"))?,
        event: EventId::from_bytes(get_bytes(item, "EventID")?)
            .map_err(|_| malformed("the id of an event is not an id"))?,
        user,
        name: opt_stored_text(item, "Name")?,
        email: opt_stored_text(item, "Email")?,
        seats: Seats::from_stored(get_number(item, SEATS)?),
        date: UnixSeconds::from_stored(get_number(item, "Date")?),
        state: BookingState::from(opt_text(item, STATE)?.unwrap_or("confirmed")),
        version: version(item)?,
        fingerprint: fingerprint(item)?,
        person: opt_text(item, PERSON)?.map(|person| Person::new(Text::from_stored(person))),
    })
}

pub(super) fn user_to_item(record: &UserRecord) -> Item {
    let user = &record.user;
    let mut item = key(user.id.as_bytes());
    item.insert("First".into(), text(user.first.as_str()));
    item.insert("Last".into(), text(user.last.as_str()));
    item.insert("Age".into(), number(user.age.get()));
    item.insert("Fingerprint".into(), bytes(record.fingerprint.as_bytes()));
    item
}

/// The attributes of a user's item beside its key.
pub(super) const OF_USER: [&str; 4] = ["First", "Last", "Age", "Fingerprint"];

pub(super) fn user_from_item(item: &Item) -> Result<UserRecord> {
    let word = |name| Ok::<_, myevents_core::Error>(Text::from_stored(opt_text(item, name)?.unwrap_or("")));
    Ok(UserRecord {
        user: User {
            id: UserId::from_bytes(get_bytes(item, ID)?)
                .map_err(|_| malformed("the id of a user is not an id"))?,
            first: word("First")?,
            last: word("Last")?,
            age: Age::from_stored(opt_number(item, "Age")?.unwrap_or(0)),
        },
        fingerprint: fingerprint(item)?,
    })
}

pub(super) fn counter_to_item(event: &EventId, counter: &Counter) -> Item {
    let mut item = key(event.as_bytes());
    item.insert(STATE.into(), text(counter.state.as_str()));
    item.insert(VERSION.into(), number(counter.version.0));
    item.insert(SOLD.into(), number(counter.sold));
    item.insert(HELD.into(), number(counter.held));
    item.insert(REV.into(), number(counter.rev));
    item.insert(EPOCH.into(), number(counter.epoch));
    item::set(&mut item, CAPACITY, counter.capacity.map(number));
    item::set(&mut item, AVAILABLE, counter.available.map(number));
    item
}

pub(super) fn counter_from_item(item: &Item) -> Result<Counter> {
    let counter = Counter {
        state: CounterState::from_stored(get_text(item, STATE)?),
        version: Version(get_number(item, VERSION)?),
        capacity: opt_number(item, CAPACITY)?,
        sold: get_number(item, SOLD)?,
        held: opt_number(item, HELD)?.unwrap_or(0),
        available: opt_number(item, AVAILABLE)?,
        rev: get_number(item, REV)?,
        epoch: get_number(item, EPOCH)?,
    };
    if counter.capacity.is_some() != counter.available.is_some() {
        return Err(malformed(
            "a counter has a capacity without seats left, or the reverse",
        ));
    }
    Ok(counter)
}

#[cfg(test)]
mod tests {
    use myevents_core::ErrorKind;

    use super::*;

    #[test]
    fn positions_sort_by_time_and_then_by_the_bytes_of_the_id() {
        let at = |time, id: &[u8]| list_key(UnixSeconds::from_stored(time), id);
        let sorted = [
            at(0, &[0xff]),
            at(9, &[0]),
            at(9, &[0, 0]),
            at(9, &[0, 1]),
            at(9, &[1]),
            at(10, &[0]),
            at(253_402_300_799, &[0]),
        ];
        assert!(sorted.is_sorted(), "{sorted:?}");
        assert!(just_after(&sorted[1]) > sorted[1] && just_after(&sorted[1]) < sorted[2]);
        let nine = UnixSeconds::from_stored(9);
        assert!(sorted[0] < start_of(nine) && start_of(nine) < sorted[1]);
        assert!(sorted[4] < end_of(nine) && end_of(nine) < sorted[5]);
    }

    #[test]
    fn a_counter_that_cannot_be_is_malformed() {
        let counter = Counter::new(CounterState::Open, Version(3), Some(7));
        let event = EventId::from([1; 12]);
        let mut item = counter_to_item(&event, &counter);
        assert_eq!(counter_from_item(&item).unwrap(), counter);
        item.remove(AVAILABLE);
        assert_eq!(counter_from_item(&item).unwrap_err().kind(), ErrorKind::Malformed);
        item.remove(CAPACITY);
        assert_eq!(counter_from_item(&item).unwrap().available, None);
        item.insert(EPOCH.into(), text("9"));
        assert_eq!(counter_from_item(&item).unwrap_err().kind(), ErrorKind::Malformed);
    }
}
