//! Use case: book seats of an event.

use tokio::time::Instant;

use crate::contract::{BookingAnnouncement, EventBooked};
use crate::domain::{Booking, BookingId, BookingState, Person, Text, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::observe::Observation;
use crate::ports::{BookingRequest, Outcome};
use crate::service::{BookingDraft, BookingService, Caller, IdempotencyKey, RequestContext};

impl BookingService {
    /// Books all seats asked for or none. Asking again with the same id or key and the same content answers
    /// [`Outcome::Existing`] with the booking as it is now, cancelled or not.
    ///
    /// A refusal speaks of this try and of those that had ended when it was decided: while an earlier try of the same
    /// key still runs in another process, that one may be granted after this one was refused.
    ///
    /// With sign-in the caller is the user; their record is made when they first book.
    ///
    /// # Errors
    /// `Unprocessable` when the user is not known; `Forbidden` when a signed-in caller names another user; `Overloaded` when the desk is full, too slow or closing;
    /// `Unavailable`, `OutcomeUnknown`: ask again with the same key.
    pub async fn book_event(
        &self,
        context: &RequestContext,
        key: Option<&IdempotencyKey>,
        draft: BookingDraft,
    ) -> Result<Outcome> {
        let deadline = Instant::now() + self.settings.request_timeout;
        let event = draft.event.clone();
        let draft = self.for_caller(context, draft)?;
        let booking = self.booking_of(context, key, draft);
        if let Some(user) = &booking.user
            && self.store.find_user(user).await?.is_none()
        {
            match &context.caller {
                Caller::Anonymous => return self.refuse_unknown_user(&booking).await,
                Caller::Subject { .. } => self.add_caller(user).await?,
            }
        }
        let body = EventBooked(BookingAnnouncement::new(&booking, booking.version));
        let message = self.announcer.announce(&body, booking.id.to_string(), context)?;
        let request = BookingRequest {
            booking,
            limits: Default::default(),
            message,
            deadline,
        };

        let outcome = self.desks.book(&event, request).await?;
        if let Some(reason) = refusal_word(&outcome) {
            self.observer.observe(&Observation::BookingRefused { reason });
        }
        Ok(outcome)
    }

    /// With sign-in the booking is the caller's, whatever the body says or leaves out.
    fn for_caller(&self, context: &RequestContext, draft: BookingDraft) -> Result<BookingDraft> {
        let Some(own) = self.user_of(&context.caller) else {
            return Ok(draft);
        };
        if draft.user.as_ref().is_some_and(|named| *named != own) {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "book event",
                "userId is another than the signed-in caller",
            ));
        }
        Ok(BookingDraft {
            user: Some(own),
            ..draft
        })
    }

    /// A retry finds its booking even if its user was removed meanwhile.
    async fn refuse_unknown_user(&self, booking: &Booking) -> Result<Outcome> {
        match self.store.find_booking(&booking.id).await? {
            Some(stored) if stored.fingerprint == booking.fingerprint => Ok(Outcome::Existing(stored)),
            Some(_) => Ok(Outcome::KeyReused),
            None => Err(Error::unprocessable("userId names no known user")),
        }
    }

    /// The booking that is stored if it is granted: id, date and all are made once, before the first try.
    fn booking_of(
        &self,
        context: &RequestContext,
        key: Option<&IdempotencyKey>,
        draft: BookingDraft,
    ) -> Booking {
        let fingerprint = draft.fingerprint();
        let key = key.filter(|_| draft.id.is_none());
        let id = draft
            .id
            .clone()
            .unwrap_or_else(|| BookingId::from(self.new_id("booking", key, context)));
        Booking {
            id,
            person: person_of(context, &draft),
            event: draft.event,
            user: draft.user,
            name: draft.name,
            email: draft.email,
            seats: draft.seats,
            date: self.clock.now().seconds(),
            state: BookingState::Confirmed,
            version: Version::FIRST,
            fingerprint,
        }
    }
}

/// Whom limits count for: the signed-in caller, else the user, else the e-mail address in lower case. Blanks name nobody.
fn person_of(context: &RequestContext, draft: &BookingDraft) -> Option<Person> {
    let email = draft.email.as_ref().map(|email| email.as_str().trim());
    let text = match (context.caller.identity(), &draft.user, email) {
        (Some(identity), _, _) => format!("subject:{identity}"),
        (None, Some(user), _) => format!("user:{user}"),
        (None, None, Some(email)) if !email.is_empty() => {
            format!("email:{}", email.to_lowercase())
        }
        (None, None, _) => return None,
    };
    Some(Person::new(Text::from_stored(&text)))
}

fn refusal_word(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Booked(_) | Outcome::Existing(_) => None,
        Outcome::KeyReused => Some("key-reused"),
        Outcome::SoldOut { .. } => Some("sold-out"),
        Outcome::UnknownEvent => Some("unknown-event"),
        Outcome::EventCancelled => Some("event-cancelled"),
        Outcome::CapacityUnknown => Some("capacity-unknown"),
        Outcome::NotOnSale => Some("not-on-sale"),
        Outcome::TooManySeats { .. } => Some("too-many-seats"),
        Outcome::LimitReached => Some("limit-reached"),
        Outcome::PersonRequired => Some("person-required"),
    }
}
