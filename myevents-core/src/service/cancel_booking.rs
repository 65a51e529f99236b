//! Use case: cancel a booking. Its seats come back, once.

use tokio::time::Instant;

use crate::contract::{BookingAnnouncement, BookingCancelled};
use crate::domain::{AuditAction, Booking, BookingId, BookingState};
use crate::error::{Error, ErrorKind, Result};
use crate::observe::Observation;
use crate::ports::{CancelOutcome, CancelRequest};
use crate::service::{BookingService, RequestContext};

impl BookingService {
    /// Cancels a booking: asking again changes nothing and answers the same.
    ///
    /// # Errors
    /// `NotFound`, for the booking of another too; `Overloaded` when the desk is full, too slow or closing; `Unavailable`, `OutcomeUnknown`: ask again.
    pub async fn cancel_booking(&self, context: &RequestContext, id: &BookingId) -> Result<Booking> {
        let deadline = Instant::now() + self.settings.request_timeout;
        let Some(booking) = self.store.find_booking(id).await? else {
            return Err(unknown_booking());
        };
        if !self.may_see(context, booking.user.as_ref()) {
            return Err(unknown_booking());
        }
        if booking.state != BookingState::Confirmed {
            return Ok(booking);
        }
        let body = BookingCancelled(BookingAnnouncement::new(&booking, booking.version.next()));
        let message = self.announcer.announce(&body, id.to_string(), context)?;
        let audit = self.is_of_another(context, &booking).then(|| {
            let version = booking.version.next();
            let action = AuditAction::BOOKING_CANCELLED;
            self.announcer.audit(context, action, id.into(), Some(version))
        });
        let request = CancelRequest {
            booking: id.clone(),
            event: booking.event,
            message,
            audit,
            deadline,
        };
        match self.desks.cancel(request).await? {
            CancelOutcome::Cancelled(booking) => {
                self.observer.observe(&Observation::BookingCancelled {
                    seats: booking.seats.get(),
                });
                Ok(booking)
            }
            CancelOutcome::Already(booking) => Ok(booking),
            CancelOutcome::Unknown => Err(unknown_booking()),
        }
    }

    /// Whether a caller who is known is not the holder of a booking. Where nobody signs in, whoever knows its id is.
    fn is_of_another(&self, context: &RequestContext, booking: &Booking) -> bool {
        let caller = self.user_of(&context.caller);
        caller.is_some() && caller != booking.user
    }
}

fn unknown_booking() -> Error {
    Error::new(ErrorKind::NotFound, "cancel booking", "no booking has this id")
}
