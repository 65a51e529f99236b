//! Messages as lines: dead letters and parked ones.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64;
use myevents_core::Result;
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{DeadLetter, ParkedMessage, RowId};
use serde::{Deserialize, Serialize};

use super::lines::bad;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    time: i64,
    headers: BTreeMap<String, String>,
    #[serde(borrow)]
    content_type: Cow<'a, str>,
    /// The body, where it is text.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    /// The body, where it is not.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    base64: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LetterLine<'a> {
    #[serde(borrow)]
    consumer: Cow<'a, str>,
    #[serde(borrow)]
    origin: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    attempts: u32,
    at: i64,
    #[serde(borrow)]
    message: MessageLine<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParkedLine<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    message: MessageLine<'a>,
}

impl<'a> MessageLine<'a> {
    fn of(envelope: &'a Envelope) -> Self {
        let text = std::str::from_utf8(envelope.body()).ok();
        Self {
            id: envelope.id().as_str().into(),
            name: envelope.name().as_str().into(),
            key: envelope.key().into(),
            time: envelope.time().0,
            headers: envelope.headers().clone(),
            content_type: envelope.content_type().into(),
            base64: text.is_none().then(|| BASE64.encode(envelope.body()).into()),
            text: text.map(Cow::from),
        }
    }

    fn read(&self) -> Result<Envelope> {
        let body = match (&self.text, &self.base64) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(encoded)) => BASE64
                .decode(encoded.as_bytes())
                .map_err(|_| bad("base64 is not Base64"))?,
            _ => return Err(bad("a message has either text or base64")),
        };
        let id = MessageId::new(&self.id);
        Ok(
            Envelope::builder(id, MessageName::from_wire(&self.name), &*self.key)
                .time(UnixMillis(self.time))
                .headers(self.headers.clone())
                .content_type(&self.content_type)
                .body(body)
                .build(),
        )
    }
}

impl<'a> LetterLine<'a> {
    pub(super) fn of(letter: &'a DeadLetter) -> Self {
        Self {
            consumer: letter.consumer.as_str().into(),
            origin: letter.origin.as_str().into(),
            reason: letter.reason.as_str().into(),
            attempts: letter.attempts,
            at: letter.at.0,
            message: MessageLine::of(&letter.envelope),
        }
    }

    pub(super) fn read(&self) -> Result<DeadLetter> {
        Ok(DeadLetter {
            consumer: self.consumer.clone().into_owned(),
            origin: self.origin.clone().into_owned(),
            reason: self.reason.clone().into_owned(),
            attempts: self.attempts,
            at: UnixMillis(self.at),
            envelope: self.message.read()?,
        })
    }
}

impl<'a> ParkedLine<'a> {
    pub(super) fn of(parked: &'a ParkedMessage) -> Self {
        Self {
            reason: parked.reason.as_str().into(),
            message: MessageLine::of(&parked.envelope),
        }
    }

    /// The row is the old store's; the new one makes its own.
    pub(super) fn read(&self) -> Result<ParkedMessage> {
        Ok(ParkedMessage {
            id: RowId(Arc::from("")),
            reason: self.reason.clone().into_owned(),
            envelope: self.message.read()?,
        })
    }
}
