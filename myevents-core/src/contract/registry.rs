//! The registry: which messages there are, by name, and the trait that makes a type one.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::contract::{BodySchema, Envelope, MessageName, legacy_spelling};
use crate::error::{Error, ErrorKind, Result};

/// A type that travels as the JSON body of messages of one name.
///
/// Fields may be added later; none may be removed or change meaning.
pub trait Message: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// The dotted routing name.
    const NAME: &'static str;
    /// One sentence for people: when it is sent.
    const ABOUT: &'static str;

    /// The routing name.
    #[must_use]
    fn name() -> MessageName {
        MessageName::from_static(Self::NAME)
    }

    /// What the body looks like, for documents; any JSON object unless said here.
    #[must_use]
    fn body_schema() -> BodySchema {
        BodySchema::default()
    }

    /// Decodes the body of an envelope.
    ///
    /// # Errors
    /// `Malformed` when the body is not such a message.
    fn decode(envelope: &Envelope) -> Result<Self> {
        serde_json::from_slice(envelope.body()).map_err(|error| {
            Error::new(
                ErrorKind::Malformed,
                "decode message",
                format!("the body is not a {}: {}", Self::NAME, why_unreadable(&error)),
            )
            .with("message", envelope.id())
        })
    }
}

/// Why JSON can't be read, without a piece of it: serde quotes what it found, and that may be somebody's.
#[must_use]
pub fn why_unreadable(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let what = match error.classify() {
        // The names of fields are ours.
        Category::Data if said.starts_with("missing field `") => {
            said.split(" at line ").next().unwrap_or_default().to_owned()
        }
        Category::Data => "a value has another form".to_owned(),
        Category::Syntax => "it is not JSON".to_owned(),
        Category::Eof => "it ends too early".to_owned(),
        Category::Io => "it can't be had".to_owned(),
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// What is known of a message.
#[derive(Debug, Clone)]
pub struct MessageDescription {
    /// The dotted routing name.
    pub name: MessageName,
    /// The spelling of the original services, if they know it.
    pub legacy_name: Option<&'static str>,
    /// When it is sent.
    pub about: &'static str,
    body_schema: fn() -> BodySchema,
    decodes: fn(&Envelope) -> Result<()>,
}

impl MessageDescription {
    /// What the body looks like.
    #[must_use]
    pub fn body_schema(&self) -> BodySchema {
        (self.body_schema)()
    }
}

/// The messages a service knows. Starts with ours; register your own beside them.
#[derive(Debug, Clone)]
pub struct Registry {
    messages: BTreeMap<MessageName, MessageDescription>,
}

impl Default for Registry {
    fn default() -> Self {
        let mut registry = Self {
            messages: BTreeMap::new(),
        };
        registry
            .register::<super::EventCreated>()
            .register::<super::EventUpdated>()
            .register::<super::EventCancelled>()
            .register::<super::LocationCreated>()
            .register::<super::LocationUpdated>()
            .register::<super::LocationDeleted>()
            .register::<super::EventBooked>()
            .register::<super::BookingCancelled>();
        registry
    }
}

impl Registry {
    /// Adds a message type; one of the same name is replaced.
    pub fn register<M: Message>(&mut self) -> &mut Self {
        let description = MessageDescription {
            name: M::name(),
            legacy_name: legacy_spelling(M::NAME),
            about: M::ABOUT,
            body_schema: M::body_schema,
            decodes: |envelope| M::decode(envelope).map(drop),
        };
        self.messages.insert(M::name(), description);
        self
    }

    /// All messages, by name.
    pub fn messages(&self) -> impl Iterator<Item = &MessageDescription> {
        self.messages.values()
    }

    /// Checks that the body of `envelope` decodes as the message its name says.
    ///
    /// # Errors
    /// `NotFound` for an unknown name, `Malformed` for a body that does not decode.
    pub fn check(&self, envelope: &Envelope) -> Result<()> {
        match self.messages.get(envelope.name()) {
            Some(message) => (message.decodes)(envelope),
            None => Err(Error::new(
                ErrorKind::NotFound,
                "decode message",
                "no message of this name is registered",
            )
            .with("name", envelope.name())),
        }
    }
}
