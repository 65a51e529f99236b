//! Events and the capacity they offer.

use crate::domain::{
    Capacity, EventId, Fingerprint, Location, Minutes, Name, PersonLimits, Text, UnixSeconds, Version,
};
use crate::error::{Error, Result};

/// Something people book seats for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Its name.
    pub name: Name,
    /// How long it lasts.
    pub duration: Minutes,
    /// When it starts.
    pub start: UnixSeconds,
    /// When it ends; never before it starts.
    pub end: UnixSeconds,
    /// Where it is; a copy, so a later change of the location does not change the event.
    pub location: Option<Location>,
    /// The halls it uses; empty = all of the location.
    pub hall_names: Vec<Text>,
    /// When sales start, if that was said.
    pub sales_start: Option<UnixSeconds>,
    /// When sales end, if that was said.
    pub sales_end: Option<UnixSeconds>,
    /// The most seats of one booking, if it differs from the service's setting.
    pub max_seats_per_booking: Option<u32>,
    /// What one person may book.
    pub person_limits: PersonLimits,
    /// Whether it was cancelled. That is final.
    pub cancelled: bool,
}

impl Event {
    /// Checks the rules between fields.
    ///
    /// # Errors
    /// `Unprocessable` when it ends before it starts, sales end before they start, or a hall is named that the
    /// location does not have.
    pub fn validate(&self) -> Result<()> {
        if self.end < self.start {
            return Err(Error::unprocessable("EndDate is before StartDate"));
        }
        if let (Some(start), Some(end)) = (self.sales_start, self.sales_end)
            && end < start
        {
            return Err(Error::unprocessable("SalesEnd is before SalesStart"));
        }
        let halls = self.location.as_ref().map_or(&[][..], |location| &location.halls);
        for name in &self.hall_names {
            if !halls.iter().any(|hall| hall.name == *name) {
                return Err(Error::unprocessable(
                    "HallNames names a hall that the location does not have",
                ));
            }
        }
        Ok(())
    }

    /// The seats of the halls it uses: unknown without a location or without halls.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        let location = self.location.as_ref()?;
        if self.hall_names.is_empty() {
            return location.capacity();
        }
        let used = location
            .halls
            .iter()
            .filter(|hall| self.hall_names.contains(&hall.name));
        Some(used.map(|hall| u64::from(hall.capacity)).sum())
    }
}

/// An event as a store keeps it: the owner's record in the event service, a copy in the booking service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The event.
    pub event: Event,
    /// Its version, one more at each change.
    pub version: Version,
    /// What the request that made it asked for.
    pub fingerprint: Fingerprint,
    /// Who made it, if somebody was signed in.
    pub owner: Option<Text>,
    /// In a copy that came without location: the id, as announced, of the location that would tell its capacity.
    pub awaiting_location: Option<Text>,
}
