//! Bookings as documents, and their lists.

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::FindOptions;
use myevents_core::Result;
use myevents_core::domain::{
    Booking, BookingId, BookingState, EventId, IdSecret, Person, Seats, UnixSeconds,
};
use myevents_core::ports::{BookingCursor, BookingFilter, BookingOwner, PageOf};

use super::codec::{Fields, binary, booking_id, event_id, id, narrow, text_of, version};
use super::link::Link;
use super::paging::Direction;

/// Names the holder record of a person and an event, without naming the person.
pub(super) fn holder_id(secret: &IdSecret, event: &EventId, person: &Person) -> [u8; 12] {
    secret.derive_id("holder", "", &event.to_string(), person.as_str())
}

/// A booking as it is inserted: with the try that inserts it, and its message; one that was moved here has none.
pub(super) fn booking_document(
    booking: &Booking,
    attempt: &str,
    holder: Option<[u8; 12]>,
    message: Option<Document>,
) -> Document {
    let mut document = doc! {
        "_id": booking_id(&booking.id),
        "eventid": event_id(&booking.event),
        "seats": narrow(booking.seats.get().into()),
        "date": booking.date.get(),
        "state": booking.state.as_str(),
        "version": version(booking.version),
        "fingerprint": binary(booking.fingerprint.as_bytes()),
        "attempt": attempt,
    };
    let mut optional = |name: &str, value: Option<Bson>| {
        if let Some(value) = value {
            document.insert(name, value);
        }
    };
    optional("userid", booking.user.as_ref().map(|user| id(user.as_bytes())));
    optional("name", booking.name.as_ref().map(text_of));
    optional("email", booking.email.as_ref().map(text_of));
    optional(
        "person",
        booking.person.as_ref().map(|person| person.as_str().into()),
    );
    optional("holder", holder.map(|holder| id(&holder)));
    if let Some(message) = message {
        document.insert("outbox", vec![Bson::Document(message)]);
    }
    document
}

/// What names the person in a booking, to be taken out.
pub(super) fn person_fields() -> Document {
    doc! { "userid": "", "name": "", "email": "", "person": "", "holder": "" }
}

/// Reads a booking.
pub(super) fn booking_of(fields: Fields<'_>) -> Result<Booking> {
    Ok(Booking {
        id: fields.booking_id("_id")?,
        event: fields.event_id("eventid")?,
        user: fields.user_id("userid")?,
        name: fields.text("name")?,
        email: fields.text("email")?,
        seats: Seats::from_stored(fields.need_int("seats")?),
        date: UnixSeconds::from_stored(fields.need_int("date")?),
        state: BookingState::from(fields.need_str("state")?),
        version: fields.version("version")?,
        fingerprint: fields.fingerprint()?,
        person: fields.text("person")?.map(Person::new),
    })
}

/// What a booking is shown without: its messages are read only by the outbox.
fn without_messages() -> Document {
    doc! { "outbox": 0 }
}

pub(super) async fn find(link: &Link, wanted: &BookingId) -> Result<Option<Booking>> {
    let filter = doc! { "_id": booking_id(wanted) };
    let found = link.find_one("find booking", &link.bookings, filter, Some(without_messages()));
    found
        .await?
        .map(|document| booking_of(Fields(&document)))
        .transpose()
}

/// Whether a filter's text is in the holder's name or address.
fn mentions(booking: &Booking, needle: &str) -> bool {
    [&booking.name, &booking.email]
        .into_iter()
        .flatten()
        .any(|text| text.as_str().to_lowercase().contains(needle))
}

pub(super) async fn list(
    link: &Link,
    filter: &BookingFilter,
    after: Option<&BookingCursor>,
    limit: usize,
) -> Result<PageOf<Booking, BookingCursor>> {
    let mut base = match &filter.owner {
        BookingOwner::Event(event) => doc! { "eventid": event_id(event) },
        BookingOwner::User(user) => doc! { "userid": id(user.as_bytes()) },
    };
    if let Some(state) = &filter.state {
        base.insert("state", state.as_str());
    }
    let after = after.map(|after| Direction::Falling.after(after.date.get(), after.id.as_bytes()));
    let (from, to) = (filter.from.map(UnixSeconds::get), filter.to.map(UnixSeconds::get));
    let parts = Direction::Falling.parts("date", &base, after, from, to);
    let needle = filter.text.as_ref().map(|text| text.to_lowercase());
    let wanted = limit.saturating_add(1);
    let mut items = Vec::new();
    for part in parts {
        let mut options = FindOptions::default();
        options.sort = Some(Direction::Falling.sort("date"));
        options.projection = Some(without_messages());
        let missing = wanted - items.len();
        if needle.is_none() {
            options.limit = i64::try_from(missing).ok();
        }
        let needle = needle.clone();
        let found = link.find(
            "list bookings",
            &link.bookings,
            part,
            options,
            missing,
            move |document| {
                let booking = booking_of(Fields(document))?;
                // Lower-casing any Unicode is beyond the server, and a stored copy would cost every booking.
                let fits = needle.as_deref().is_none_or(|needle| mentions(&booking, needle));
                Ok(fits.then_some(booking))
            },
        );
        items.extend(found.await?);
        if items.len() >= wanted {
            break;
        }
    }
    Ok(PageOf::from_surplus(items, limit, |booking| BookingCursor {
        date: booking.date,
        id: booking.id.clone(),
    }))
}
