//! The JSON forms of the domain types, exactly as sent. REST answers and messages share them; REST requests are read
//! more leniently by the `rest` module.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Age, Booking, Event, EventId, Hall, HourOfDay, Location, LocationId, Minutes, Name, PersonLimits, Text,
    TimeZoneName, UnixSeconds, User,
};
use crate::error::Result;

/// An event as sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Event))]
#[serde(rename_all = "PascalCase")]
pub struct EventWire {
    /// Hex digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// The name.
    pub name: String,
    /// Minutes.
    pub duration: u32,
    /// Unix seconds.
    pub start_date: i64,
    /// Unix seconds.
    pub end_date: i64,
    /// Where it is; one with an empty ID stands for none, as the original page reads `Location.Name` unasked.
    #[serde(default)]
    pub location: LocationWire,
    /// The halls it uses, if not all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hall_names: Vec<String>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_start: Option<i64>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_end: Option<i64>,
    /// The most seats of one booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_seats_per_booking: Option<u32>,
    /// The most seats of one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_seats_per_person: Option<u32>,
    /// The most bookings of one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bookings_per_person: Option<u32>,
    /// There only when true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
}

/// A location as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Location))]
#[serde(rename_all = "PascalCase")]
pub struct LocationWire {
    /// Hex digits; empty in an event that has no location.
    #[serde(rename = "ID", default)]
    pub id: String,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// Street and town.
    #[serde(default)]
    pub address: String,
    /// The country.
    #[serde(default)]
    pub country: String,
    /// Hour, 0 to 23.
    #[serde(default)]
    pub open_time: u8,
    /// Hour, 0 to 23.
    #[serde(default)]
    pub close_time: u8,
    /// The halls.
    #[serde(default)]
    pub halls: Vec<HallWire>,
    /// IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// A hall as sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Hall))]
pub struct HallWire {
    /// The name.
    pub name: String,
    /// Where in the building it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// Seats.
    pub capacity: u32,
}

/// A booking as sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Booking))]
#[serde(rename_all = "PascalCase")]
pub struct BookingWire {
    /// Hex digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// Unix seconds.
    pub date: i64,
    /// Hex digits.
    #[serde(rename = "EventID")]
    pub event_id: String,
    /// Seats.
    pub seats: u32,
    /// `confirmed`, `cancelled`, or a word of a later version.
    pub state: String,
    /// Hex digits.
    #[serde(rename = "UserID", default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The holder's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The holder's e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A user as sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = User))]
#[serde(rename_all = "PascalCase")]
pub struct UserWire {
    /// Hex digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// First name.
    pub first: String,
    /// Last name.
    pub last: String,
    /// Years.
    pub age: u8,
    /// The newest 100 bookings.
    pub bookings: Vec<BookingWire>,
}

impl From<&Hall> for HallWire {
    fn from(hall: &Hall) -> Self {
        Self {
            name: hall.name.as_str().to_owned(),
            location: hall.location.as_str().to_owned(),
            capacity: hall.capacity,
        }
    }
}

impl From<&Location> for LocationWire {
    fn from(location: &Location) -> Self {
        Self {
            id: location.id.to_string(),
            name: location.name.as_str().to_owned(),
            address: location.address.as_str().to_owned(),
            country: location.country.as_str().to_owned(),
            open_time: location.open_time.get(),
            close_time: location.close_time.get(),
            halls: location.halls.iter().map(HallWire::from).collect(),
            time_zone: location.time_zone.as_ref().map(|zone| zone.as_str().to_owned()),
        }
    }
}

impl From<&Event> for EventWire {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id.to_string(),
            name: event.name.as_str().to_owned(),
            duration: event.duration.get(),
            start_date: event.start.get(),
            end_date: event.end.get(),
            location: event
                .location
                .as_ref()
                .map(LocationWire::from)
                .unwrap_or_default(),
            hall_names: event
                .hall_names
                .iter()
                .map(|name| name.as_str().to_owned())
                .collect(),
            sales_start: event.sales_start.map(UnixSeconds::get),
            sales_end: event.sales_end.map(UnixSeconds::get),
            max_seats_per_booking: event.max_seats_per_booking,
            max_seats_per_person: event.person_limits.seats,
            max_bookings_per_person: event.person_limits.bookings,
            cancelled: event.cancelled,
        }
    }
}

impl From<&Booking> for BookingWire {
    fn from(booking: &Booking) -> Self {
        Self {
            id: booking.id.to_string(),
            date: booking.date.get(),
            event_id: booking.event.to_string(),
            seats: booking.seats.get(),
            state: booking.state.as_str().to_owned(),
            user_id: booking.user.as_ref().map(ToString::to_string),
            name: booking.name.as_ref().map(|name| name.as_str().to_owned()),
            email: booking.email.as_ref().map(|email| email.as_str().to_owned()),
        }
    }
}

impl UserWire {
    /// A user with these bookings, newest first.
    #[must_use]
    pub fn new(user: &User, bookings: &[Booking]) -> Self {
        Self {
            id: user.id.to_string(),
            first: user.first.as_str().to_owned(),
            last: user.last.as_str().to_owned(),
            age: user.age.get(),
            bookings: bookings.iter().map(BookingWire::from).collect(),
        }
    }
}

impl HallWire {
    /// The domain value of a hall that was accepted before, by this system or an older one.
    #[must_use]
    pub fn to_stored(&self) -> Hall {
        Hall {
            name: Text::from_stored(&self.name),
            location: Text::from_stored(&self.location),
            capacity: self.capacity.min(Hall::MAX_CAPACITY),
        }
    }
}

impl LocationWire {
    /// The domain value of a location that was accepted before; `None` for one with an empty id.
    ///
    /// # Errors
    /// `Invalid` when the id is there and is none.
    pub fn to_stored(&self) -> Result<Option<Location>> {
        if self.id.is_empty() {
            return Ok(None);
        }
        Ok(Some(Location {
            id: LocationId::parse(&self.id)?,
            name: Text::from_stored(&self.name),
            address: Text::from_stored(&self.address),
            country: Text::from_stored(&self.country),
            open_time: HourOfDay::from_stored(self.open_time.into()),
            close_time: HourOfDay::from_stored(self.close_time.into()),
            halls: self.halls.iter().map(HallWire::to_stored).collect(),
            time_zone: self.time_zone.as_deref().map(TimeZoneName::from_stored),
        }))
    }
}

impl EventWire {
    /// The domain value of an event that was accepted before, by this system or an older one.
    ///
    /// # Errors
    /// `Invalid` when an id is none.
    pub fn to_stored(&self) -> Result<Event> {
        Ok(Event {
            id: EventId::parse(&self.id)?,
            name: Name::from_stored(&self.name),
            duration: Minutes::from_stored(self.duration.into()),
            start: UnixSeconds::from_stored(self.start_date),
            end: UnixSeconds::from_stored(self.end_date),
            location: self.location.to_stored()?,
            hall_names: self
                .hall_names
                .iter()
                .map(|name| Text::from_stored(name))
                .collect(),
            sales_start: self.sales_start.map(UnixSeconds::from_stored),
            sales_end: self.sales_end.map(UnixSeconds::from_stored),
            max_seats_per_booking: self.max_seats_per_booking,
            person_limits: PersonLimits {
                seats: self.max_seats_per_person,
                bookings: self.max_bookings_per_person,
            },
            cancelled: self.cancelled,
        })
    }
}

impl UserWire {
    /// The domain value of a user that was accepted before, without bookings.
    ///
    /// # Errors
    /// `Invalid` when the id is none.
    pub fn to_stored(&self) -> Result<User> {
        Ok(User {
            id: crate::domain::UserId::parse(&self.id)?,
            first: Text::from_stored(&self.first),
            last: Text::from_stored(&self.last),
            age: Age::from_stored(self.age.into()),
        })
    }
}
