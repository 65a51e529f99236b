//! A mail as it goes over the wire: headers and parts.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use myevents_core::ports::Mail;

/// The file's name of the calendar's entry.
const FILE: &str = "event.ics";

/// The address, if what was typed is one. Whatever is no plain address is none: nothing of it can become a second one, or a
/// line of its own.
pub(super) fn address(typed: &str) -> Option<Address> {
    let typed = typed.trim();
    let bad = |letter: char| letter.is_control() || letter.is_whitespace() || "<>,;\"()\\".contains(letter);
    if typed.contains(bad) {
        return None;
    }
    // Whoever books chooses the host: none is told by its number, and none is behind the mail server alone.
    let (_, host) = typed.rsplit_once('@')?;
    if host.starts_with('[') || !host.contains('.') {
        return None;
    }
    typed.parse().ok()
}

/// Puts the mail together. `None` for one that can't be.
pub(super) fn message(mail: &Mail, from: &Mailbox, to: Address) -> Option<Message> {
    let texts = MultiPart::alternative()
        .singlepart(SinglePart::plain(mail.text.clone()))
        .singlepart(SinglePart::html(mail.html.clone()));
    let mut parts = MultiPart::mixed().multipart(texts);
    if let Some(calendar) = &mail.calendar {
        let kind = format!("text/calendar; charset=utf-8; method={}", calendar.method);
        let kind = ContentType::parse(&kind).ok()?;
        parts = parts.singlepart(Attachment::new(FILE.to_owned()).body(calendar.text.clone(), kind));
    }
    let raw = |name: &'static str, value: &str| {
        HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
    };
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(one_line(&mail.subject))
        .date_now()
        .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw("Content-Language", mail.language))
        .multipart(parts)
        .ok()
}

/// A header ends at the end of its line, whatever the caller promised.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_plain_address_is_one() {
        for typed in ["ada@example.org", " ada+tickets@example.org ", "ädä@exämple.org"] {
            assert!(address(typed).is_some(), "{typed}");
        }
        for typed in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "ada@example.org, eve@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@example.org>\r\nRCPT TO:<eve@example.org",
            "Ada <ada@example.org>",
            "\"a b\"@example.org",
            "a b@example.org",
            "a@[127.0.0.1]",
            "root@localhost",
        ] {
            assert!(address(typed).is_none(), "{typed}");
        }
    }
}
