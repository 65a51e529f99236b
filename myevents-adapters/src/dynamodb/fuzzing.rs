//! What is made of items that hold anything, as the original's services or people may have written them.

use myevents_core::Result;
use myevents_core::fuzzing::{Input, is_refusal};

use super::item::{Item, bytes};
use super::names::ID;
use super::parcel::Parcel;
use super::{codec, pack, records};

fn fair<T>(read: Result<T>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            is_refusal(&error);
            None
        }
    }
}

/// Items of DynamoDB: what is packed as it is, or an item in the form that packed ones have.
///
/// # Panics
/// When a promise is broken.
pub fn items(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let item = if kind.is_multiple_of(4) {
        let packed = Item::from([
            (ID.to_owned(), bytes(&[1; 12])),
            (pack::PACKED.to_owned(), bytes(input.rest())),
        ]);
        match fair(pack::unpack(&packed)) {
            Some(Some(item)) => item,
            _ => packed,
        }
    } else {
        let parsed = serde_json::from_slice::<serde_json::Map<_, _>>(input.rest()).ok();
        let attributes = parsed.into_iter().flatten();
        let item: Option<Item> = attributes
            .map(|(name, value)| Some((name, pack::from_json(value)?)))
            .collect();
        let Some(item) = item else { return };
        item
    };
    if let Some(first) = fair(records::event_from_item(&item)) {
        let again = fair(records::event_from_item(&records::event_to_item(&first)));
        assert_eq!(again, Some(first));
    }
    if let Some(first) = fair(records::location_from_item(&item)) {
        let again = fair(records::location_from_item(&records::location_to_item(&first)));
        assert_eq!(again, Some(first));
    }
    if let Some(first) = fair(codec::booking_from_item(&item)) {
        let again = fair(codec::booking_from_item(&codec::booking_to_item(&first, 1, None)));
        assert_eq!(again, Some(first));
    }
    if let Some(first) = fair(codec::user_from_item(&item)) {
        let again = fair(codec::user_from_item(&codec::user_to_item(&first)));
        assert_eq!(again, Some(first));
    }
    if let Some(first) = fair(Parcel::from_item(&item)) {
        let again = fair(Parcel::from_item(&first.to_item()));
        assert_eq!(again, Some(first));
    }
    let _counter = fair(codec::counter_from_item(&item));
    let _place = fair(codec::place(&item));
}
