//! Bookings: seats of one event for one holder.

use std::fmt;

use crate::domain::{BookingId, EventId, Fingerprint, Text, UnixSeconds, UserId, Version};
use crate::error::{Error, Result};

/// Seats of one event, granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Its id; the key to it while sign-in is off.
    pub id: BookingId,
    /// The event.
    pub event: EventId,
    /// The user it belongs to, if one is known.
    pub user: Option<UserId>,
    /// The holder's name, for the holder and the organiser only.
    pub name: Option<Text>,
    /// The holder's e-mail address, for the holder and the organiser only.
    pub email: Option<Text>,
    /// How many seats.
    pub seats: Seats,
    /// When it was made.
    pub date: UnixSeconds,
    /// Where it is in its life.
    pub state: BookingState,
    /// 1 when made, one more at each change of state.
    pub version: Version,
    /// What the request that made it asked for.
    pub fingerprint: Fingerprint,
    /// Whom limits per person count it for.
    pub person: Option<Person>,
}

impl Booking {
    /// Takes out everything that names a person: user, name, e-mail address, and whom limits count for.
    pub fn forget_person(&mut self) {
        self.user = None;
        self.name = None;
        self.email = None;
        self.person = None;
    }
}

/// A number of seats, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seats(u32);

impl Seats {
    /// Checks `seats`.
    ///
    /// # Errors
    /// `Invalid` below 1; `Unprocessable` above 2³¹−1.
    pub fn parse(seats: i64) -> Result<Self> {
        if seats < 1 {
            return Err(Error::invalid("Seats is below 1"));
        }
        match u32::try_from(seats) {
            Ok(value) if value <= i32::MAX as u32 => Ok(Self(value)),
            _ => Err(Error::unprocessable("Seats is above 2147483647")),
        }
    }

    /// Takes seats from a store, moved into range if they are outside.
    #[must_use]
    pub fn from_stored(seats: i64) -> Self {
        Self(u32::try_from(seats.clamp(1, i64::from(i32::MAX))).unwrap_or(1))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

/// Where a booking is in its life. States that this version does not know are kept as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BookingState {
    /// The seats are taken.
    Confirmed,
    /// The seats were given back. Final.
    Cancelled,
    /// A state of a later version, passed on unchanged.
    Other(Box<str>),
}

impl BookingState {
    /// The word on the wire and in stores.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for BookingState {
    fn from(word: &str) -> Self {
        match word {
            "confirmed" => Self::Confirmed,
            "cancelled" => Self::Cancelled,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for BookingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whom a limit per person counts for: the signed-in caller, else the user id, else the e-mail address in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person(Text);

impl Person {
    /// Takes the text that names the person.
    #[must_use]
    pub fn new(text: Text) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(hidden)")
    }
}

/// What one person may book of one event; `None` = as much as they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PersonLimits {
    /// The most seats over all their confirmed bookings.
    pub seats: Option<u32>,
    /// The most confirmed bookings.
    pub bookings: Option<u32>,
}

impl PersonLimits {
    /// Whether there is a limit at all.
    #[must_use]
    pub fn any(&self) -> bool {
        self.seats.is_some() || self.bookings.is_some()
    }
}
