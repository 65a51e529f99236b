//! The rules of sale that need no counter: when, how many at once, for whom.

use crate::domain::{Event, UnixSeconds};
use crate::ports::{BookingRequest, Outcome};

/// The default of [`SalesRules::max_seats_per_booking`].
const DEFAULT_MAX_SEATS: u32 = 20;

/// A service's settings for sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SalesRules {
    /// The most seats of one booking, where the event does not say.
    pub max_seats_per_booking: u32,
    /// Whether events that have ended are refused.
    pub refuse_past_events: bool,
}

impl Default for SalesRules {
    fn default() -> Self {
        Self {
            max_seats_per_booking: DEFAULT_MAX_SEATS,
            refuse_past_events: false,
        }
    }
}

impl SalesRules {
    /// Why `request` may not be decided by the counter at all; `None` = it may.
    #[must_use]
    pub fn refusal(&self, event: &Event, request: &BookingRequest, now: UnixSeconds) -> Option<Outcome> {
        if event.cancelled {
            return Some(Outcome::EventCancelled);
        }
        let started = event.sales_start.is_none_or(|start| start <= now);
        let ended = event.sales_end.is_some_and(|end| end < now);
        if !started || ended || (self.refuse_past_events && event.end < now) {
            return Some(Outcome::NotOnSale);
        }
        let max = event.max_seats_per_booking.unwrap_or(self.max_seats_per_booking);
        if request.booking.seats.get() > max {
            return Some(Outcome::TooManySeats { max });
        }
        if event.person_limits.any() && request.booking.person.is_none() {
            return Some(Outcome::PersonRequired);
        }
        None
    }
}
