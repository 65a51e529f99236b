//! Locations, their halls, and the capacity that halls add up to.

use crate::domain::{Fingerprint, LocationId, Name, Text, Version};
use crate::error::{Error, Result};

/// Seats that can be sold; `None` = unknown, which is not zero.
pub type Capacity = Option<u64>;

/// A place with halls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its id.
    pub id: LocationId,
    /// Its name; may be empty for a location given inside an event.
    pub name: Text,
    /// Street and town.
    pub address: Text,
    /// The country, as people write it.
    pub country: Text,
    /// The hour it opens.
    pub open_time: HourOfDay,
    /// The hour it closes.
    pub close_time: HourOfDay,
    /// The halls; without any the capacity of an event here is unknown.
    pub halls: Vec<Hall>,
    /// The IANA time zone, if one was given.
    pub time_zone: Option<TimeZoneName>,
}

impl Location {
    /// The seats of all halls, or unknown without halls.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        if self.halls.is_empty() {
            return None;
        }
        Some(self.halls.iter().map(|hall| u64::from(hall.capacity)).sum())
    }
}

/// A room with seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hall {
    /// Its name.
    pub name: Text,
    /// Where in the building it is; may be empty.
    pub location: Text,
    /// Its seats, at most [`Hall::MAX_CAPACITY`].
    pub capacity: u32,
}

impl Hall {
    /// The most seats of one hall.
    pub const MAX_CAPACITY: u32 = i32::MAX as u32;

    /// Checks a number of seats.
    ///
    /// # Errors
    /// `Unprocessable` when it is negative or above [`Hall::MAX_CAPACITY`].
    pub fn parse_capacity(seats: i64) -> Result<u32> {
        u32::try_from(seats)
            .ok()
            .filter(|seats| *seats <= Self::MAX_CAPACITY)
            .ok_or_else(|| Error::unprocessable("the capacity of a hall is not within 0 and 2147483647"))
    }
}

/// An hour of the day, 0 to 23.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HourOfDay(u8);

impl HourOfDay {
    /// Checks `hour`; `field` names it in the error.
    ///
    /// # Errors
    /// `Unprocessable` outside 0…23.
    pub fn parse(field: &str, hour: i64) -> Result<Self> {
        u8::try_from(hour)
            .ok()
            .filter(|hour| *hour < 24)
            .map(Self)
            .ok_or_else(|| Error::unprocessable(format!("{field} is not an hour from 0 to 23")))
    }

    /// Takes an hour from a store, moved into range if it is outside.
    #[must_use]
    pub fn from_stored(hour: i64) -> Self {
        Self(u8::try_from(hour.clamp(0, 23)).unwrap_or_default())
    }

    /// The hour.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

/// The name of an IANA time zone, such as `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZoneName(Name);

impl TimeZoneName {
    /// Checks that `name` is a known time zone.
    ///
    /// # Errors
    /// `Unprocessable` when it is not.
    pub fn parse(name: &str) -> Result<Self> {
        match jiff::tz::TimeZone::get(name) {
            Ok(_) => Name::parse("TimeZone", name).map(Self),
            Err(_) => Err(Error::unprocessable(
                "TimeZone is not the name of an IANA time zone",
            )),
        }
    }

    /// Takes a name from a store without checking it again.
    #[must_use]
    pub fn from_stored(name: &str) -> Self {
        Self(Name::from_stored(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A location as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationRecord {
    /// The location.
    pub location: Location,
    /// Its version, one more at each change.
    pub version: Version,
    /// What the request that made it asked for.
    pub fingerprint: Fingerprint,
    /// Who made it, if somebody was signed in.
    pub owner: Option<Text>,
    /// Whether it was deleted. The record stays, so that its version goes on and a late message can't revive it.
    pub deleted: bool,
}
