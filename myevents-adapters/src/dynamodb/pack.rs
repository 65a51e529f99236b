//! Records larger than an item: what is bulky is packed into one attribute, compressed.
//!
//! Only what would not fit otherwise is packed, so all usual records can be read by anybody who reads the table.

use std::io::{Read, Write};

use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use myevents_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::error::malformed;
use super::item::{Item, MAX_ITEM_BYTES, bytes, opt_bytes, size, too_large};

/// The attribute that holds the others.
pub(super) const PACKED: &str = "Packed";

/// From which size on a record is packed: below the limit, as indexes and later changes need some room.
const MOST_UNPACKED: usize = MAX_ITEM_BYTES - 16 * 1024;

/// What may come out of a packed attribute at most.
const MOST_INFLATED: u64 = 32 * 1024 * 1024;

/// Packs the attributes named `bulky` if the item is too large with them.
pub(super) fn pack(operation: &'static str, mut item: Item, bulky: &[&str]) -> Result<Item> {
    if size(&item) <= MOST_UNPACKED {
        return Ok(item);
    }
    let parts = bulky.iter().filter_map(|name| {
        item.remove(*name)
            .map(|value| ((*name).to_owned(), to_json(&value)))
    });
    let json = serde_json::to_vec(&Value::Object(parts.collect())).unwrap_or_default();
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(&json).and_then(|()| encoder.finish());
    let packed = packed.map_err(|error| {
        Error::new(ErrorKind::Internal, operation, "a record can't be packed").caused_by(error)
    })?;
    item.insert(PACKED.to_owned(), bytes(&packed));
    if size(&item) > MOST_UNPACKED {
        return Err(too_large(operation));
    }
    Ok(item)
}

/// The item as it was before it was packed; none when it was not.
pub(super) fn unpack(item: &Item) -> Result<Option<Item>> {
    let Some(packed) = opt_bytes(item, PACKED)? else {
        return Ok(None);
    };
    let broken = || malformed("a packed record can't be unpacked");
    let mut json = Vec::new();
    DeflateDecoder::new(packed)
        .take(MOST_INFLATED)
        .read_to_end(&mut json)
        .map_err(|error| broken().caused_by(error))?;
    let parts: Map<String, Value> =
        serde_json::from_slice(&json).map_err(|error| broken().caused_by(error))?;
    let mut unpacked = item.clone();
    unpacked.remove(PACKED);
    for (name, value) in parts {
        unpacked.insert(name, from_json(value).ok_or_else(broken)?);
    }
    Ok(Some(unpacked))
}

/// Numbers are wrapped, as text and numbers are both text in JSON here; no other type is in what is packed.
fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::N(digits) => Value::Array(vec![Value::String(digits.clone())]),
        AttributeValue::B(blob) => {
            let bytes = blob.as_ref().iter().map(|byte| Value::from(*byte));
            Value::Array(vec![Value::Null, Value::Array(bytes.collect())])
        }
        AttributeValue::L(list) => Value::Array(vec![
            Value::Bool(true),
            Value::Array(list.iter().map(to_json).collect()),
        ]),
        AttributeValue::M(map) => Value::Object(
            map.iter()
                .map(|(name, value)| (name.clone(), to_json(value)))
                .collect(),
        ),
        AttributeValue::Bool(flag) => Value::Bool(*flag),
        _ => Value::Null,
    }
}

pub(super) fn from_json(value: Value) -> Option<AttributeValue> {
    Some(match value {
        Value::String(text) => AttributeValue::S(text),
        Value::Bool(flag) => AttributeValue::Bool(flag),
        Value::Null => AttributeValue::Null(true),
        Value::Object(map) => AttributeValue::M(
            map.into_iter()
                .map(|(name, value)| Some((name, from_json(value)?)))
                .collect::<Option<_>>()?,
        ),
        Value::Array(parts) => {
            let mut parts = parts.into_iter();
            match (parts.next()?, parts.next()) {
                (Value::String(digits), None) => AttributeValue::N(digits),
                (Value::Null, Some(Value::Array(of))) => bytes(
                    &of.iter()
                        .map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()))
                        .collect::<Option<Vec<u8>>>()?,
                ),
                (Value::Bool(true), Some(Value::Array(list))) => {
                    AttributeValue::L(list.into_iter().map(from_json).collect::<Option<_>>()?)
                }
                _ => return None,
            }
        }
        Value::Number(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::item::{number, text};
    use super::*;

    fn large(filler: &str) -> Item {
        let hall = Item::from([
            ("name".to_owned(), text(filler)),
            ("capacity".to_owned(), number(-12)),
            ("ID".to_owned(), bytes(&[0, 255])),
            ("yes".to_owned(), AttributeValue::Bool(true)),
        ]);
        Item::from([
            ("ID".to_owned(), bytes(&[1])),
            (
                "Halls".to_owned(),
                AttributeValue::L(vec![AttributeValue::M(hall); 500]),
            ),
        ])
    }

    #[test]
    fn what_is_packed_comes_back_equal() {
        let item = large(&"长".repeat(2_000));
        let packed = pack("test", item.clone(), &["Halls", "Absent"]).unwrap();
        assert!(size(&packed) < 100_000 && !packed.contains_key("Halls"));
        assert_eq!(unpack(&packed).unwrap(), Some(item));
    }

    #[test]
    fn what_fits_is_left_alone() {
        let item = large("small");
        assert_eq!(pack("test", item.clone(), &["Halls"]).unwrap(), item);
        assert_eq!(unpack(&item).unwrap(), None);
    }

    #[test]
    fn what_does_not_compress_is_too_large_and_what_is_broken_malformed() {
        let noise: String = (0..700_000)
            .map(|_| char::from(rand::random_range(32..127_u8)))
            .collect();
        let item = Item::from([("Halls".to_owned(), text(noise))]);
        assert_eq!(
            pack("test", item, &["Halls"]).unwrap_err().kind(),
            ErrorKind::TooLarge
        );
        let broken = Item::from([(PACKED.to_owned(), bytes(&[1, 2, 3]))]);
        assert_eq!(unpack(&broken).unwrap_err().kind(), ErrorKind::Malformed);
    }
}
