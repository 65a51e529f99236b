//! Writes of records that hold messages: the record and its messages change in one step.

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use myevents_core::contract::Envelope;
use myevents_core::domain::{Fingerprint, Version};
use myevents_core::ports::{Attached, Committed, Inserted, OutboxRow};
use myevents_core::{Error, ErrorKind, Result};

use super::audit;
use super::codec::{Fields, id, version};
use super::link::Collection;
use super::messages::{Kind, Lease, NewMessage, elements, leases};
use super::records::Fieldset;
use super::store::Inner;

/// Marks are stored by themselves here: a write that carries one is refused.
fn without_mark(operation: &'static str, attached: &Attached) -> Result<()> {
    if attached.mark.is_some() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            operation,
            "this store can't complete a message together with its effect",
        ));
    }
    Ok(())
}

impl Inner {
    pub(super) fn collection(&self, kind: Kind) -> &Collection {
        match kind {
            Kind::Events => &self.link.events,
            Kind::Locations => &self.link.locations,
            Kind::Bookings => &self.link.bookings,
        }
    }

    fn new_messages(&self, messages: &[Envelope]) -> (Vec<NewMessage>, Option<Lease>) {
        let now = self.now();
        let messages = messages
            .iter()
            .map(|message| NewMessage::new(message.clone(), &self.instance, now));
        (messages.collect(), self.instance.new_lease(now))
    }

    /// Adds a record under its id, or finds what is there under it, if it was made by the same request.
    pub(super) async fn add_record(
        &self,
        operation: &'static str,
        kind: Kind,
        record: &[u8],
        fields: Fieldset,
        fingerprint: Fingerprint,
        attached: &Attached,
    ) -> Result<Committed<Inserted<RawDocumentBuf>>> {
        without_mark(operation, attached)?;
        let (messages, lease) = self.new_messages(&attached.messages);
        let mut document = fields.insertion(record);
        if !messages.is_empty() {
            document.insert("outbox", elements(&messages, lease));
        }
        let line = attached.audit.as_ref().map(audit::element);
        if let Some(line) = &line {
            document.insert("audit", vec![Bson::Document(line.clone())]);
        }
        let collection = self.collection(kind);
        if self.link.insert(operation, collection, document).await? {
            self.move_later(collection, record, line);
            return Ok(Committed {
                value: Inserted::New,
                leased: rows(kind, record, &messages, lease),
            });
        }
        let found = self
            .link
            .find_one(operation, collection, doc! { "_id": id(record) }, None)
            .await?;
        let found = found.ok_or_else(|| {
            // It is taken on the primary, and the majority has not confirmed by whom.
            Error::new(
                ErrorKind::Unavailable,
                operation,
                "a record with this id is just being stored; try again",
            )
        })?;
        if Fields(&found).fingerprint()? == fingerprint {
            Ok(Committed::quiet(Inserted::Existing(found)))
        } else {
            Err(Error::new(
                ErrorKind::Conflict,
                operation,
                "another record has this id",
            ))
        }
    }

    /// Changes a record of version `expected`, with the messages this causes.
    pub(super) async fn change_record(
        &self,
        operation: &'static str,
        kind: Kind,
        record: &[u8],
        expected: Version,
        fields: Option<Fieldset>,
        attached: &Attached,
    ) -> Result<Committed<()>> {
        without_mark(operation, attached)?;
        let (messages, lease) = self.new_messages(&attached.messages);
        let mut filter = doc! { "_id": id(record) };
        filter.extend(of_version(expected));
        let mut update = fields.map_or_else(Document::new, Fieldset::update);
        let line = attached.audit.as_ref().map(audit::element);
        audit::push(&mut update, line.as_ref());
        if let Some(leased) = self
            .write(operation, kind, record, filter, update, &messages, lease)
            .await?
        {
            self.move_later(self.collection(kind), record, line);
            return Ok(Committed { value: (), leased });
        }
        let collection = self.collection(kind);
        let by_id = doc! { "_id": id(record) };
        let found = self
            .link
            .find_one(operation, collection, by_id, Some(doc! { "version": 1 }))
            .await?;
        Err(match found {
            None => Error::new(ErrorKind::NotFound, operation, "there is no record with this id"),
            Some(found) => Error::new(
                ErrorKind::Precondition,
                operation,
                "the stored version is another",
            )
            .with("stored", Fields(&found).version("version")?)
            .with("expected", expected),
        })
    }

    /// Writes `update` and pushes the messages: leased, if nothing of the record waits, else free. Answers the leased
    /// rows; none when the filter matched nothing.
    #[allow(clippy::too_many_arguments, reason = "what a write is made of, told once")]
    async fn write(
        &self,
        operation: &'static str,
        kind: Kind,
        record: &[u8],
        filter: Document,
        update: Document,
        messages: &[NewMessage],
        lease: Option<Lease>,
    ) -> Result<Option<Vec<OutboxRow>>> {
        let collection = self.collection(kind);
        let pushing = |lease: Option<Lease>| {
            let mut update = update.clone();
            if !messages.is_empty() {
                let each = doc! { "$each": elements(messages, lease) };
                match update.get_document_mut("$push") {
                    Ok(pushed) => drop(pushed.insert("outbox", each)),
                    Err(_) => drop(update.insert("$push", doc! { "outbox": each })),
                }
            }
            update
        };
        if pushing(None).is_empty() {
            // Nothing to write and nothing to tell: only whether the version is the expected one.
            let found = self
                .link
                .find_one(operation, collection, filter, Some(doc! { "_id": 1 }))
                .await?;
            return Ok(found.map(|_| Vec::new()));
        }
        if let Some(lease) = lease.filter(|_| !messages.is_empty()) {
            let mut nothing_waits = filter.clone();
            nothing_waits.insert("outbox.until", doc! { "$exists": false });
            if self
                .link
                .update(operation, collection, nothing_waits, pushing(Some(lease)))
                .await?
            {
                return Ok(Some(rows(kind, record, messages, Some(lease))));
            }
        }
        let written = self
            .link
            .update(operation, collection, filter, pushing(None))
            .await?;
        Ok(written.then(Vec::new))
    }
}

/// The condition that a record is of a version. One of the original has none, which is 0.
pub(super) fn of_version(expected: Version) -> Document {
    if expected == Version::NONE {
        doc! { "$or": [ { "version": 0_i64 }, { "version": { "$exists": false } } ] }
    } else {
        doc! { "version": Bson::Int64(version(expected)) }
    }
}

/// The rows of a write that were born leased.
fn rows(kind: Kind, record: &[u8], messages: &[NewMessage], lease: Option<Lease>) -> Vec<OutboxRow> {
    leases(messages, lease)
        .into_iter()
        .zip(messages)
        .filter_map(|(lease, message)| Some(message.row(kind, record, lease?)))
        .collect()
}

/// The same answer with what is stored decoded.
pub(super) fn decoded<T>(
    added: Committed<Inserted<RawDocumentBuf>>,
    decode: impl FnOnce(Fields<'_>) -> Result<T>,
) -> Result<Committed<Inserted<T>>> {
    Ok(match added.value {
        Inserted::New => Committed {
            value: Inserted::New,
            leased: added.leased,
        },
        Inserted::Existing(stored) => Committed::quiet(Inserted::Existing(decode(Fields(&stored))?)),
    })
}
