//! What mails say, and to whom, once: on the memory store with a mail server that answers as it is told.

mod group;
mod rounds;
mod texts;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::holders::Holders;
use super::{Language, MailOptions};
use crate::contract::{BookingAnnouncement, EventAnnouncement};
use crate::domain::{
    Booking, BookingId, BookingState, Event, EventId, EventRecord, Fingerprint, Location, LocationId,
    Minutes, Name, PersonLimits, Seats, Text, TimeZoneName, UnixMillis, UnixSeconds, Version,
};
use crate::error::{Error, ErrorKind, Result};
use crate::memory::MemoryStore;
use crate::observe::NoObserver;
use crate::ports::{
    ApplyMode, BookOptions, BookingRequest, CancelRequest, Clock, DatabaseHandler, EventProjection, Mail,
    Mailer, Outcome, Sent, SystemClock,
};

const START: i64 = 4_000_000_000;
const SAID: UnixMillis = UnixMillis(1_700_000_000_000);

/// Answers in the order it was told, then takes everything, but what the recipient's address says: `later…` is put off always,
/// and of `lost…` the answer is lost each time.
#[derive(Debug, Default)]
struct Server {
    mails: Mutex<Vec<Mail>>,
    answers: Mutex<VecDeque<Result<Sent>>>,
    /// Whom it was asked to take a mail for, and when.
    asked: Mutex<Vec<(String, Instant)>>,
    /// After so many more mails it is enough for this round.
    enough: Mutex<Option<(usize, CancellationToken)>>,
}

#[async_trait]
impl Mailer for Server {
    async fn send(&self, mail: &Mail) -> Result<Sent> {
        self.asked.lock().push((mail.to.to_string(), Instant::now()));
        if let Some((more, enough)) = &mut *self.enough.lock() {
            *more = more.saturating_sub(1);
            if *more == 0 {
                enough.cancel();
            }
        }
        let told = self.answers.lock().pop_front();
        let answer = told.unwrap_or_else(|| match mail.to.as_str() {
            to if to.starts_with("later") => Ok(Sent::Later("450".into())),
            to if to.starts_with("lost") => Err(lost()),
            _ => Ok(Sent::Accepted),
        });
        if matches!(answer, Ok(Sent::Accepted)) {
            self.mails.lock().push(mail.clone());
        }
        answer
    }

    async fn close(&self) {}
}

fn mail_options(language: Language) -> MailOptions {
    MailOptions {
        from: "tickets@example.org".into(),
        language,
        public_url: Some("https://tickets.example.org".into()),
        parallel: 3,
    }
}

struct World {
    store: Arc<MemoryStore>,
    server: Arc<Server>,
    holders: Holders,
}

fn world(language: Language) -> World {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let server = Arc::new(Server::default());
    let holders = Holders::new(
        Arc::<MemoryStore>::clone(&store),
        Arc::<Server>::clone(&server),
        mail_options(language),
        Arc::new(SystemClock),
        Arc::new(NoObserver),
        CancellationToken::new(),
    );
    World {
        store,
        server,
        holders,
    }
}

fn event(name: &str) -> Event {
    Event {
        id: EventId::from([7; 12]),
        name: Name::from_stored(name),
        duration: Minutes::default(),
        start: UnixSeconds::from_stored(START),
        end: UnixSeconds::from_stored(START + 7_200),
        location: Some(Location {
            id: LocationId::from([8; 12]),
            name: Text::from_stored("Opera; \"House\""),
            address: Text::from_stored("1, West Street"),
            country: Text::from_stored(""),
            open_time: Default::default(),
            close_time: Default::default(),
            halls: Vec::new(),
            time_zone: Some(TimeZoneName::from_stored("Europe/Berlin")),
        }),
        hall_names: Vec::new(),
        sales_start: None,
        sales_end: None,
        max_seats_per_booking: None,
        person_limits: PersonLimits::default(),
        cancelled: false,
    }
}

impl World {
    async fn project(&self, event: Event, version: u64) {
        let projection = EventProjection {
            record: EventRecord {
                fingerprint: Fingerprint::of("test").finish(),
                event,
                version: Version(version),
                owner: None,
                awaiting_location: None,
            },
            capacity: Some(1_000),
            mode: ApplyMode::Newer,
        };
        self.store.project_event(&projection).await.unwrap();
    }

    async fn book(&self, number: u8, name: Option<&str>, email: Option<&str>) -> Booking {
        let booking = Booking {
            id: BookingId::from([number; 12]),
            event: EventId::from([7; 12]),
            user: None,
            name: name.map(Text::from_stored),
            email: email.map(Text::from_stored),
            seats: Seats::from_stored(2),
            date: UnixSeconds::from_stored(1_700_000_000),
            state: BookingState::Confirmed,
            version: Version::FIRST,
            fingerprint: Fingerprint::of("test").finish(),
            person: None,
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let request = BookingRequest {
            booking,
            limits: PersonLimits::default(),
            message: message(&format!("b{number}")),
            deadline,
        };
        let outcome = self
            .store
            .book(&EventId::from([7; 12]), &[request], BookOptions::default())
            .await
            .remove(0);
        match outcome.unwrap().value {
            Outcome::Booked(booking) => booking,
            other => panic!("not booked: {other:?}"),
        }
    }

    async fn cancel(&self, booking: &Booking) {
        let request = CancelRequest {
            booking: booking.id.clone(),
            event: booking.event.clone(),
            message: message(&format!("c{}", booking.id)),
            audit: None,
            deadline: tokio::time::Instant::now() + Duration::from_secs(60),
        };
        self.store.cancel_booking(&request).await.unwrap();
    }

    async fn booked(&self, booking: &Booking) -> Result<()> {
        let message = BookingAnnouncement::new(booking, Version::FIRST);
        self.holders.booked(&message, SAID).await
    }

    async fn tell_of_cancel(&self, booking: &Booking) {
        let stored = self.store.find_booking(&booking.id).await.unwrap().unwrap();
        let cancelled = BookingAnnouncement::new(&stored, stored.version);
        self.holders.cancelled(&cancelled, SAID).await.unwrap();
    }

    async fn event_cancelled(&self) -> Result<()> {
        self.event_cancelled_until(&CancellationToken::new()).await
    }

    async fn event_cancelled_until(&self, enough: &CancellationToken) -> Result<()> {
        let mut cancelled = event("Aida");
        cancelled.cancelled = true;
        self.project(cancelled.clone(), 2).await;
        let record = self.store.find_event(&cancelled.id).await.unwrap().unwrap();
        self.holders
            .event_cancelled(&EventAnnouncement::from(&record), SAID, enough)
            .await
    }

    fn mails(&self) -> Vec<Mail> {
        self.server.mails.lock().clone()
    }

    /// Recipients and subjects.
    fn sent(&self) -> Vec<(String, String)> {
        let mails = self.mails().into_iter();
        let mut sent: Vec<_> = mails.map(|mail| (mail.to.to_string(), mail.subject)).collect();
        sent.sort();
        sent
    }

    fn answer(&self, answer: Result<Sent>) {
        self.server.answers.lock().push_back(answer);
    }
}

fn entry_of(mail: &Mail) -> &str {
    &mail.calendar.as_ref().expect("an entry").text
}

fn message(id: &str) -> crate::contract::Envelope {
    use crate::contract::{EventBooked, Message, MessageId};
    crate::contract::Envelope::builder(MessageId::new(id), EventBooked::name(), id).build()
}

fn lost() -> Error {
    Error::new(ErrorKind::OutcomeUnknown, "send mail", "lost")
}

fn away() -> Error {
    Error::new(ErrorKind::Unavailable, "send mail", "away")
}
