//! Values as BSON and back: ids, numbers, text, and reading documents without trusting them.
//!
//! Written so that the original's services still read what they know: an id of 12 bytes is an ObjectId, numbers have the
//! width its driver gave them. Read so that its own documents are understood: any number type, absent fields.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::raw::RawArray;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, RawBsonRef, RawDocument};
use myevents_core::Result;
use myevents_core::domain::{BookingId, EventId, Fingerprint, LocationId, Text, UserId, Version};

use super::error::malformed;

/// An id: 12 bytes as an ObjectId, any other length as binary data.
pub(super) fn id(bytes: &[u8]) -> Bson {
    match <[u8; 12]>::try_from(bytes) {
        Ok(bytes) => Bson::ObjectId(ObjectId::from_bytes(bytes)),
        Err(_) => binary(bytes),
    }
}

pub(super) fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    })
}

/// A number as the original's driver wrote it: 32 bits where it fits.
pub(super) fn narrow(number: i64) -> Bson {
    i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32)
}

/// A version. The server's numbers have a sign; a version above 2⁶³ is none of ours.
pub(super) fn version(version: Version) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
}

pub(super) fn text_of(text: &Text) -> Bson {
    Bson::String(text.as_str().to_owned())
}

pub(super) fn event_id(event: &EventId) -> Bson {
    id(event.as_bytes())
}

pub(super) fn booking_id(booking: &BookingId) -> Bson {
    id(booking.as_bytes())
}

fn int_of(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => Some(number),
        // A shell writes every number so.
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a fraction is none of a count, and the cast saturates"
        )]
        RawBsonRef::Double(number) => Some(number as i64),
        _ => None,
    }
}

/// A document whose fields may be absent or of a wrong type.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a RawDocument);

impl<'a> Fields<'a> {
    /// A field; absent and null are one.
    pub(super) fn get(self, name: &str) -> Result<Option<RawBsonRef<'a>>> {
        match self.0.get(name) {
            Ok(Some(RawBsonRef::Null)) | Ok(None) => Ok(None),
            Ok(value) => Ok(value),
            Err(source) => Err(malformed("a document is no valid BSON").caused_by(source)),
        }
    }

    pub(super) fn int(self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.get(name)? else {
            return Ok(None);
        };
        int_of(value)
            .map(Some)
            .ok_or_else(|| malformed("a field that holds a number holds something else").with("field", name))
    }

    pub(super) fn need_int(self, name: &str) -> Result<i64> {
        self.int(name)?
            .ok_or_else(|| malformed("a field with a number is missing").with("field", name))
    }

    pub(super) fn str(self, name: &str) -> Result<Option<&'a str>> {
        match self.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed("a field that holds text holds something else").with("field", name)),
        }
    }

    pub(super) fn need_str(self, name: &str) -> Result<&'a str> {
        self.str(name)?
            .ok_or_else(|| malformed("a field with text is missing").with("field", name))
    }

    pub(super) fn text(self, name: &str) -> Result<Option<Text>> {
        Ok(self.str(name)?.map(Text::from_stored))
    }

    pub(super) fn flag(self, name: &str) -> Result<bool> {
        match self.get(name)? {
            None => Ok(false),
            Some(RawBsonRef::Boolean(flag)) => Ok(flag),
            Some(_) => {
                Err(malformed("a field that is true or false holds something else").with("field", name))
            }
        }
    }

    pub(super) fn bytes(self, name: &str) -> Result<Option<&'a [u8]>> {
        match self.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::Binary(binary)) => Ok(Some(binary.bytes)),
            Some(_) => Err(malformed("a field that holds bytes holds something else").with("field", name)),
        }
    }

    pub(super) fn document(self, name: &str) -> Result<Option<Fields<'a>>> {
        match self.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::Document(document)) => Ok(Some(Fields(document))),
            Some(_) => {
                Err(malformed("a field that holds a document holds something else").with("field", name))
            }
        }
    }

    fn array(self, name: &str) -> Result<Option<&'a RawArray>> {
        match self.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::Array(array)) => Ok(Some(array)),
            Some(_) => Err(malformed("a field that holds a list holds something else").with("field", name)),
        }
    }

    /// A list of documents; absent is empty.
    pub(super) fn documents(self, name: &str) -> Result<Vec<Fields<'a>>> {
        let mut documents = Vec::new();
        for item in self.array(name)?.into_iter().flatten() {
            match item {
                Ok(RawBsonRef::Document(document)) => documents.push(Fields(document)),
                _ => return Err(malformed("a list of documents holds something else").with("field", name)),
            }
        }
        Ok(documents)
    }

    /// A list of texts; absent is empty.
    pub(super) fn strs(self, name: &str) -> Result<Vec<&'a str>> {
        let mut texts = Vec::new();
        for item in self.array(name)?.into_iter().flatten() {
            match item {
                Ok(RawBsonRef::String(text)) => texts.push(text),
                _ => return Err(malformed("a list of texts holds something else").with("field", name)),
            }
        }
        Ok(texts)
    }

    /// The bytes of an id.
    pub(super) fn id(self, name: &str) -> Result<Option<IdBytes>> {
        match self.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::ObjectId(id)) => Ok(Some(IdBytes::Object(id.bytes()))),
            Some(RawBsonRef::Binary(binary)) => Ok(Some(IdBytes::Other(binary.bytes.to_vec()))),
            Some(_) => Err(malformed("a field that holds an id holds something else").with("field", name)),
        }
    }

    pub(super) fn need_id(self, name: &str) -> Result<IdBytes> {
        self.id(name)?
            .ok_or_else(|| malformed("a field with an id is missing").with("field", name))
    }

    pub(super) fn event_id(self, name: &str) -> Result<EventId> {
        EventId::from_bytes(self.need_id(name)?.as_slice()).map_err(|_| not_an_id(name))
    }

    pub(super) fn booking_id(self, name: &str) -> Result<BookingId> {
        BookingId::from_bytes(self.need_id(name)?.as_slice()).map_err(|_| not_an_id(name))
    }

    /// An empty text is none: so stands the id of a place in events of the original that were written by hand.
    pub(super) fn location_id(self, name: &str) -> Result<Option<LocationId>> {
        if matches!(self.get(name)?, Some(RawBsonRef::String(""))) {
            return Ok(None);
        }
        let bytes = self.id(name)?;
        bytes
            .map(|bytes| LocationId::from_bytes(bytes.as_slice()).map_err(|_| not_an_id(name)))
            .transpose()
    }

    pub(super) fn user_id(self, name: &str) -> Result<Option<UserId>> {
        let bytes = self.id(name)?;
        bytes
            .map(|bytes| UserId::from_bytes(bytes.as_slice()).map_err(|_| not_an_id(name)))
            .transpose()
    }

    /// The version of a record; one of the original has none, which is 0.
    pub(super) fn version(self, name: &str) -> Result<Version> {
        u64::try_from(self.int(name)?.unwrap_or(0))
            .map(Version)
            .map_err(|_| malformed("a version is negative"))
    }

    /// The fingerprint of a record; one of the original has none, and equals no request.
    pub(super) fn fingerprint(self) -> Result<Fingerprint> {
        Fingerprint::from_stored(self.bytes("fingerprint")?.unwrap_or(&[0; 16]))
    }

    /// A small count; what does not fit is bounded.
    pub(super) fn small(self, name: &str) -> Result<Option<u32>> {
        let number = self.int(name)?;
        Ok(number.map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX)))
    }
}

fn not_an_id(field: &str) -> myevents_core::Error {
    malformed("a field that holds an id holds something else").with("field", field)
}

/// The bytes of an id, without a heap for the usual length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdBytes {
    Object([u8; 12]),
    Other(Vec<u8>),
}

impl IdBytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Object(bytes) => bytes,
            Self::Other(bytes) => bytes,
        }
    }
}
