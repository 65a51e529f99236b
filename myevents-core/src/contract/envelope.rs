//! The envelope: what every message carries beside its body. Immutable once built; routing never decodes the body.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contract::MessageName;
use crate::domain::UnixMillis;

/// The content type of all our own messages.
pub const CONTENT_TYPE_JSON: &str = "application/json";

/// Names of headers.
pub mod header {
    /// The W3C trace context of the request that caused the message.
    pub const TRACEPARENT: &str = "traceparent";
    /// Who sent it, as a URI reference: the `source` of CloudEvents.
    pub const SOURCE: &str = "source";
    /// There, with any value, on what is announced once more and did not happen now.
    pub const REPUBLISHED: &str = "republished";
}

/// The id of a message: a UUID of version 7 for ours, any text for foreign ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// Takes an id as received.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Uuid> for MessageId {
    fn from(id: Uuid) -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text: &str = id.hyphenated().encode_lower(&mut buffer);
        Self(text.into())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message: metadata and body bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope(Arc<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    id: MessageId,
    name: MessageName,
    key: Arc<str>,
    time: UnixMillis,
    headers: BTreeMap<String, String>,
    content_type: Cow<'static, str>,
    body: Bytes,
}

impl Envelope {
    /// Starts an envelope of JSON; set what differs, then [`build`](EnvelopeBuilder::build).
    #[must_use]
    pub fn builder(id: MessageId, name: MessageName, key: impl Into<Arc<str>>) -> EnvelopeBuilder {
        EnvelopeBuilder(Parts {
            id,
            name,
            key: key.into(),
            time: UnixMillis::default(),
            headers: BTreeMap::new(),
            content_type: CONTENT_TYPE_JSON.into(),
            body: Bytes::new(),
        })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &MessageId {
        &self.0.id
    }

    /// Its routing name.
    #[must_use]
    pub fn name(&self) -> &MessageName {
        &self.0.name
    }

    /// Its key: the id of the record whose change caused it. Order is promised for messages of one key. Empty = none.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// When it was made.
    #[must_use]
    pub fn time(&self) -> UnixMillis {
        self.0.time
    }

    /// Its headers, by name in lower case.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.0.headers
    }

    /// The media type of the body.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.0.content_type
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// The same message with one header set anew.
    pub(crate) fn with_header(&self, name: &str, value: String) -> Self {
        EnvelopeBuilder((*self.0).clone()).header(name, value).build()
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("id", &self.0.id)
            .field("name", &self.0.name)
            .field("body_bytes", &self.0.body.len())
            .finish_non_exhaustive()
    }
}

/// Builds an [`Envelope`].
#[derive(Debug)]
pub struct EnvelopeBuilder(Parts);

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl EnvelopeBuilder {
    /// Sets when it was made.
    #[must_use]
    pub fn time(mut self, time: UnixMillis) -> Self {
        self.0.time = time;
        self
    }

    /// Adds a header; the name is kept in lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.headers.insert(name.to_ascii_lowercase(), value.into());
        self
    }

    /// Sets all headers.
    #[must_use]
    pub fn headers(mut self, headers: BTreeMap<String, String>) -> Self {
        self.0.headers = headers;
        self
    }

    /// Sets the media type of the body.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        if content_type != CONTENT_TYPE_JSON {
            self.0.content_type = content_type.to_owned().into();
        }
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.0.body = body.into();
        self
    }

    /// The envelope.
    #[must_use]
    pub fn build(self) -> Envelope {
        Envelope(Arc::new(self.0))
    }
}
