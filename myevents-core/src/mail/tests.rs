//! What mails say, and to whom, once: on the memory store with a mail server that answers as it is told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
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

/// Answers in the order it was told, then takes everything.
#[derive(Debug, Default)]
struct Server {
    mails: Mutex<Vec<Mail>>,
    answers: Mutex<VecDeque<Result<Sent>>>,
}

#[async_trait]
impl Mailer for Server {
    async fn send(&self, mail: &Mail) -> Result<Sent> {
        let answer = self.answers.lock().pop_front().unwrap_or(Ok(Sent::Accepted));
        if matches!(answer, Ok(Sent::Accepted)) {
            self.mails.lock().push(mail.clone());
        }
        answer
    }

    async fn close(&self) {}
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
        MailOptions {
            from: "tickets@example.org".into(),
            language,
            public_url: Some("https://tickets.example.org".into()),
            parallel: 3,
        },
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

    async fn event_cancelled(&self) -> Result<()> {
        let mut cancelled = event("Aida");
        cancelled.cancelled = true;
        self.project(cancelled.clone(), 2).await;
        let record = self.store.find_event(&cancelled.id).await.unwrap().unwrap();
        let enough = CancellationToken::new();
        self.holders
            .event_cancelled(&EventAnnouncement::from(&record), SAID, &enough)
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

fn away() -> Error {
    Error::new(ErrorKind::Unavailable, "send mail", "away")
}

#[tokio::test]
async fn a_booking_is_mailed_once_in_its_language_with_an_entry_for_the_calendar() {
    let world = world(Language::German);
    world.project(event("Aida"), 1).await;
    let booking = world.book(1, Some("Ada"), Some("ada@example.org")).await;
    world.booked(&booking).await.unwrap();
    world.booked(&booking).await.unwrap();
    let [mail] = world.mails().try_into().expect("one mail");
    assert_eq!(mail.subject, "Ihre Buchung: Aida");
    assert!(mail.text.starts_with("Guten Tag Ada,\r\n"), "{}", mail.text);
    // 4,000,000,000 is 2096-10-02 07:06:40 UTC, in Berlin two hours later.
    assert!(
        mail.text
            .contains("Wann: Dienstag, 2. Oktober 2096, 09:06 – 11:06 (Europe/Berlin)\r\n"),
        "{}",
        mail.text
    );
    assert!(
        mail.text
            .contains(&format!("https://tickets.example.org/t/{}", booking.id))
    );
    let entry = entry_of(&mail);
    for line in [
        "METHOD:PUBLISH\r\n",
        "DTSTART:20961002T070640Z\r\n",
        "DTEND:20961002T090640Z\r\n",
        "LOCATION:Opera\\; \"House\"\\, 1\\, West Street\r\n",
        "STATUS:CONFIRMED\r\n",
        "ORGANIZER:mailto:tickets@example.org\r\n",
    ] {
        assert!(entry.contains(line), "{line} in {entry}");
    }
    assert!(
        !mail.id.contains(&booking.id.to_string()),
        "the id opens the booking"
    );
    assert!(!format!("{mail:?}").contains("ada"), "{mail:?}");
}

#[tokio::test]
async fn only_what_is_still_true_is_mailed_and_only_to_who_is_there() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    let late = world.book(1, None, Some("late@example.org")).await;
    let silent = world.book(2, None, None).await;
    let blank = world.book(3, None, Some("  ")).await;
    world.cancel(&late).await;
    for booking in [&late, &silent, &blank] {
        world.booked(booking).await.unwrap();
    }
    assert_eq!(world.sent(), []);
    let stored = world.store.find_booking(&late.id).await.unwrap().unwrap();
    let cancelled = BookingAnnouncement::new(&stored, stored.version);
    world.holders.cancelled(&cancelled, SAID).await.unwrap();
    assert_eq!(
        world.sent(),
        [(
            "late@example.org".to_owned(),
            "Booking cancelled: Aida".to_owned()
        )]
    );
    let calendar = world.mails()[0].calendar.clone().unwrap();
    assert_eq!(calendar.method, "CANCEL");
    assert!(calendar.text.contains("SEQUENCE:1\r\n") && calendar.text.contains("STATUS:CANCELLED\r\n"));
    // Of a booking that is not here, and of one that an original service did not name.
    let mut foreign = cancelled.clone();
    foreign.booking_id = Some("ff".into());
    world.holders.cancelled(&foreign, SAID).await.unwrap();
    foreign.booking_id = None;
    world.holders.booked(&foreign, SAID).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn what_is_said_before_an_event_and_comes_after_it_is_not_mailed() {
    let world = world(Language::English);
    let mut over = event("Aida");
    let now = SystemClock.now().seconds().get();
    over.start = UnixSeconds::from_stored(now - 7_200);
    over.end = UnixSeconds::from_stored(now - 3_600);
    world.project(over, 1).await;
    let booking = world.book(1, None, Some("a@example.org")).await;
    world.booked(&booking).await.unwrap();
    assert_eq!(world.sent(), []);
    // Who books an event of the past hears of it.
    let message = BookingAnnouncement::new(&booking, Version::FIRST);
    world.holders.booked(&message, SystemClock.now()).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn all_holders_of_a_cancelled_event_hear_of_it_once_whatever_breaks_in_between() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    let mut all = Vec::new();
    for number in 0..120_u8 {
        all.push(
            world
                .book(number, None, Some(&format!("h{number}@example.org")))
                .await,
        );
    }
    let gone = world.book(200, None, Some("gone@example.org")).await;
    world.cancel(&gone).await;
    for _ in 0..5 {
        world.answer(Ok(Sent::Accepted));
    }
    world.answer(Err(away()));
    let broken = world.event_cancelled().await.unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::Unavailable);
    let before = world.mails().len();
    assert!(
        (5..20).contains(&before),
        "{before}: a server that is away ends the round"
    );
    // One is refused for good, one is to come again.
    world.answer(Ok(Sent::Refused("550".into())));
    world.answer(Ok(Sent::Later("450".into())));
    let postponed = world.event_cancelled().await.unwrap_err();
    assert!(!matches!(
        postponed.kind(),
        ErrorKind::Unavailable | ErrorKind::OutcomeUnknown | ErrorKind::Overloaded | ErrorKind::Malformed
    ));
    assert_eq!(world.mails().len(), 118);
    world.event_cancelled().await.unwrap();
    world.event_cancelled().await.unwrap();
    let mut ids: Vec<_> = world.mails().into_iter().map(|mail| mail.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(
        (ids.len(), world.mails().len()),
        (119, 119),
        "all but the one refused, each once"
    );
    // A booking whose message comes late is told the same, and no second time.
    world.booked(&all[3]).await.unwrap();
    assert_eq!(world.mails().len(), 119);
    assert!(
        world
            .sent()
            .iter()
            .all(|(_, subject)| subject == "Event cancelled: Aida")
    );
}

#[tokio::test]
async fn a_stop_begins_no_further_mail() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    let booking = world.book(1, None, Some("a@example.org")).await;
    world.holders.stop.cancel();
    let stopped = world.booked(&booking).await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Unavailable);
    assert_eq!(world.sent(), []);
}

#[tokio::test]
async fn what_people_typed_stays_text() {
    let world = world(Language::English);
    let hostile = "</td><script>alert(1)</script> & \r\nBcc: eve@example.org \u{202E}\u{2028}🎭 שלום;,\\";
    let mut shown = event(&format!("{hostile}{}", "x".repeat(10_000)));
    shown.end = shown.start;
    world.project(shown, 1).await;
    for (number, name) in [hostile, "Visit evil.example now", "J.R.R. Tolkien", ""]
        .into_iter()
        .enumerate()
    {
        let number = u8::try_from(number).unwrap();
        let booking = world.book(number, Some(name), Some("a@example.org")).await;
        world.booked(&booking).await.unwrap();
    }
    let mails = world.mails();
    for mail in &mails {
        assert!(
            !mail.subject.contains(['\r', '\n', '\u{202E}', '\u{2028}']),
            "{:?}",
            mail.subject
        );
        assert!(mail.subject.chars().count() < 150, "{}", mail.subject);
        assert!(
            !mail.html.contains("<script") && mail.html.contains("&lt;script&gt;"),
            "{}",
            mail.html
        );
        assert!(!mail.text.contains("\nBcc"), "{}", mail.text);
        assert!(mail.text.contains("🎭 שלום"), "{}", mail.text);
        for line in entry_of(mail).split("\r\n") {
            assert!(line.len() <= 75 && !line.contains('\n'), "{line:?}");
        }
        let whole = entry_of(mail).replace("\r\n ", "");
        assert!(whole.contains("שלום\\;\\,\\\\"), "{whole}");
        assert!(!whole.contains("DTEND"), "it ends when it starts: {whole}");
    }
    let greeted = |mail: &Mail| mail.text.lines().next().unwrap_or_default().to_owned();
    let greetings: Vec<String> = mails.iter().map(greeted).collect();
    assert_eq!(greetings, ["Hello,", "Hello,", "Hello J.R.R. Tolkien,", "Hello,"]);
}

#[tokio::test]
async fn an_event_of_which_nobody_said_when_has_no_date_and_one_that_is_over_no_news() {
    let world = world(Language::English);
    let mut undated = event("Aida");
    undated.start = UnixSeconds::EPOCH;
    undated.end = UnixSeconds::EPOCH;
    world.project(undated, 1).await;
    let booking = world.book(1, None, Some("a@example.org")).await;
    world.booked(&booking).await.unwrap();
    let [mail] = world.mails().try_into().expect("one mail");
    assert!(
        mail.calendar.is_none() && !mail.text.contains("1970"),
        "{}",
        mail.text
    );
    assert!(
        !mail.html.contains("1970") && !mail.text.contains("attached"),
        "{}",
        mail.text
    );

    let mut over = event("Aida");
    over.cancelled = true;
    over.start = UnixSeconds::from_stored(1_000);
    over.end = UnixSeconds::from_stored(2_000);
    world.project(over.clone(), 2).await;
    let record = world.store.find_event(&over.id).await.unwrap().unwrap();
    let enough = CancellationToken::new();
    let announced = EventAnnouncement::from(&record);
    world
        .holders
        .event_cancelled(&announced, SystemClock.now(), &enough)
        .await
        .unwrap();
    assert_eq!(world.mails().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_a_try_of_its_mail_and_an_end_of_a_round_is_none() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    let booking = world.book(1, None, Some("a@example.org")).await;
    world.answer(Err(Error::new(ErrorKind::OutcomeUnknown, "send mail", "lost")));
    let lost = world.booked(&booking).await.unwrap_err();
    let no_tries = [
        ErrorKind::Unavailable,
        ErrorKind::OutcomeUnknown,
        ErrorKind::Overloaded,
    ];
    assert!(!no_tries.contains(&lost.kind()), "{lost}");
    world.booked(&booking).await.unwrap();
    assert_eq!(world.mails().len(), 1);

    let mut cancelled = event("Aida");
    cancelled.cancelled = true;
    world.project(cancelled.clone(), 2).await;
    let record = world.store.find_event(&cancelled.id).await.unwrap().unwrap();
    let enough = CancellationToken::new();
    enough.cancel();
    let announced = EventAnnouncement::from(&record);
    let ended = world
        .holders
        .event_cancelled(&announced, SAID, &enough)
        .await
        .unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::Unavailable, "{ended}");
    assert_eq!(world.mails().len(), 1);
}

#[tokio::test]
async fn who_is_put_off_alone_is_asked_again_and_a_server_that_puts_off_all_ends_the_round() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    for number in 0..250_u8 {
        let email = format!("h{number}@example.org");
        world.book(number, None, Some(&email)).await;
    }
    for _ in 0..100 {
        world.answer(Ok(Sent::Later("451".into())));
    }
    let all = world.event_cancelled().await.unwrap_err();
    assert_eq!(all.kind(), ErrorKind::Unavailable, "{all}");
    assert_eq!(world.mails().len(), 0, "the second page is left alone");
    world.event_cancelled().await.unwrap();
    assert_eq!(world.mails().len(), 250);
}
