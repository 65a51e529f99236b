//! Takes single values out of the merged layers, in their types, noting what is wrong.

use std::path::PathBuf;
use std::time::Duration;

use figment::value::Value;

use super::keys::{self, Key, Kind};
use super::layers::{Fault, Merged};
use super::value::{ListenAddress, parse_duration, parse_flag};
use crate::contract::MessageName;

/// Whether the value has the form of its key.
pub(super) fn check(key: &Key, text: &str) -> Result<(), String> {
    match key.kind {
        Kind::Flag => parse_flag(text).map(drop),
        Kind::Number(most) => parse_number(text, most).map(drop),
        Kind::Duration => parse_duration(text).map(drop),
        Kind::Address if text == "none" => Ok(()),
        Kind::Address => ListenAddress::parse(text).map(drop),
        Kind::Choice(words) if !words.contains(&text) => {
            Err(format!("`{text}` is none of {}", words.join(", ")))
        }
        Kind::Text | Kind::Path | Kind::List | Kind::Choice(_) => Ok(()),
    }
}

pub(super) fn parse_number(text: &str, most: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if number <= most => Ok(number),
        Ok(_) => Err(format!("{text} is more than {most}")),
        Err(_) => Err(format!("`{text}` is no whole number")),
    }
}

/// A value in the spelling of the environment; `None` where it is neither text, number, flag nor a list of these.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, sign) => Some(sign.to_string()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, number) => number
            .to_u128()
            .map(|number| number.to_string())
            .or_else(|| number.to_i128().map(|number| number.to_string()))
            .or_else(|| number.to_f64().map(|number| number.to_string())),
        Value::Array(_, values) => {
            let texts: Option<Vec<String>> = values.iter().map(as_text).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Empty(..) | Value::Dict(..) => None,
    }
}

/// Takes values out of the layers, noting what is wrong. After a fault the answer is a stand-in that is never used.
pub(super) struct Values<'a> {
    pub(super) merged: &'a Merged,
    pub(super) faults: &'a mut Vec<Fault>,
}

impl Values<'_> {
    pub(super) fn fault(&mut self, key: &str, message: String) {
        self.faults.push(Fault {
            key: key.to_owned(),
            source: self.merged.origin(key),
            message,
        });
    }

    pub(super) fn optional(&mut self, key: &str) -> Option<String> {
        let text = as_text(self.merged.get(key)?);
        if text.is_none() {
            self.fault(key, "is neither text, number, flag nor a list".into());
        }
        text
    }

    pub(super) fn text(&mut self, key: &str) -> String {
        let text = self.optional(key).unwrap_or_default();
        match keys::find(key).map(|key| check(key, &text)) {
            Some(Err(message)) => self.fault(key, message),
            None => self.fault(key, "is in no table".into()),
            Some(Ok(())) => {}
        }
        text
    }

    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        otherwise: T,
    ) -> T {
        let text = self.optional(key).unwrap_or_default();
        parse(&text).unwrap_or_else(|message| {
            self.fault(key, message);
            otherwise
        })
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.parsed(key, parse_flag, false)
    }

    pub(super) fn duration(&mut self, key: &str) -> Duration {
        self.parsed(key, parse_duration, Duration::ZERO)
    }

    pub(super) fn number(&mut self, key: &str) -> usize {
        let most = match keys::find(key).map(|key| key.kind) {
            Some(Kind::Number(most)) => most,
            _ => u64::MAX,
        };
        let number = self.parsed(key, |text| parse_number(text, most), 0);
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// A number that can't be 0.
    pub(super) fn count(&mut self, key: &str) -> u32 {
        let faults = self.faults.len();
        match u32::try_from(self.number(key)) {
            // What is no number at all was told already.
            Ok(0) if self.faults.len() > faults => 1,
            Ok(0) => {
                self.fault(key, "must be at least 1".into());
                1
            }
            Ok(number) => number,
            Err(_) => u32::MAX,
        }
    }

    pub(super) fn address(&mut self, key: &str) -> Option<ListenAddress> {
        let parse = |text: &str| match text {
            "none" => Ok(None),
            text => ListenAddress::parse(text).map(Some),
        };
        self.parsed(key, parse, None)
    }

    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.optional(key)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    }

    pub(super) fn list(&mut self, key: &str) -> Vec<String> {
        let text = self.optional(key).unwrap_or_default();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(ToOwned::to_owned).collect()
    }

    /// The old spellings are sent to services that bind only some names, so nothing is required then unless said.
    pub(super) fn names(&mut self, key: &str, legacy: bool) -> Vec<MessageName> {
        if legacy && self.merged.origin(key) == "default" {
            return Vec::new();
        }
        self.list(key)
            .iter()
            .map(|text| MessageName::from_wire(text))
            .collect()
    }
}
