//! What creating requests ask for, parsed, and the fingerprints of that.

use crate::domain::{
    Age, BookingId, EventId, Fingerprint, FingerprintBuilder, Hall, HourOfDay, LocationId, Minutes, Name,
    PersonLimits, Seats, Text, TimeZoneName, UnixSeconds, UserId,
};

/// An event as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// The id wanted, if one was given.
    pub id: Option<EventId>,
    /// The name.
    pub name: Name,
    /// How long it lasts.
    pub duration: Minutes,
    /// When it starts.
    pub start: UnixSeconds,
    /// When it ends.
    pub end: UnixSeconds,
    /// Where it is.
    pub location: Option<LocationDraft>,
    /// The halls it uses; empty = all.
    pub hall_names: Vec<Text>,
    /// When sales start.
    pub sales_start: Option<UnixSeconds>,
    /// When sales end.
    pub sales_end: Option<UnixSeconds>,
    /// The most seats of one booking.
    pub max_seats_per_booking: Option<u32>,
    /// What one person may book.
    pub person_limits: PersonLimits,
}

/// A location as asked for, alone or inside an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocationDraft {
    /// The id wanted, or of the stored location meant.
    pub id: Option<LocationId>,
    /// The name.
    pub name: Text,
    /// Street and town.
    pub address: Text,
    /// The country.
    pub country: Text,
    /// The hour it opens.
    pub open_time: HourOfDay,
    /// The hour it closes.
    pub close_time: HourOfDay,
    /// The halls.
    pub halls: Vec<Hall>,
    /// The time zone.
    pub time_zone: Option<TimeZoneName>,
}

/// A user as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDraft {
    /// The id wanted, if one was given.
    pub id: Option<UserId>,
    /// First name.
    pub first: Text,
    /// Last name.
    pub last: Text,
    /// Years.
    pub age: Age,
}

/// A booking as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingDraft {
    /// The id wanted, if one was given.
    pub id: Option<BookingId>,
    /// The event.
    pub event: EventId,
    /// How many seats.
    pub seats: Seats,
    /// The holder's name.
    pub name: Option<Text>,
    /// The holder's e-mail address.
    pub email: Option<Text>,
    /// The user it is for.
    pub user: Option<UserId>,
}

fn number(builder: FingerprintBuilder, value: Option<i64>) -> FingerprintBuilder {
    builder.optional(value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
}

impl LocationDraft {
    /// Whether nothing at all was said.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    fn add_to(&self, builder: FingerprintBuilder) -> FingerprintBuilder {
        let mut builder = builder
            .optional(self.id.as_ref().map(LocationId::as_bytes))
            .field(self.name.as_str().as_bytes())
            .field(self.address.as_str().as_bytes())
            .field(self.country.as_str().as_bytes())
            .number(self.open_time.get().into())
            .number(self.close_time.get().into())
            .optional(self.time_zone.as_ref().map(|zone| zone.as_str().as_bytes()))
            .number(i64::try_from(self.halls.len()).unwrap_or(i64::MAX));
        for hall in &self.halls {
            builder = builder
                .field(hall.name.as_str().as_bytes())
                .field(hall.location.as_str().as_bytes())
                .number(hall.capacity.into());
        }
        builder
    }

    /// What the request asked for.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.add_to(Fingerprint::of("POST /locations")).finish()
    }
}

impl EventDraft {
    /// What the request asked for.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut builder = Fingerprint::of("POST /events")
            .field(self.name.as_str().as_bytes())
            .number(self.duration.get().into())
            .number(self.start.get())
            .number(self.end.get());
        builder = match &self.location {
            Some(location) => location.add_to(builder.number(1)),
            None => builder.number(0),
        };
        builder = builder.number(i64::try_from(self.hall_names.len()).unwrap_or(i64::MAX));
        for hall in &self.hall_names {
            builder = builder.field(hall.as_str().as_bytes());
        }
        for value in [
            self.sales_start.map(UnixSeconds::get),
            self.sales_end.map(UnixSeconds::get),
            self.max_seats_per_booking.map(i64::from),
            self.person_limits.seats.map(i64::from),
            self.person_limits.bookings.map(i64::from),
        ] {
            builder = number(builder, value);
        }
        builder.finish()
    }
}

impl UserDraft {
    /// What the request asked for.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("POST /users")
            .field(self.first.as_str().as_bytes())
            .field(self.last.as_str().as_bytes())
            .number(self.age.get().into())
            .finish()
    }
}

impl BookingDraft {
    /// What the request asked for: route, event, seats and user. Name and address may be corrected in a retry.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("POST /events/{id}/bookings")
            .field(self.event.as_bytes())
            .number(self.seats.get().into())
            .optional(self.user.as_ref().map(UserId::as_bytes))
            .finish()
    }
}
