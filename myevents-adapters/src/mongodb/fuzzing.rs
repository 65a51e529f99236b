//! What is made of documents that hold anything, as the original's services or people may have written them.

use mongodb::bson::{Document, RawDocument, RawDocumentBuf};
use myevents_core::Result;
use myevents_core::fuzzing::is_refusal;
use myevents_core::ports::ClaimToken;

use super::claiming::{Waiting, claimed_rows};
use super::codec::Fields;
use super::messages::{Kind, envelope_of};
use super::{bookings, counters, records};

fn fair<T>(read: Result<T>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            is_refusal(&error);
            None
        }
    }
}

fn raw(document: &Document) -> Option<RawDocumentBuf> {
    RawDocumentBuf::try_from(document).ok()
}

/// Documents of MongoDB, read as each kind of record.
///
/// # Panics
/// When a promise is broken.
pub fn documents(data: &[u8]) {
    let Ok(document) = RawDocument::from_bytes(data) else {
        return;
    };
    let fields = Fields(document);
    if let Some(first) = fair(records::event_of(fields)) {
        let written = records::event_fields(&first).insertion(first.event.id.as_bytes());
        let again = raw(&written).and_then(|written| fair(records::event_of(Fields(&written))));
        assert!(again == Some(first), "an event does not come back: {written:?}");
    }
    if let Some(first) = fair(records::location_record_of(fields)) {
        let written = records::location_record_fields(&first).insertion(first.location.id.as_bytes());
        let again = raw(&written).and_then(|written| fair(records::location_record_of(Fields(&written))));
        assert!(again == Some(first), "a location does not come back: {written:?}");
    }
    if let Some(first) = fair(bookings::booking_of(fields)) {
        let written = bookings::booking_document(&first, "try", None, None);
        let again = raw(&written).and_then(|written| fair(bookings::booking_of(Fields(&written))));
        assert!(again == Some(first), "a booking does not come back: {written:?}");
    }
    drop(fair(records::user_of(fields)));
    drop(fair(envelope_of(fields)));
    let _counter = fair(counters::counter_of(fields));
    let _seen = fair(counters::seen_of(fields));
    drop(fair(counters::entries_of(fields)));
    for kind in Kind::ALL {
        drop(fair(Waiting::read(kind, fields, ClaimToken(7))));
        drop(fair(claimed_rows(kind, fields, ClaimToken(7))));
    }
}
