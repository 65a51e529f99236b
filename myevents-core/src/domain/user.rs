//! People who book.

use crate::domain::{Fingerprint, Text, UserId};
use crate::error::{Error, Result};

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// First name; may be empty.
    pub first: Text,
    /// Last name; may be empty.
    pub last: Text,
    /// Age in years, 0 if not said.
    pub age: Age,
}

/// An age in years, 0 to 150.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Age(u8);

impl Age {
    /// Checks `years`.
    ///
    /// # Errors
    /// `Unprocessable` outside 0…150.
    pub fn parse(years: i64) -> Result<Self> {
        u8::try_from(years)
            .ok()
            .filter(|years| *years <= 150)
            .map(Self)
            .ok_or_else(|| Error::unprocessable("Age is not within 0 and 150"))
    }

    /// Takes an age from a store, moved into range if it is outside.
    #[must_use]
    pub fn from_stored(years: i64) -> Self {
        Self(u8::try_from(years.clamp(0, 150)).unwrap_or_default())
    }

    /// The years.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

/// A user as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The user.
    pub user: User,
    /// What the request that made it asked for.
    pub fingerprint: Fingerprint,
}
