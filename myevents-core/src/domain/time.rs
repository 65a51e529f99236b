//! Points in time, durations and versions as the contract counts them.

use std::fmt;

use crate::error::{Error, Result};

/// Unix time in whole seconds, within the years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixSeconds(i64);

impl UnixSeconds {
    /// 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// Checks `seconds`; `field` names it in the error.
    ///
    /// # Errors
    /// `Unprocessable` outside 0…253402300799.
    pub fn parse(field: &str, seconds: i64) -> Result<Self> {
        if (0..=Self::MAX.0).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(Error::unprocessable(format!(
                "{field} is not within 0 and {} (the year 9999)",
                Self::MAX.0
            )))
        }
    }

    /// Takes seconds from a store, moved into range if they are outside.
    #[must_use]
    pub fn from_stored(seconds: i64) -> Self {
        Self(seconds.clamp(0, Self::MAX.0))
    }

    /// The seconds.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

/// Unix time in milliseconds: when a message was made, when a lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The whole seconds of it.
    #[must_use]
    pub fn seconds(self) -> UnixSeconds {
        UnixSeconds::from_stored(self.0.div_euclid(1_000))
    }

    /// This point in time moved on by `duration`.
    #[must_use]
    pub fn plus(self, duration: std::time::Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

/// A duration of an event in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Minutes(u32);

impl Minutes {
    /// Checks `minutes`.
    ///
    /// # Errors
    /// `Unprocessable` when it is negative or above 2³¹−1.
    pub fn parse(minutes: i64) -> Result<Self> {
        match u32::try_from(minutes) {
            Ok(value) if value <= i32::MAX as u32 => Ok(Self(value)),
            _ => Err(Error::unprocessable(
                "Duration is not within 0 and 2147483647 minutes",
            )),
        }
    }

    /// Takes minutes from a store, moved into range if they are outside.
    #[must_use]
    pub fn from_stored(minutes: i64) -> Self {
        Self(u32::try_from(minutes.clamp(0, i64::from(i32::MAX))).unwrap_or_default())
    }

    /// The minutes.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

/// The version of a record: 1 when it is made by us, one more at each change, 0 for what an old service announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(pub u64);

impl Version {
    /// The version of a record that has just been made.
    pub const FIRST: Self = Self(1);
    /// The version of what came without one.
    pub const NONE: Self = Self(0);

    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}
