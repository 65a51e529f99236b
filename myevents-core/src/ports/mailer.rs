//! `Mailer`: hands one mail to a mail server.

use std::fmt;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::domain::Text;
use crate::error::Result;

/// A mail to one person, ready to be sent. What people typed is escaped in `html`; the other texts are plain.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// What stands before the `@` of its `Message-ID`: the same whenever the same is said about the same booking, so
    /// that a mail that was sent twice can be recognised. It tells nothing of the booking.
    pub id: String,
    /// Whom it is for, as the person typed it: it may be no address at all.
    pub to: Text,
    /// The subject, without line breaks.
    pub subject: String,
    /// The language of its texts, `en` or `de`.
    pub language: &'static str,
    /// What it says as plain text.
    pub text: String,
    /// What it says as HTML.
    pub html: String,
    /// The entry for a calendar; none where nobody said when the event is.
    pub calendar: Option<CalendarEntry>,
}

/// A calendar's entry as an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarEntry {
    /// `PUBLISH` or `CANCEL`.
    pub method: &'static str,
    /// The iCalendar text.
    pub text: String,
}

/// It goes to logs, so it names nobody.
impl Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What the mail server made of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It took it.
    Accepted,
    /// It will never take it; in a word why, never with the address: a reply code, or `address` where there is none.
    Refused(String),
    /// It does not take it now, and said nothing against the others: the reply code.
    Later(String),
}

/// Hands mails to a mail server.
#[async_trait]
pub trait Mailer: Debug + Send + Sync + 'static {
    /// Hands over one mail. Many may be on their way at once; the implementation bounds how many.
    ///
    /// Dropping the future does not call the mail back: it goes on by itself.
    ///
    /// # Errors
    /// `Unavailable` when the server can't be reached, is not the one that was meant, or takes no mail from us at all: the
    /// mail was not sent. `OutcomeUnknown` when its answer was lost: it may have been.
    async fn send(&self, mail: &Mail) -> Result<Sent>;

    /// Ends the connections that are open.
    async fn close(&self);
}
