//! Text that people typed: any Unicode without control characters, bounded in length.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Text of at most [`Text::MAX_CHARS`] characters without control characters; may be empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// The longest text in characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 2_000;

    /// Checks `text`; `field` names it in the error.
    ///
    /// # Errors
    /// `Unprocessable` when it is too long or holds a control character (tab, NUL, newline, …).
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        if text.len() > Self::MAX_CHARS && text.chars().count() > Self::MAX_CHARS {
            return Err(Error::unprocessable(format!(
                "{field} is longer than {} characters",
                Self::MAX_CHARS
            )));
        }
        if text.chars().any(char::is_control) {
            return Err(Error::unprocessable(format!("{field} holds a control character")));
        }
        Ok(Self(text.into()))
    }

    /// Takes text that was accepted before, by this system or an older one, without checking it again.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no character in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Text {
    fn default() -> Self {
        Self("".into())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// [`Text`] with at least one character that is not white space.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Text);

impl Name {
    /// Checks `text`; `field` names it in the error.
    ///
    /// # Errors
    /// `Unprocessable` when it is blank, too long or holds a control character.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::unprocessable(format!("{field} is missing or blank")));
        }
        Text::parse(field, text).map(Self)
    }

    /// Takes a name that was accepted before, without checking it again.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(Text::from_stored(text))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
