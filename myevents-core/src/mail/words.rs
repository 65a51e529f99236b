//! What mails say, in each language.

use super::Language;
use super::letter::About;

/// The words of one language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) subject_booked: &'static str,
    pub(super) subject_cancelled: &'static str,
    pub(super) subject_event_cancelled: &'static str,
    pub(super) hello: &'static str,
    pub(super) booked: &'static str,
    pub(super) cancelled: &'static str,
    pub(super) event_cancelled: &'static str,
    pub(super) event: &'static str,
    pub(super) when: &'static str,
    pub(super) place: &'static str,
    pub(super) seats: &'static str,
    pub(super) ticket: &'static str,
    pub(super) attached: &'static str,
    pub(super) removed: &'static str,
    pub(super) automatic: &'static str,
    pub(super) weekdays: [&'static str; 7],
    pub(super) months: [&'static str; 12],
}

static ENGLISH: Words = Words {
    subject_booked: "Your booking",
    subject_cancelled: "Booking cancelled",
    subject_event_cancelled: "Event cancelled",
    hello: "Hello",
    booked: "Your booking is confirmed.",
    cancelled: "Your booking was cancelled.",
    event_cancelled: "The event that you booked seats for was cancelled. It does not take place.",
    event: "Event",
    when: "When",
    place: "Where",
    seats: "Seats",
    ticket: "Your ticket",
    attached: "The attached file puts the event into your calendar.",
    removed: "The attached file takes the event out of your calendar.",
    automatic: "This mail was sent automatically, as this address was given for the booking.",
    weekdays: [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ],
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
};

static GERMAN: Words = Words {
    subject_booked: "Ihre Buchung",
    subject_cancelled: "Buchung storniert",
    subject_event_cancelled: "Veranstaltung abgesagt",
    hello: "Guten Tag",
    booked: "Ihre Buchung ist bestätigt.",
    cancelled: "Ihre Buchung wurde storniert.",
    event_cancelled: "Die Veranstaltung, für die Sie gebucht haben, wurde abgesagt. Sie findet nicht statt.",
    event: "Veranstaltung",
    when: "Wann",
    place: "Wo",
    seats: "Plätze",
    ticket: "Ihr Ticket",
    attached: "Die angehängte Datei trägt die Veranstaltung in Ihren Kalender ein.",
    removed: "Die angehängte Datei nimmt die Veranstaltung aus Ihrem Kalender.",
    automatic: "Diese Nachricht wurde automatisch verschickt, weil diese Adresse bei der Buchung angegeben wurde.",
    weekdays: [
        "Montag",
        "Dienstag",
        "Mittwoch",
        "Donnerstag",
        "Freitag",
        "Samstag",
        "Sonntag",
    ],
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
};

impl Language {
    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
        }
    }
}

impl Words {
    pub(super) fn subject(&self, about: About) -> &'static str {
        match about {
            About::Booked => self.subject_booked,
            About::Cancelled => self.subject_cancelled,
            About::EventCancelled => self.subject_event_cancelled,
        }
    }

    pub(super) fn news(&self, about: About) -> &'static str {
        match about {
            About::Booked => self.booked,
            About::Cancelled => self.cancelled,
            About::EventCancelled => self.event_cancelled,
        }
    }
}
