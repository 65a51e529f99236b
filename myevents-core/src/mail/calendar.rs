//! The calendar's entry of a booking, as iCalendar (RFC 5545, RFC 5546).

use jiff::Timestamp;

use super::letter::{About, plain};
use crate::domain::{Event, UnixMillis, UnixSeconds};
use crate::ports::CalendarEntry;

/// The longest line in octets, without its break.
const LINE: usize = 75;
/// The longest text of a property in characters.
const LONGEST: usize = 300;

/// What an entry is made from beside the event.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) about: About,
    pub(super) event: &'a Event,
    /// Tells the booking's entry from all others, the same in all mails about it.
    pub(super) uid: String,
    /// The address that mails come from.
    pub(super) from: &'a str,
    pub(super) place: &'a str,
    pub(super) now: UnixMillis,
}

impl Entry<'_> {
    pub(super) fn write(&self) -> CalendarEntry {
        let (method, state, sequence) = match self.about {
            About::Booked => ("PUBLISH", "CONFIRMED", 0),
            About::Cancelled | About::EventCancelled => ("CANCEL", "CANCELLED", 1),
        };
        let event = self.event;
        let mut lines = Lines::default();
        lines.add("BEGIN", "VCALENDAR");
        lines.add("VERSION", "2.0");
        lines.add("PRODID", "-//MyEvents//Tickets//EN");
        lines.add("METHOD", method);
        lines.add("BEGIN", "VEVENT");
        lines.add("UID", &self.uid);
        lines.add("SEQUENCE", &sequence.to_string());
        lines.add("DTSTAMP", &utc(self.now.seconds()));
        lines.add("DTSTART", &utc(event.start));
        if let Some(end) = end(event) {
            lines.add("DTEND", &utc(end));
        }
        lines.add("SUMMARY", &escaped(event.name.as_str()));
        if !self.place.is_empty() {
            lines.add("LOCATION", &escaped(self.place));
        }
        lines.add("ORGANIZER", &format!("mailto:{}", self.from));
        lines.add("STATUS", state);
        lines.add("END", "VEVENT");
        lines.add("END", "VCALENDAR");
        CalendarEntry {
            method,
            text: lines.0,
        }
    }
}

/// An end has to be after the start; where the event says none its duration does, and without that it is a moment.
fn end(event: &Event) -> Option<UnixSeconds> {
    if event.end > event.start {
        return Some(event.end);
    }
    let seconds = i64::from(event.duration.get()) * 60;
    (seconds > 0).then(|| UnixSeconds::from_stored(event.start.get() + seconds))
}

fn utc(at: UnixSeconds) -> String {
    let at = Timestamp::from_second(at.get()).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Text as a value: what people typed, without control characters, and with its signs of separation escaped.
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for letter in plain(text, LONGEST).chars() {
        if matches!(letter, '\\' | ';' | ',') {
            value.push('\\');
        }
        value.push(letter);
    }
    value
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Adds a line, folded between characters where it is too long.
    fn add(&mut self, name: &str, value: &str) {
        let mut room = LINE;
        for letter in format!("{name}:{value}").chars() {
            if letter.len_utf8() > room {
                self.0.push_str("\r\n ");
                room = LINE - 1;
            }
            room -= letter.len_utf8();
            self.0.push(letter);
        }
        self.0.push_str("\r\n");
    }
}
