//! Whom a message concerns, whether it is still true for them, and sending it to each once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::MailOptions;
use super::letter::{About, Letter};
use super::once::{Once, once};
use super::walk::Walk;
use crate::contract::{BookingAnnouncement, EventAnnouncement};
use crate::domain::{Booking, BookingId, BookingState, Event, EventId, UnixMillis, UnixSeconds};
use crate::error::{Error, ErrorKind, Result};
use crate::observe::{Observation, Observer};
use crate::ports::{Clock, Mailer, Sent, Store};

/// How often, and how far apart, the booking service's own copy is asked whether it knows of the cancelled event yet.
const LOOKS: u32 = 50;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Cancelled events whose holders are mailed at once; others wait.
const WALKS: usize = 2;
/// Where lists lag behind writes the bookings are read a second time, so much later.
const LAG: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Holders {
    pub(super) store: Arc<dyn Store>,
    mailer: Arc<dyn Mailer>,
    pub(super) options: MailOptions,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    pub(super) stop: CancellationToken,
    /// Taken before a mail is begun, so that no lease runs while it only waits.
    sending: Semaphore,
    walking: Semaphore,
    /// How far this process has come with cancelled events whose holders are not all told.
    pub(super) walks: Mutex<HashMap<EventId, Walk>>,
    /// Mails that the server took, whatever they are about.
    pub(super) accepted: AtomicU64,
}

impl Holders {
    pub(super) fn new(
        store: Arc<dyn Store>,
        mailer: Arc<dyn Mailer>,
        options: MailOptions,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            sending: Semaphore::new(options.parallel.max(1)),
            walking: Semaphore::new(WALKS),
            walks: Mutex::default(),
            accepted: AtomicU64::new(0),
            store,
            mailer,
            options,
            clock,
            observer,
            stop,
        }
    }

    /// Seats were booked. Nothing is said if they were given back since. If the event was cancelled since, that is said: the
    /// booking may have been stored after those of the event were read.
    pub(super) async fn booked(&self, message: &BookingAnnouncement, said: UnixMillis) -> Result<()> {
        let Some((booking, event)) = self.find(message).await? else {
            return Ok(());
        };
        let about = match event.cancelled {
            true => About::EventCancelled,
            false => About::Booked,
        };
        self.tell(about, &booking.id, &event, said).await
    }

    /// A booking was cancelled, which is final.
    pub(super) async fn cancelled(&self, message: &BookingAnnouncement, said: UnixMillis) -> Result<()> {
        match self.find(message).await? {
            Some((booking, event)) => self.tell(About::Cancelled, &booking.id, &event, said).await,
            None => Ok(()),
        }
    }

    /// An event was cancelled: every holder of a confirmed booking hears of it. What was mailed is remembered by booking, so
    /// an end in the middle costs nobody a mail. Once `enough` is cancelled the round ends and the next goes on.
    pub(super) async fn event_cancelled(
        &self,
        message: &EventAnnouncement,
        said: UnixMillis,
        enough: &CancellationToken,
    ) -> Result<()> {
        let id = EventId::parse(&message.id).map_err(malformed)?;
        let Some(event) = self.seen_cancelled(&id).await? else {
            return Ok(());
        };
        let ended = UnixSeconds::EPOCH < event.end && event.end < self.clock.now().seconds();
        if ended {
            return Ok(());
        }
        let _turn = tokio::select! {
            () = self.stop.cancelled() => return Err(stopping()),
            () = enough.cancelled() => return Err(goes_on()),
            turn = self.walking.acquire() => turn,
        };
        self.walk(&event, said, enough).await?;
        if self.store.capabilities().lists_lag {
            tokio::select! {
                () = self.stop.cancelled() => return Err(stopping()),
                () = tokio::time::sleep(LAG) => {}
            }
            self.walk(&event, said, enough).await?;
        }
        Ok(())
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

    /// Sends one mail, unless it was sent before, there is no address, or it is not true any more. The booking is read when it is its
    /// turn: what was read before may be old by then.
    pub(super) async fn tell(
        &self,
        about: About,
        id: &BookingId,
        event: &Event,
        said: UnixMillis,
    ) -> Result<()> {
        let turn = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(stopping()),
            turn = self.sending.acquire() => turn,
        };
        let now = self.clock.now();
        if said.seconds() <= event.end && event.end < now.seconds() {
            return Ok(());
        }
        let wanted = match about {
            About::Booked | About::EventCancelled => BookingState::Confirmed,
            About::Cancelled => BookingState::Cancelled,
        };
        let stored = self.store.find_booking(id).await?;
        let Some(booking) = stored.filter(|booking| booking.state == wanted) else {
            return Ok(());
        };
        let Some(to) = address(&booking) else {
            return Ok(());
        };
        let letter = Letter {
            about,
            booking: &booking,
            event,
            now,
            options: &self.options,
        };
        let name = format!("{}/{id}", about.as_str());
        let send = || async { self.send(about, &letter.mail(to)).await };
        let sent = once(&*self.store, &name, &self.stop, send).await;
        drop(turn);
        match sent? {
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
                self.accepted.fetch_add(1, Ordering::Relaxed);
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
            // It may have come: tried again like one that was put off, a few times and with growing pauses, not for ever.
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                count("unknown");
                Err(later("the mail server's answer was lost: it may have the mail").caused_by(error))
            }
            Err(error) => {
                count("retried");
                Err(error)
            }
        }
    }
}

/// The kind of errors that concern one mail only. It counts as a try of its message, and others go on.
pub(super) const POSTPONED: ErrorKind = ErrorKind::Conflict;

pub(super) fn later(why: &'static str) -> Error {
    Error::new(POSTPONED, "mail holder", why)
}

pub(super) fn goes_on() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "mail holder",
        "an event has many holders; the next round goes on",
    )
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

pub(super) fn address(booking: &Booking) -> Option<&crate::domain::Text> {
    booking
        .email
        .as_ref()
        .filter(|email| !email.as_str().trim().is_empty())
}
