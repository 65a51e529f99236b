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
    typed.parse().ok()
}

/// Puts the mail together. `None` for one that can't be.
pub(super) fn message(mail: &Mail, from: &Mailbox, to: Address) -> Option<Message> {
    let calendar_type = format!("text/calendar; charset=utf-8; method={}", mail.calendar.method);
    let calendar_type = ContentType::parse(&calendar_type).ok()?;
    let texts = MultiPart::alternative()
        .singlepart(SinglePart::plain(mail.text.clone()))
        .singlepart(SinglePart::html(mail.html.clone()));
    let calendar = Attachment::new(FILE.to_owned()).body(mail.calendar.text.clone(), calendar_type);
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
        .multipart(MultiPart::mixed().multipart(texts).singlepart(calendar))
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
        for typed in [
            "ada@example.org",
            " ada+tickets@example.org ",
            "ädä@exämple.org",
            "a@[127.0.0.1]",
        ] {
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
        ] {
            assert!(address(typed).is_none(), "{typed}");
        }
    }
}
