//! Which fields a change changes, by their names in the contract, for the audit log.

use std::borrow::Cow;

use crate::domain::{Event, Location};

type Names = Vec<Cow<'static, str>>;

fn changed<const N: usize>(fields: [(&'static str, bool); N]) -> Names {
    let changed = fields.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(name, _)| Cow::Borrowed(name)).collect()
}

/// Those that differ between two states of an event.
pub(super) fn event_fields(old: &Event, new: &Event) -> Names {
    // Taken apart, so that a field that is added can't be forgotten here.
    let Event {
        id: _,
        name,
        duration,
        start,
        end,
        location,
        hall_names,
        sales_start,
        sales_end,
        max_seats_per_booking,
        person_limits,
        cancelled,
    } = old;
    changed([
        ("Name", *name != new.name),
        ("Duration", *duration != new.duration),
        ("StartDate", *start != new.start),
        ("EndDate", *end != new.end),
        ("Location", *location != new.location),
        ("HallNames", *hall_names != new.hall_names),
        ("SalesStart", *sales_start != new.sales_start),
        ("SalesEnd", *sales_end != new.sales_end),
        (
            "MaxSeatsPerBooking",
            *max_seats_per_booking != new.max_seats_per_booking,
        ),
        (
            "MaxSeatsPerPerson",
            person_limits.seats != new.person_limits.seats,
        ),
        (
            "MaxBookingsPerPerson",
            person_limits.bookings != new.person_limits.bookings,
        ),
        ("Cancelled", *cancelled != new.cancelled),
    ])
}

/// Those that differ between two states of a location.
pub(super) fn location_fields(old: &Location, new: &Location) -> Names {
    let Location {
        id: _,
        name,
        address,
        country,
        open_time,
        close_time,
        halls,
        time_zone,
    } = old;
    changed([
        ("Name", *name != new.name),
        ("Address", *address != new.address),
        ("Country", *country != new.country),
        ("OpenTime", *open_time != new.open_time),
        ("CloseTime", *close_time != new.close_time),
        ("Halls", *halls != new.halls),
        ("TimeZone", *time_zone != new.time_zone),
    ])
}
