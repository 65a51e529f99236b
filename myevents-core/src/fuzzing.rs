//! What the targets of `fuzz/` are made of: any bytes taken apart, and the decoders of messages. No part of the interface.

use crate::contract::{BookingCancelled, EventBooked, EventCreated, EventUpdated, LocationCreated, UserWire};
use crate::contract::{Envelope, EventWire, LocationWire, Message, MessageId, MessageName, Registry};
use crate::domain::UnixMillis;
use crate::error::{Error, ErrorKind};

/// Bytes that are taken apart from the front; where there are none left, zeros and empty texts come.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// A number of eight bytes.
    pub fn number(&mut self) -> i64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.byte());
        i64::from_be_bytes(bytes)
    }

    /// Up to 255 bytes, by the length before them.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (first, rest) = self.0.split_at(length);
        self.0 = rest;
        first
    }

    /// The same as text; what is no UTF-8 is replaced.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// All that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// An envelope of anything.
    pub fn envelope(&mut self) -> Envelope {
        let mut builder = Envelope::builder(
            MessageId::new(&self.text()),
            MessageName::from_wire(&self.text()),
            self.text(),
        )
        .time(UnixMillis(self.number()));
        for _ in 0..self.byte() % 4 {
            let name = self.text();
            builder = builder.header(&name, self.text());
        }
        let content_type = self.text();
        if !content_type.is_empty() {
            builder = builder.content_type(&content_type);
        }
        builder.body(self.bytes().to_vec()).build()
    }
}

/// What was sent and read once is the same however often it is sent again. `again` sends and reads; it has no answer where the
/// message is refused.
///
/// # Panics
/// When the body changes, or a second time changes anything.
pub fn comes_back(envelope: &Envelope, again: impl Fn(&Envelope) -> Option<Envelope>) {
    if let Some(first) = again(envelope) {
        assert_eq!(first.body(), envelope.body());
        assert!(again(&first) == Some(first), "a message changes on its way");
    }
}

/// Holds a refusal to the kinds that bad input may have.
///
/// # Panics
/// When it is of another kind.
pub fn is_refusal(error: &Error) {
    let fair = matches!(
        error.kind(),
        ErrorKind::Invalid
            | ErrorKind::Unprocessable
            | ErrorKind::Malformed
            | ErrorKind::Config
            | ErrorKind::Unauthenticated
            | ErrorKind::Rejected
            | ErrorKind::TooLarge
    );
    assert!(fair, "bad input was told as {:?}", error.kind());
}

/// The bodies of messages, under their names in both spellings.
///
/// # Panics
/// When a promise is broken.
pub fn messages(data: &[u8]) {
    let mut input = Input::new(data);
    let names = [
        "event.created",
        "eventCreated",
        "event.updated",
        "event.cancelled",
        "location.created",
        "locationCreated",
        "location.updated",
        "location.deleted",
        "event.booked",
        "eventBooked",
        "booking.cancelled",
        "something.else",
    ];
    let name = names[usize::from(input.byte()) % names.len()];
    let envelope = Envelope::builder(MessageId::new("m"), MessageName::from_wire(name), "")
        .body(input.rest().to_vec())
        .build();
    match Registry::default().check(&envelope) {
        // Nobody registered it.
        Err(error) if error.kind() == ErrorKind::NotFound => assert_eq!(name, "something.else"),
        Err(error) => is_refusal(&error),
        Ok(()) => {}
    }
    again::<EventCreated>(&envelope);
    again::<EventUpdated>(&envelope);
    again::<LocationCreated>(&envelope);
    again::<EventBooked>(&envelope);
    again::<BookingCancelled>(&envelope);
    if let Ok(event) = serde_json::from_slice::<EventWire>(envelope.body())
        && let Ok(stored) = event.to_stored()
    {
        let wire = EventWire::from(&stored);
        assert_eq!(wire.to_stored().ok(), Some(stored));
    }
    if let Ok(place) = serde_json::from_slice::<LocationWire>(envelope.body())
        && let Ok(Some(stored)) = place.to_stored()
    {
        let wire = LocationWire::from(&stored);
        assert_eq!(wire.to_stored().ok(), Some(Some(stored)));
    }
    if let Ok(user) = serde_json::from_slice::<UserWire>(envelope.body())
        && let Ok(stored) = user.to_stored()
    {
        assert_eq!(UserWire::new(&stored, &[]).to_stored().ok(), Some(stored));
    }
}

/// What was decoded is written and decoded again: it stays what it is.
fn again<M: Message>(envelope: &Envelope) {
    let read = match M::decode(envelope) {
        Ok(read) => read,
        Err(error) => return is_refusal(&error),
    };
    let written = serde_json::to_vec(&read).unwrap_or_default();
    let second = Envelope::builder(envelope.id().clone(), envelope.name().clone(), "")
        .body(written.clone())
        .build();
    let second = M::decode(&second).map(|second| serde_json::to_vec(&second).unwrap_or_default());
    assert_eq!(second.ok(), Some(written), "{} does not come back", M::NAME);
}
