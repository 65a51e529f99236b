//! Mail to holders: a consumer of its own that says by mail what became of a booking, each thing once.
//!
//! ```text
//! event.booked ─────┐
//! booking.cancelled ├─► holders (is it still true? is there an address?) ─► once ─► letter ─► Mailer
//! event.cancelled ──┘       for every booking of the event
//! ```
//!
//! Names and addresses travel in no message: the booking is looked up in the store when it is its turn.

mod calendar;
mod group;
mod holders;
mod letter;
mod once;
#[cfg(test)]
mod tests;
mod walk;
mod when;
mod words;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::contract::{BookingCancelled, EventBooked, EventCancelled, header};
use crate::dispatch::{Context, DispatchBuilder};
use crate::observe::Observer;
use crate::ports::{Clock, Mailer, Store};

use holders::Holders;

pub use group::{GROUP, dispatch_options, subscribe_names};
pub use once::LEASE;

/// In which language a mail is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// The word of settings and of `Content-Language`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }
}

/// What mails say beside the booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailOptions {
    /// The address they come from.
    pub from: String,
    /// Their language.
    pub language: Language,
    /// Where people reach the page, without a slash at its end; mails link to the ticket there.
    pub public_url: Option<String>,
    /// How many mails are on their way at once.
    pub parallel: usize,
}

/// Adds the handlers. They remember by themselves which mail was sent, so they get no inbox of dispatch: one message may be
/// many mails. Once `stop` is cancelled no further mail is begun, and the message comes again.
#[must_use]
pub fn register(
    builder: DispatchBuilder,
    store: Arc<dyn Store>,
    mailer: Arc<dyn Mailer>,
    options: MailOptions,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> DispatchBuilder {
    let holders = Arc::new(Holders::new(store, mailer, options, clock, observer, stop));
    let [booked, cancelled, event_cancelled] = [(); 3].map(|()| Arc::clone(&holders));
    builder
        .on::<EventBooked>(move |message: EventBooked, context: Context| {
            let holders = Arc::clone(&booked);
            async move { holders.booked(&message.0, context.envelope().time()).await }
        })
        .on::<BookingCancelled>(move |message: BookingCancelled, context: Context| {
            let holders = Arc::clone(&cancelled);
            async move { holders.cancelled(&message.0, context.envelope().time()).await }
        })
        .on::<EventCancelled>(move |message: EventCancelled, context: Context| {
            let holders = Arc::clone(&event_cancelled);
            async move {
                // What is announced again is news for the copy, not for people.
                if context.headers().contains_key(header::REPUBLISHED) {
                    return Ok(());
                }
                let said = context.envelope().time();
                holders
                    .event_cancelled(&message.0, said, context.cancelled())
                    .await
            }
        })
}
