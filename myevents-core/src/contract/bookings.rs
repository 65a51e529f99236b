//! What the booking service announces: bookings made and cancelled, never with a name or an e-mail address.

use serde::{Deserialize, Serialize};

use crate::contract::Message;
use crate::contract::announcements::message;
use crate::domain::{Booking, Version};

/// The body of `event.booked` and `booking.cancelled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BookingAnnouncement {
    /// The event's id, hex digits.
    pub event_id: String,
    /// The user's id, or `anonymous`.
    pub user_id: String,
    /// The booking's id. Left out by the original services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<String>,
    /// Its seats. Left out by the original services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<u32>,
    /// Its version after the change. Left out by the original services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl BookingAnnouncement {
    /// Announces `booking` as it is at `version`.
    #[must_use]
    pub fn new(booking: &Booking, version: Version) -> Self {
        Self {
            event_id: booking.event.to_string(),
            user_id: booking
                .user
                .as_ref()
                .map_or_else(|| "anonymous".to_owned(), ToString::to_string),
            booking_id: Some(booking.id.to_string()),
            seats: Some(booking.seats.get()),
            version: Some(version.0),
        }
    }
}

message!(
    /// Seats of an event were booked.
    EventBooked(BookingAnnouncement) = "event.booked",
    "an event was booked"
);
message!(
    /// A booking was cancelled.
    BookingCancelled(BookingAnnouncement) = "booking.cancelled",
    "a booking was cancelled and its seats given back"
);
