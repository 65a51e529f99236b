//! When an event is, in the words of a language and on the clocks of its place.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::Language;
use crate::domain::{Event, UnixSeconds};

/// Date and times of the event, with the zone they are of. An end on another day has its own date.
pub(super) fn when(event: &Event, language: Language) -> String {
    let named = event
        .location
        .as_ref()
        .and_then(|location| location.time_zone.as_ref())
        .and_then(|name| Some((name.as_str(), TimeZone::get(name.as_str()).ok()?)));
    let (name, zone) = named.unwrap_or(("UTC", TimeZone::UTC));
    let [start, end] = [event.start, event.end].map(|at| zoned(at, &zone));
    let mut text = format!("{}, {}", date(&start, language), time(&start));
    if end.date() == start.date() && end > start {
        text.push_str(&format!(" – {}", time(&end)));
    } else if end > start {
        text.push_str(&format!(" – {}, {}", date(&end, language), time(&end)));
    }
    format!("{text} ({name})")
}

fn zoned(at: UnixSeconds, zone: &TimeZone) -> ZonedDateTime {
    Timestamp::from_second(at.get())
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned_datetime(zone.clone())
}

fn date(at: &ZonedDateTime, language: Language) -> String {
    let words = language.words();
    let of = |names: &[&'static str], number: i8| {
        let index = usize::try_from(number - 1).unwrap_or_default();
        names.get(index).copied().unwrap_or_default()
    };
    let weekday = of(&words.weekdays, at.weekday().to_monday_one_offset());
    let month = of(&words.months, at.month());
    match language {
        Language::English => format!("{weekday}, {} {month} {}", at.day(), at.year()),
        Language::German => format!("{weekday}, {}. {month} {}", at.day(), at.year()),
    }
}

fn time(at: &ZonedDateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}
