//! Routing names of messages, in the dotted spelling and in the one of the original services.

use std::borrow::Cow;
use std::fmt;

/// The routing name of a message, in its dotted spelling: reading `eventCreated` gives `event.created`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageName(Cow<'static, str>);

/// The three names the original services know, dotted and as they spell them.
const LEGACY: [(&str, &str); 3] = [
    ("event.created", "eventCreated"),
    ("location.created", "locationCreated"),
    ("event.booked", "eventBooked"),
];

/// The original services' spelling of a dotted name, if they know it.
#[must_use]
pub fn legacy_spelling(dotted: &str) -> Option<&'static str> {
    LEGACY
        .iter()
        .find(|(name, _)| *name == dotted)
        .map(|(_, legacy)| *legacy)
}

impl MessageName {
    /// A name known when compiling, in its dotted spelling.
    #[must_use]
    pub const fn from_static(dotted: &'static str) -> Self {
        Self(Cow::Borrowed(dotted))
    }

    /// The name as received, in either spelling.
    #[must_use]
    pub fn from_wire(name: &str) -> Self {
        match LEGACY
            .iter()
            .find(|(dotted, legacy)| name == *legacy || name == *dotted)
        {
            Some((dotted, _)) => Self(Cow::Borrowed(dotted)),
            None => Self(Cow::Owned(name.to_owned())),
        }
    }

    /// The dotted spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The spelling to send: the old one when `legacy` is set and the original services know the name.
    #[must_use]
    pub fn on_wire(&self, legacy: bool) -> &str {
        if legacy {
            legacy_spelling(&self.0).unwrap_or(&self.0)
        } else {
            &self.0
        }
    }
}

impl fmt::Display for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_name() {
        assert_eq!(
            MessageName::from_wire("eventCreated"),
            MessageName::from_wire("event.created")
        );
        assert_eq!(
            MessageName::from_wire("event.created").on_wire(true),
            "eventCreated"
        );
        assert_eq!(
            MessageName::from_wire("event.updated").on_wire(true),
            "event.updated"
        );
        assert_eq!(MessageName::from_wire("mine").as_str(), "mine");
    }
}
