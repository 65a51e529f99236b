//! Items as DynamoDB holds them: attributes read without trust, and how large an item is.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use myevents_core::{Error, ErrorKind, Result};

use super::error::malformed;

/// An item, or the key of one.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The most bytes of one item ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
pub(super) const MAX_ITEM_BYTES: usize = 400 * 1024;

pub(super) fn bytes(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Sets an attribute that may be absent.
pub(super) fn set(item: &mut Item, name: &str, value: Option<AttributeValue>) {
    if let Some(value) = value {
        item.insert(name.to_owned(), value);
    }
}

pub(super) fn opt_bytes<'i>(item: &'i Item, name: &'static str) -> Result<Option<&'i [u8]>> {
    match item.get(name) {
        None | Some(AttributeValue::Null(_)) => Ok(None),
        Some(AttributeValue::B(blob)) => Ok(Some(blob.as_ref())),
        Some(_) => Err(wrong_type(name)),
    }
}

pub(super) fn get_bytes<'i>(item: &'i Item, name: &'static str) -> Result<&'i [u8]> {
    opt_bytes(item, name)?.ok_or_else(|| absent(name))
}

pub(super) fn opt_text<'i>(item: &'i Item, name: &'static str) -> Result<Option<&'i str>> {
    match item.get(name) {
        None | Some(AttributeValue::Null(_)) => Ok(None),
        Some(AttributeValue::S(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(name)),
    }
}

pub(super) fn get_text<'i>(item: &'i Item, name: &'static str) -> Result<&'i str> {
    opt_text(item, name)?.ok_or_else(|| absent(name))
}

pub(super) fn opt_number<T: std::str::FromStr>(item: &Item, name: &'static str) -> Result<Option<T>> {
    match item.get(name) {
        None | Some(AttributeValue::Null(_)) => Ok(None),
        Some(AttributeValue::N(digits)) => digits.parse().map(Some).map_err(|_| wrong_type(name)),
        Some(_) => Err(wrong_type(name)),
    }
}

pub(super) fn get_number<T: std::str::FromStr>(item: &Item, name: &'static str) -> Result<T> {
    opt_number(item, name)?.ok_or_else(|| absent(name))
}

pub(super) fn get_flag(item: &Item, name: &'static str) -> Result<bool> {
    match item.get(name) {
        None | Some(AttributeValue::Null(_)) => Ok(false),
        Some(AttributeValue::Bool(flag)) => Ok(*flag),
        Some(_) => Err(wrong_type(name)),
    }
}

pub(super) fn opt_list<'i>(item: &'i Item, name: &'static str) -> Result<&'i [AttributeValue]> {
    match item.get(name) {
        None | Some(AttributeValue::Null(_)) => Ok(&[]),
        Some(AttributeValue::L(list)) => Ok(list),
        Some(_) => Err(wrong_type(name)),
    }
}

pub(super) fn opt_map<'i>(item: &'i Item, name: &'static str) -> Result<Option<&'i Item>> {
    match item.get(name) {
        None | Some(AttributeValue::Null(_)) => Ok(None),
        Some(AttributeValue::M(map)) => Ok(Some(map)),
        Some(_) => Err(wrong_type(name)),
    }
}

pub(super) fn as_map(value: &AttributeValue) -> Result<&Item> {
    value
        .as_m()
        .map_err(|_| malformed("a list of maps holds something else"))
}

fn absent(name: &'static str) -> Error {
    malformed("an attribute is missing").with("attribute", name)
}

fn wrong_type(name: &'static str) -> Error {
    malformed("an attribute has a value of the wrong type").with("attribute", name)
}

/// The bytes of an item as DynamoDB counts them, at least: names and values in UTF-8, with a little for each.
pub(super) fn size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value_size(value))
        .sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.len() + size(map),
        _ => 1,
    }
}

/// Refuses an item that DynamoDB would not take.
pub(super) fn check_size(operation: &'static str, item: &Item) -> Result<()> {
    let size = size(item);
    if size > MAX_ITEM_BYTES {
        return Err(too_large(operation).with("bytes", size));
    }
    Ok(())
}

pub(super) fn too_large(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        operation,
        "a record is larger than the 400 KB that DynamoDB stores in one item",
    )
}

/// `text` cut to at most `most` bytes, between characters: what may be the key of an index.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_the_wrong_type_are_malformed() {
        let item = Item::from([
            ("A".to_owned(), text("a")),
            ("N".to_owned(), number(-5)),
            ("Z".to_owned(), AttributeValue::Null(true)),
        ]);
        assert_eq!(get_text(&item, "A").unwrap(), "a");
        assert_eq!(get_number::<i64>(&item, "N").unwrap(), -5);
        assert_eq!(opt_text(&item, "Z").unwrap(), None);
        for error in [
            get_text(&item, "N").unwrap_err(),
            get_number::<i64>(&item, "A").unwrap_err(),
            get_number::<u64>(&item, "N").unwrap_err(),
            get_bytes(&item, "A").unwrap_err(),
            get_bytes(&item, "B").unwrap_err(),
            get_flag(&item, "A").unwrap_err(),
            opt_list(&item, "A").unwrap_err(),
            opt_map(&item, "A").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 3), "");
    }

    #[test]
    fn an_item_above_the_limit_is_refused() {
        let mut item = Item::from([("A".to_owned(), text("x".repeat(MAX_ITEM_BYTES - 1)))]);
        assert!(check_size("test", &item).is_ok());
        item.insert("B".to_owned(), text("x"));
        assert_eq!(check_size("test", &item).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
