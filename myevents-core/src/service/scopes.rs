//! What a signed-in caller may do: the four scopes, and sets of them.

use std::fmt;

/// A right that whoever vouches for a caller gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Create events and locations, and change one's own.
    EventsWrite,
    /// The same, and change those of others.
    EventsAdmin,
    /// Book, and cancel one's own bookings.
    BookingsWrite,
    /// The same, and see and cancel those of others; people; the organiser's list.
    BookingsAdmin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::EventsWrite,
        Self::EventsAdmin,
        Self::BookingsWrite,
        Self::BookingsAdmin,
    ];

    /// The word in tokens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventsWrite => "events:write",
            Self::EventsAdmin => "events:admin",
            Self::BookingsWrite => "bookings:write",
            Self::BookingsAdmin => "bookings:admin",
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::EventsWrite => 0b0001,
            Self::EventsAdmin => 0b0011,
            Self::BookingsWrite => 0b0100,
            Self::BookingsAdmin => 0b1100,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes. An admin scope has the writing one in it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// Those of `words` that are ours; others' words, such as `openid`, say nothing here.
    #[must_use]
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        words
            .into_iter()
            .filter_map(|word| Scope::ALL.into_iter().find(|scope| scope.as_str() == word))
            .collect()
    }

    /// Whether `scope` is in it.
    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bits() == scope.bits()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bits()))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(Scope::ALL.into_iter().filter(|scope| self.has(*scope)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_may_write_and_only_in_their_own_half() {
        let scopes = Scopes::of_words(["openid", "events:admin", "EVENTS:WRITE", "bookings:"]);
        let held: Vec<bool> = Scope::ALL.into_iter().map(|scope| scopes.has(scope)).collect();
        assert_eq!(held, [true, true, false, false]);
        // Writing is no administration.
        assert!(!Scopes::of_words(["bookings:write"]).has(Scope::BookingsAdmin));
        assert!(!Scopes::NONE.has(Scope::EventsWrite));
        assert_eq!(format!("{scopes:?}"), "{EventsWrite, EventsAdmin}");
    }
}
