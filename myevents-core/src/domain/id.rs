//! Opaque identifiers: 1 to 64 bytes, shown as lower-case hex.

use std::fmt;
use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use crate::error::{Error, Result};

/// An identifier without a kind: 1 to 64 opaque bytes. New ones have 12.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<[u8]>);

impl Id {
    /// The longest identifier in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Takes raw bytes.
    ///
    /// # Errors
    /// `Invalid` when there are none or more than [`Id::MAX_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() || bytes.len() > Self::MAX_BYTES {
            return Err(Error::invalid("an id has 1 to 64 bytes"));
        }
        Ok(Self(bytes.into()))
    }

    /// Reads hex digits, of either case.
    ///
    /// # Errors
    /// `Invalid` when the text is not an even number of 2 to 128 hex digits.
    pub fn parse(hex: &str) -> Result<Self> {
        let bytes = HEXLOWER_PERMISSIVE
            .decode(hex.as_bytes())
            .map_err(|_| Error::invalid("an id is an even number of hex digits"))?;
        Self::from_bytes(&bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 12]> for Id {
    fn from(bytes: [u8; 12]) -> Self {
        Self(bytes.as_slice().into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0_u8; 2 * Self::MAX_BYTES];
        let digits = &mut buffer[..2 * self.0.len()];
        HEXLOWER.encode_mut(&self.0, digits);
        f.write_str(std::str::from_utf8(digits).unwrap_or_default())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! id_of {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Id);

        impl $name {
            /// Takes raw bytes: see [`Id::from_bytes`].
            ///
            /// # Errors
            /// `Invalid` when there are none or more than 64.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
                Id::from_bytes(bytes).map(Self)
            }

            /// Reads hex digits: see [`Id::parse`].
            ///
            /// # Errors
            /// `Invalid` when the text is not an id.
            pub fn parse(hex: &str) -> Result<Self> {
                Id::parse(hex).map(Self)
            }

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl From<&$name> for Id {
            fn from(id: &$name) -> Self {
                id.0.clone()
            }
        }

        impl From<[u8; 12]> for $name {
            fn from(bytes: [u8; 12]) -> Self {
                Self(bytes.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id_of!(
    /// Names an event.
    EventId
);
id_of!(
    /// Names a location.
    LocationId
);
id_of!(
    /// Names a user. Random, as it opens the user's record while sign-in is off.
    UserId
);
id_of!(
    /// Names a booking. Random or derived with a secret: it is the key to the booking while sign-in is off, so it
    /// never appears in public lists, metrics, or logs above debug.
    BookingId
);
id_of!(
    /// Names an entry of the audit log.
    AuditId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_of_either_case_reads_as_the_same_id() {
        assert_eq!(
            EventId::parse("00FFaB").unwrap(),
            EventId::from_bytes(&[0, 255, 171]).unwrap()
        );
        assert_eq!(EventId::parse("00FFaB").unwrap().to_string(), "00ffab");
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in ["", "0", "0g", "..", "00/ff", "3", &"0".repeat(130)] {
            assert!(Id::parse(text).is_err(), "{text:?}");
        }
        assert!(Id::parse(&"0".repeat(128)).is_ok());
    }
}
