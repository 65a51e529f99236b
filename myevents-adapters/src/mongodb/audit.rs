//! The audit log: a collection of its own, whose lines are born inside the records that they tell of.
//!
//! ```text
//! record { …, audit: [ { id, time, object, entry } ] }     written in the step that changes the record
//!     ──► audit { _id, time, object, entry }               moved by whoever wrote it, or by anybody who lists the log
//! ```
//!
//! A line is inserted first and taken out of its record after that, by its id, so it may be moved any number of times and
//! is never in neither place. A list moves all that is still inside records before it reads.

use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use mongodb::options::FindOptions;
use myevents_core::contract::{audit_from_json, audit_to_json};
use myevents_core::domain::AuditEntry;
use myevents_core::ports::{AuditCursor, AuditFilter, PageOf};
use myevents_core::{Error, ErrorKind, Result};

use super::codec::{Fields, id};
use super::error::{Sends, malformed};
use super::link::{Collection, Link};
use super::paging::Direction;
use super::store::Inner;

/// Records that are looked at in one go.
const MOST: usize = 500;

/// The age from which a line that is still inside its record was not moved by any of several tries of the background task.
const LATE_MILLIS: i64 = 3 * 60_000;

/// Lines of an import that are inserted at once.
const IMPORTED_AT_ONCE: usize = 500;

/// A line inside its record.
pub(super) fn element(entry: &AuditEntry) -> Document {
    doc! {
        "id": id(entry.id.as_bytes()),
        "time": entry.time.0,
        "object": entry.object.to_string(),
        "entry": audit_to_json(entry),
    }
}

/// The change that adds a line to its record, if there is one.
pub(super) fn push(update: &mut Document, element: Option<&Document>) {
    let Some(element) = element else { return };
    match update.get_document_mut("$push") {
        Ok(pushed) => drop(pushed.insert("audit", element.clone())),
        Err(_) => drop(update.insert("$push", doc! { "audit": element.clone() })),
    }
}

/// The same line in the log.
fn moved(element: &Document) -> Result<RawDocumentBuf> {
    let mut document = element.clone();
    let own = document.remove("id").unwrap_or(Bson::Null);
    document.insert("_id", own);
    RawDocumentBuf::try_from(&document).map_err(|source| {
        Error::new(
            ErrorKind::Internal,
            "move audit log",
            "a line of the audit log can't be encoded",
        )
        .caused_by(source)
    })
}

/// A record with lines that were not moved yet.
struct Carrier {
    record: Bson,
    lines: Vec<Document>,
}

impl Carrier {
    fn read(record: &RawDocument) -> Result<Self> {
        let mut record = Document::try_from(record)
            .map_err(|source| malformed("a line of the audit log is no valid BSON").caused_by(source))?;
        let lines = match record.remove("audit") {
            Some(Bson::Array(lines)) => lines,
            _ => Vec::new(),
        };
        Ok(Self {
            record: record.remove("_id").unwrap_or(Bson::Null),
            lines: lines
                .into_iter()
                .filter_map(|line| match line {
                    Bson::Document(line) => Some(line),
                    _ => None,
                })
                .collect(),
        })
    }
}

async fn move_lines(link: &Link, collection: &Collection, carriers: Vec<Carrier>) -> Result<()> {
    const OPERATION: &str = "move audit log";
    let lines = carriers.iter().flat_map(|carrier| &carrier.lines);
    let documents = lines.map(moved).collect::<Result<_>>()?;
    link.insert_unordered(OPERATION, &link.audit, documents).await?;
    let mut statements = Vec::new();
    for carrier in &carriers {
        for line in &carrier.lines {
            let own = line.get("id").cloned().unwrap_or(Bson::Null);
            statements.push(doc! {
                "q": { "_id": carrier.record.clone() },
                "u": { "$pull": { "audit": { "id": own } } },
            });
        }
    }
    link.bulk(OPERATION, collection, statements).await?;
    if collection.name() == link.api_keys.name() {
        bury_keys(link).await?;
    }
    Ok(())
}

/// Takes the records of revoked keys away whose lines are in the log: they stayed for these only.
async fn bury_keys(link: &Link) -> Result<()> {
    let gone = doc! { "gone": true, "audit": [] };
    link.delete_all("move audit log", &link.api_keys, gone)
        .await
        .map(drop)
}

/// Moves the lines that are inside records of `collection`; answers how many records held some.
async fn sweep_one(link: &Link, collection: &Collection) -> Result<usize> {
    let mut swept = 0;
    loop {
        let mut options = FindOptions::default();
        options.projection = Some(doc! { "audit": 1 });
        options.limit = i64::try_from(MOST).ok();
        let filter = doc! { "audit.time": { "$gte": i64::MIN } };
        let found = link
            .find("move audit log", collection, filter, options, MOST, |document| {
                Carrier::read(document).map(Some)
            })
            .await?;
        let count = found.len();
        if count > 0 {
            move_lines(link, collection, found).await?;
        }
        swept += count;
        if count < MOST {
            return Ok(swept);
        }
    }
}

impl Inner {
    /// Moves a line that was just written into a record of `collection`. Nobody waits for it: should it fail, a list or the
    /// background task does it.
    pub(super) fn move_later(&self, collection: &Collection, record: &[u8], line: Option<Document>) {
        let Some(line) = line else { return };
        self.move_later_of(collection, id(record), line);
    }

    pub(super) fn move_later_of(&self, collection: &Collection, record: Bson, line: Document) {
        let (link, collection) = (self.link.clone(), collection.clone());
        let carrier = Carrier {
            record,
            lines: vec![line],
        };
        self.tasks.spawn(async move {
            if let Err(error) = move_lines(&link, &collection, vec![carrier]).await {
                tracing::debug!(%error, "a line of the audit log stays in its record for now");
            }
        });
    }

    /// Records that hold lines which every try to move them left there.
    pub(super) async fn unmoved_audit(&self) -> Result<u64> {
        let link = &self.link;
        let late = doc! { "audit.time": { "$lt": self.now().0.saturating_sub(LATE_MILLIS) } };
        let mut records = 0;
        for collection in [
            &link.events,
            &link.locations,
            &link.bookings,
            &link.users,
            &link.api_keys,
        ] {
            let (collection, late) = (collection.clone(), late.clone());
            let work = async move { collection.count_documents(late).await };
            records += link
                .call("count lines of the audit log", Sends::Read, work)
                .await?;
        }
        Ok(records)
    }

    /// Moves all lines that are still inside records; answers how many records held some.
    pub(super) async fn sweep_audit(&self) -> Result<usize> {
        let link = &self.link;
        let (events, locations, bookings, users, keys) = tokio::try_join!(
            sweep_one(link, &link.events),
            sweep_one(link, &link.locations),
            sweep_one(link, &link.bookings),
            sweep_one(link, &link.users),
            sweep_one(link, &link.api_keys),
        )?;
        // Whoever moved the line of a revoked key may have ended before its record was gone.
        bury_keys(link).await?;
        Ok(events + locations + bookings + users + keys)
    }

    pub(super) async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>> {
        // Whoever lists asks for no change: a move whose outcome is not known is one that was not done yet.
        let swept = self.sweep_audit().await;
        swept.map_err(|error| match error.is_retryable() {
            true => Error::new(
                ErrorKind::Unavailable,
                "list audit log",
                "lines of the audit log can't be moved out of their records just now; try again",
            )
            .caused_by(error),
            false => error,
        })?;
        let link = &self.link;
        let base = match &filter.object {
            Some(object) => doc! { "object": object.to_string() },
            None => doc! {},
        };
        let (since, until) = filter.range();
        let after = after.map(|after| Direction::Falling.after(after.time.0, after.id.as_bytes()));
        let from = filter.since.map(|_| since.0);
        let to = filter.until.map(|_| until.0);
        let wanted = limit.saturating_add(1);
        let mut items = Vec::new();
        for part in Direction::Falling.parts("time", &base, after, from, to) {
            let missing = wanted - items.len();
            let mut options = FindOptions::default();
            options.sort = Some(Direction::Falling.sort("time"));
            options.limit = i64::try_from(missing).ok();
            let found = link.find(
                "list audit log",
                &link.audit,
                part,
                options,
                missing,
                |document| audit_from_json(Fields(document).need_str("entry")?).map(Some),
            );
            items.extend(found.await?);
            if items.len() >= wanted {
                break;
            }
        }
        Ok(PageOf::from_surplus(items, limit, |entry: &AuditEntry| {
            entry.into()
        }))
    }

    /// Stores lines of another store as they are; answers how many were not there.
    pub(super) async fn import_audit(&self, entries: &[AuditEntry]) -> Result<u64> {
        let link = &self.link;
        let mut added = 0;
        for some in entries.chunks(IMPORTED_AT_ONCE) {
            let documents = some.iter().map(|entry| moved(&element(entry)));
            let documents: Vec<_> = documents.collect::<Result<_>>()?;
            let inserted = link
                .insert_unordered("import audit log", &link.audit, documents)
                .await?;
            added += some.len().saturating_sub(inserted.duplicates.len()) as u64;
        }
        Ok(added)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_pushed_beside_what_is_pushed_already() {
        let line = doc! { "id": 1 };
        let mut update = doc! { "$set": { "a": 1 } };
        push(&mut update, None);
        assert_eq!(update, doc! { "$set": { "a": 1 } });
        push(&mut update, Some(&line));
        assert_eq!(
            update,
            doc! { "$set": { "a": 1 }, "$push": { "audit": { "id": 1 } } }
        );
        let mut update = doc! { "$push": { "outbox": { "b": 2 } } };
        push(&mut update, Some(&line));
        assert_eq!(
            update,
            doc! { "$push": { "outbox": { "b": 2 }, "audit": { "id": 1 } } }
        );
    }
}
