//! Whom a message concerns, whether it is still true for them, and sending it to each once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use super::MailOptions;
use super::letter::{About, Letter};
use super::once::{Once, once};
use crate::contract::{BookingAnnouncement, EventAnnouncement};
use crate::domain::{Booking, BookingId, BookingState, Event, EventId, UnixMillis};
use crate::error::{Error, ErrorKind, Result};
use crate::observe::{Observation, Observer};
use crate::ports::{BookingFilter, BookingOwner, Clock, Mailer, Sent, Store};

/// How many bookings of a cancelled event are read at once.
const PAGE: usize = 100;
/// How often, and how far apart, the booking service's own copy is asked whether it knows of the cancelled event yet.
const LOOKS: u32 = 50;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Where lists lag behind writes the bookings are read a second time, so much later.
const LAG: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Holders {
    pub(super) store: Arc<dyn Store>,
    pub(super) mailer: Arc<dyn Mailer>,
    pub(super) options: MailOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: CancellationToken,
}

impl Holders {
    /// Seats were booked. Nothing is said if they were given back since. If the event was cancelled since, that is said: the
    /// booking may have been stored after those of the event were read.
    pub(super) async fn booked(&self, message: &BookingAnnouncement, said: UnixMillis) -> Result<()> {
        let Some((booking, event)) = self.find(message).await? else {
            return Ok(());
        };
        if booking.state != BookingState::Confirmed {
            return Ok(());
        }
        let about = if event.cancelled {
            About::EventCancelled
        } else {
            About::Booked
        };
        self.tell(about, &booking, &event, said).await
    }

    /// A booking was cancelled, which is final.
    pub(super) async fn cancelled(&self, message: &BookingAnnouncement, said: UnixMillis) -> Result<()> {
        let Some((booking, event)) = self.find(message).await? else {
            return Ok(());
        };
        if booking.state != BookingState::Cancelled {
            return Ok(());
        }
        self.tell(About::Cancelled, &booking, &event, said).await
    }

    /// An event was cancelled: every holder of a confirmed booking hears of it. What was mailed is remembered by booking, so
    /// an end in the middle costs nobody a mail and nobody a second one.
    pub(super) async fn event_cancelled(&self, message: &EventAnnouncement, said: UnixMillis) -> Result<()> {
        let id = EventId::parse(&message.id).map_err(malformed)?;
        let Some(event) = self.seen_cancelled(&id).await? else {
            return Ok(());
        };
        let first = self.walk(&event, said).await;
        if !self.store.capabilities().lists_lag || first.is_err() {
            return first;
        }
        tokio::select! {
            () = self.stop.cancelled() => return Err(stopping()),
            () = tokio::time::sleep(LAG) => {}
        }
        self.walk(&event, said).await
    }

    /// The copy once it is cancelled: from then on nobody can book, so that all bookings are to be found. `None` for an event
    /// that this service never knew.
    async fn seen_cancelled(&self, id: &EventId) -> Result<Option<Event>> {
        for _ in 0..LOOKS {
            match self.store.find_event(id).await? {
                None => return Ok(None),
                Some(record) if record.event.cancelled => return Ok(Some(record.event)),
                Some(_) => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(stopping()),
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        Err(later(
            "the booking service has not heard yet that the event is cancelled",
        ))
    }

    /// Mails all holders. Those that the server does not take now are passed over, and the error says that there were some;
    /// a server that is away ends it.
    async fn walk(&self, event: &Event, said: UnixMillis) -> Result<()> {
        let filter = BookingFilter {
            state: Some(BookingState::Confirmed),
            ..BookingFilter::all_of(BookingOwner::Event(event.id.clone()))
        };
        let mut after = None;
        let mut postponed = None;
        loop {
            let page = self.store.list_bookings(&filter, after.as_ref(), PAGE).await?;
            let reachable = page
                .items
                .into_iter()
                .filter(|booking| address(booking).is_some());
            let ended = CancellationToken::new();
            let mut told = stream::iter(reachable.map(|booking| {
                let ended = &ended;
                async move {
                    match ended.is_cancelled() {
                        true => Ok(()),
                        false => self.tell_now(&booking.id, event, said).await,
                    }
                }
            }))
            .buffer_unordered(self.options.parallel.max(1));
            // Those in hand are waited for, whatever happened to another: dropped, they would be sent again.
            let mut failed = None;
            while let Some(result) = told.next().await {
                match result {
                    Ok(()) => {}
                    Err(error) if error.kind() == POSTPONED => postponed = Some(error),
                    Err(error) => {
                        ended.cancel();
                        failed = Some(error);
                    }
                }
            }
            drop(told);
            if let Some(error) = failed {
                return Err(error);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return postponed.map_or(Ok(()), Err),
            }
        }
    }

    /// Reads the booking once more, as its page may be old by now.
    async fn tell_now(&self, id: &BookingId, event: &Event, said: UnixMillis) -> Result<()> {
        match self.store.find_booking(id).await? {
            Some(booking) if booking.state == BookingState::Confirmed => {
                self.tell(About::EventCancelled, &booking, event, said).await
            }
            _ => Ok(()),
        }
    }

    /// The booking and its event. `None` where there is nothing to mail about: a message of an original service, which names
    /// no booking; a booking that is not here; an event that nobody announced.
    async fn find(&self, message: &BookingAnnouncement) -> Result<Option<(Booking, Event)>> {
        let Some(id) = &message.booking_id else {
            return Ok(None);
        };
        let id = BookingId::parse(id).map_err(malformed)?;
        let Some(booking) = self.store.find_booking(&id).await? else {
            return Ok(None);
        };
        if address(&booking).is_none() {
            return Ok(None);
        }
        let record = self.store.find_event(&booking.event).await?;
        Ok(record.map(|record| (booking, record.event)))
    }

    /// Sends one mail, unless it was sent before, there is no address, or the event has ended since `said`.
    async fn tell(&self, about: About, booking: &Booking, event: &Event, said: UnixMillis) -> Result<()> {
        if self.stop.is_cancelled() {
            return Err(stopping());
        }
        let now = self.clock.now();
        let Some(to) = address(booking) else {
            return Ok(());
        };
        if said.seconds() <= event.end && event.end < now.seconds() {
            return Ok(());
        }
        let letter = Letter {
            about,
            booking,
            event,
            now,
            options: &self.options,
        };
        let name = format!("{}/{}", about.as_str(), booking.id);
        let send = || async { self.send(about, &letter.mail(to)).await };
        match once(&*self.store, &name, &self.stop, send).await? {
            Once::Done => Ok(()),
            Once::Elsewhere => Err(later("another consumer is at this mail, or was and ended")),
        }
    }

    /// A refusal for good is told here and is the end of it.
    async fn send(&self, about: About, mail: &crate::ports::Mail) -> Result<()> {
        let about = about.as_str();
        let count = |outcome| self.observer.observe(&Observation::Mail { about, outcome });
        match self.mailer.send(mail).await {
            Ok(Sent::Accepted) => {
                tracing::debug!(about, mail = mail.id, "a mail was sent");
                count("sent");
                Ok(())
            }
            Ok(Sent::Refused(why)) => {
                tracing::warn!(
                    about,
                    mail = mail.id,
                    why,
                    "a mail was refused for good and is not sent"
                );
                count("refused");
                Ok(())
            }
            Ok(Sent::Later(why)) => {
                count("retried");
                Err(later("the mail server asks to come back").with("reply", why))
            }
            Err(error) => {
                count("retried");
                Err(error)
            }
        }
    }
}

/// The kind of errors that concern one mail only. It counts as a try of its message, and others go on.
const POSTPONED: ErrorKind = ErrorKind::Conflict;

fn later(why: &'static str) -> Error {
    Error::new(POSTPONED, "mail holder", why)
}

fn stopping() -> Error {
    Error::new(ErrorKind::Unavailable, "mail holder", "the service stops")
}

fn malformed(error: Error) -> Error {
    Error::new(
        ErrorKind::Malformed,
        "mail holder",
        "an id in the message is not hex",
    )
    .caused_by(error)
}

fn address(booking: &Booking) -> Option<&crate::domain::Text> {
    booking
        .email
        .as_ref()
        .filter(|email| !email.as_str().trim().is_empty())
}
