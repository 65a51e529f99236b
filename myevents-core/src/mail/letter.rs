//! One mail's texts: subject, plain text, HTML and the calendar's entry.

use std::borrow::Cow;
use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::MailOptions;
use super::calendar::Entry;
use super::when::when;
use crate::domain::{Booking, Event, Text, UnixMillis, UnixSeconds};
use crate::ports::Mail;

/// The longest name of an event in a subject, in characters.
const IN_SUBJECT: usize = 100;
/// The longest name of a person in a greeting.
const IN_GREETING: usize = 60;
/// The longest text in a line of the mail.
const IN_LINE: usize = 300;

/// What a mail is about. A booking hears of each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Booked,
    Cancelled,
    EventCancelled,
}

impl About {
    /// The routing name of what happened.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "event.booked",
            Self::Cancelled => "booking.cancelled",
            Self::EventCancelled => "event.cancelled",
        }
    }
}

/// What a mail is made from.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    pub(super) about: About,
    pub(super) booking: &'a Booking,
    pub(super) event: &'a Event,
    pub(super) now: UnixMillis,
    pub(super) options: &'a MailOptions,
}

/// A line of the mail's table.
struct Row<'a> {
    name: &'static str,
    value: Cow<'a, str>,
    link: bool,
}

impl Letter<'_> {
    /// The mail to this address.
    pub(super) fn mail(&self, to: &Text) -> Mail {
        let words = self.options.language.words();
        let place = self.place();
        let link = self.link();
        let name = plain(self.event.name.as_str(), IN_SUBJECT);
        let calendar = Entry {
            about: self.about,
            event: self.event,
            uid: self.digest("calendar"),
            from: &self.options.from,
            place: &place,
            now: self.now,
        };
        let rows = self.rows(&place, link.as_deref());
        Mail {
            id: self.digest(self.about.as_str()),
            to: to.clone(),
            subject: format!("{}: {name}", words.subject(self.about)),
            language: self.options.language.as_str(),
            text: self.text(&rows),
            html: self.html(&rows),
            calendar: self.dated().then(|| calendar.write()),
        }
    }

    /// A name for what is said about this booking. The booking's id opens the booking, and this reaches logs of mail servers
    /// and calendars that are shared: so it is a digest.
    fn digest(&self, what: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(what.as_bytes());
        hash.update([0]);
        hash.update(self.booking.id.as_bytes());
        HEXLOWER.encode(&hash.finalize()[..16])
    }

    /// Whether anybody said when the event is.
    fn dated(&self) -> bool {
        self.event.start > UnixSeconds::EPOCH
    }

    fn place(&self) -> String {
        let Some(location) = &self.event.location else {
            return String::new();
        };
        let parts = [&location.name, &location.address, &location.country];
        let parts: Vec<Cow<'_, str>> = parts
            .into_iter()
            .map(|part| plain(part.as_str(), IN_LINE))
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(", ")
    }

    /// The ticket's page, for a booking that is still one.
    fn link(&self) -> Option<String> {
        let base = self.options.public_url.as_ref()?;
        (self.about == About::Booked).then(|| format!("{base}/t/{}", self.booking.id))
    }

    fn rows<'a>(&'a self, place: &'a str, link: Option<&'a str>) -> Vec<Row<'a>> {
        let words = self.options.language.words();
        let row = |name, value| Row {
            name,
            value,
            link: false,
        };
        let mut rows = vec![row(words.event, plain(self.event.name.as_str(), IN_LINE))];
        if self.dated() {
            rows.push(row(words.when, when(self.event, self.options.language).into()));
        }
        if !place.is_empty() {
            rows.push(row(words.place, place.into()));
        }
        rows.push(row(words.seats, self.booking.seats.get().to_string().into()));
        if let Some(link) = link {
            rows.push(Row {
                name: words.ticket,
                value: link.into(),
                link: true,
            });
        }
        rows
    }

    fn greeting(&self) -> String {
        let hello = self.options.language.words().hello;
        match self.booking.name.as_ref().and_then(|name| greeted(name.as_str())) {
            Some(name) => format!("{hello} {name},"),
            None => format!("{hello},"),
        }
    }

    fn about_calendar(&self) -> &'static str {
        let words = self.options.language.words();
        match self.about {
            _ if !self.dated() => "",
            About::Booked => words.attached,
            About::Cancelled | About::EventCancelled => words.removed,
        }
    }

    fn text(&self, rows: &[Row<'_>]) -> String {
        let words = self.options.language.words();
        let mut text = format!("{}\r\n\r\n{}\r\n\r\n", self.greeting(), words.news(self.about));
        for Row { name, value, .. } in rows {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let calendar = self.about_calendar();
        if !calendar.is_empty() {
            let _ = write!(text, "\r\n{calendar}\r\n");
        }
        let _ = write!(text, "\r\n-- \r\n{}\r\n", words.automatic);
        text
    }

    fn html(&self, rows: &[Row<'_>]) -> String {
        let words = self.options.language.words();
        let mut html = format!(
            "<!DOCTYPE html>\r\n<html lang=\"{}\"><head><meta charset=\"utf-8\"></head>\r\n<body style=\"font-family:sans-serif\">\r\n\
             <p dir=\"auto\">{}</p>\r\n<p>{}</p>\r\n<table cellpadding=\"4\">\r\n",
            self.options.language.as_str(),
            escaped(&self.greeting()),
            escaped(words.news(self.about)),
        );
        for Row { name, value, link } in rows {
            let value = escaped(value);
            let shown = match link {
                true => format!("<a href=\"{value}\">{value}</a>"),
                false => value,
            };
            let _ = write!(
                html,
                "<tr><th align=\"left\" valign=\"top\">{name}</th><td dir=\"auto\">{shown}</td></tr>\r\n"
            );
        }
        let _ = write!(
            html,
            "</table>\r\n<p>{}</p>\r\n<p><small>{}</small></p>\r\n</body></html>\r\n",
            self.about_calendar(),
            words.automatic
        );
        html
    }
}

/// Text on one line: neither control characters, line and paragraph separators among them, nor marks that turn the direction
/// of what follows; cut after `longest` characters.
pub(super) fn plain(text: &str, longest: usize) -> Cow<'_, str> {
    let bad = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let text = text.trim();
    if text.len() <= longest && !text.contains(bad) {
        return text.into();
    }
    let mut letters = text.chars().map(|letter| if bad(letter) { ' ' } else { letter });
    let mut cut: String = letters.by_ref().take(longest).collect();
    if letters.next().is_some() {
        cut.push('…');
    }
    cut.into()
}

/// The name for a greeting. Whoever books may type another's address, so a name that looks like a link or an address is left
/// out: the service would send their advertisement.
fn greeted(name: &str) -> Option<Cow<'_, str>> {
    let name = plain(name, IN_GREETING);
    let letters: Vec<char> = name.chars().collect();
    let like_host = letters
        .windows(3)
        .any(|three| three[0] == '.' && three[1].is_alphanumeric() && three[2].is_alphanumeric());
    let link = like_host || name.contains(['/', '@', ':', '\\', '<', '>']);
    (!name.is_empty() && !link).then_some(name)
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
