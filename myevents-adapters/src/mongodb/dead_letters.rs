//! Dead letters as records: kept for people, sent back by marking them due.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::FindOptions;
use myevents_core::Result;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetters, PageOf};

use super::codec::Fields;
use super::error::Sends;
use super::inbox::pair;
use super::messages::{NewMessage, envelope_of};
use super::store::{Inner, MongoStore};

/// Names a letter by its place and its record; padded, so that ids sort by age as text too.
fn letter_id(seq: i64, record: &str) -> DeadLetterId {
    DeadLetterId(Arc::from(format!("{seq:016x}{record}")))
}

fn place_of(id: &DeadLetterId) -> Option<(i64, &str)> {
    let seq = i64::from_str_radix(id.0.get(..16)?, 16).ok()?;
    Some((seq, id.0.get(16..)?))
}

fn records(ids: &[DeadLetterId]) -> Document {
    let places = ids.iter().filter_map(place_of);
    let records: Vec<Bson> = places.map(|(_, record)| record.into()).collect();
    doc! { "_id": { "$in": records } }
}

fn letter_of(fields: Fields<'_>) -> Result<(DeadLetterId, DeadLetter)> {
    let message = fields.document("message")?.unwrap_or(fields);
    let letter = DeadLetter {
        consumer: fields.need_str("consumer")?.to_owned(),
        origin: fields.str("origin")?.unwrap_or_default().to_owned(),
        reason: fields.str("reason")?.unwrap_or_default().to_owned(),
        attempts: fields.small("attempts")?.unwrap_or(0),
        at: UnixMillis(fields.int("at")?.unwrap_or(0)),
        envelope: envelope_of(message)?,
    };
    Ok((
        letter_id(fields.need_int("seq")?, fields.need_str("_id")?),
        letter,
    ))
}

impl Inner {
    /// A repeat of the same consumer and message replaces what is said about it, and keeps its place.
    async fn put_letter(&self, letter: DeadLetter) -> Result<()> {
        let message = NewMessage::new(letter.envelope.clone(), &self.instance, self.now());
        let record = pair(&letter.consumer, letter.envelope.id().as_str());
        let update = doc! {
            "$set": {
                "consumer": letter.consumer,
                "origin": letter.origin,
                "reason": letter.reason,
                "attempts": i64::from(letter.attempts),
                "at": letter.at.0,
                "due": false,
                "until": 0_i64,
            },
            "$setOnInsert": { "seq": message.n, "message": message.document(None) },
        };
        let letters = self.link.dead_letters.clone();
        let work = async move {
            letters
                .update_one(doc! { "_id": record }, update)
                .upsert(true)
                .await
        };
        self.link
            .call("store dead letter", Sends::Write, work)
            .await
            .map(|_| ())
    }

    async fn list_letters(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        let parts = match after.and_then(place_of) {
            Some((seq, record)) => vec![
                doc! { "seq": seq, "_id": { "$gt": record } },
                doc! { "seq": { "$gt": seq } },
            ],
            None => vec![doc! {}],
        };
        let wanted = limit.saturating_add(1);
        let link = &self.link;
        let mut items = Vec::new();
        for part in parts {
            let missing = wanted - items.len();
            let mut options = FindOptions::default();
            options.sort = Some(doc! { "seq": 1, "_id": 1 });
            options.limit = i64::try_from(missing).ok();
            let found = link.find(
                "list dead letters",
                &link.dead_letters,
                part,
                options,
                missing,
                |document| letter_of(Fields(document)).map(Some),
            );
            items.extend(found.await?);
            if items.len() >= wanted {
                break;
            }
        }
        Ok(PageOf::from_surplus(items, limit, |(id, _)| id.clone()))
    }

    async fn resend_letters(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let due = doc! { "$set": { "due": true, "until": 0_i64 } };
        let link = &self.link;
        let found = link
            .update_all(
                "resend dead letters",
                &link.dead_letters,
                records(ids),
                due,
                Vec::new(),
            )
            .await?;
        Ok(usize::try_from(found).unwrap_or(usize::MAX))
    }

    async fn take_due(
        &self,
        consumer: String,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(DeadLetterId, DeadLetter)>> {
        const OPERATION: &str = "take dead letters";
        let link = &self.link;
        let now = self.now();
        let mut options = FindOptions::default();
        options.sort = Some(doc! { "seq": 1 });
        options.limit = i64::try_from(limit).ok();
        options.projection = Some(doc! { "_id": 1 });
        let filter = doc! { "consumer": consumer, "due": true, "until": { "$lte": now.0 } };
        let due = link
            .find(
                OPERATION,
                &link.dead_letters,
                filter,
                options,
                limit,
                |document| Fields(document).need_str("_id").map(|id| Some(id.to_owned())),
            )
            .await?;
        let mut letters = Vec::new();
        for record in due {
            // Somebody else may have taken it since.
            let filter = doc! { "_id": record, "due": true, "until": { "$lte": now.0 } };
            let take = doc! { "$set": { "until": now.plus(lease).0 } };
            if let Some(taken) = link
                .change(OPERATION, &link.dead_letters, filter, take, None)
                .await?
            {
                letters.push(letter_of(Fields(&taken))?);
            }
        }
        Ok(letters)
    }

    async fn put_letter_back(&self, id: &DeadLetterId, reason: &str, attempts: u32) -> Result<()> {
        let Some((_, record)) = place_of(id) else {
            return Ok(());
        };
        let back = doc! {
            "$set": { "due": false, "until": 0_i64, "reason": reason, "attempts": i64::from(attempts) },
        };
        let link = &self.link;
        link.update(
            "put dead letter back",
            &link.dead_letters,
            doc! { "_id": record },
            back,
        )
        .await
        .map(|_| ())
    }
}

#[async_trait]
impl DeadLetters for MongoStore {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        let letter = letter.clone();
        self.run("store dead letter", move |inner| async move {
            inner.put_letter(letter).await
        })
        .await
    }

    async fn list(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        self.inner("list dead letters")?.list_letters(after, limit).await
    }

    async fn resend(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let ids = ids.to_vec();
        self.run("resend dead letters", move |inner| async move {
            inner.resend_letters(&ids).await
        })
        .await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let filter = records(ids);
        self.run("discard dead letters", move |inner| async move {
            let link = &inner.link;
            let gone = link
                .delete_all("discard dead letters", &link.dead_letters, filter)
                .await?;
            Ok(usize::try_from(gone).unwrap_or(usize::MAX))
        })
        .await
    }

    async fn count(&self) -> Result<u64> {
        let inner = self.inner("count dead letters")?;
        let letters = inner.link.dead_letters.clone();
        let work = async move { letters.count_documents(doc! {}).await };
        inner.link.call("count dead letters", Sends::Read, work).await
    }
}

#[async_trait]
impl DeadLetterQueue for MongoStore {
    async fn take_due(
        &self,
        consumer: &str,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(DeadLetterId, DeadLetter)>> {
        let consumer = consumer.to_owned();
        self.run("take dead letters", move |inner| async move {
            inner.take_due(consumer, limit, lease).await
        })
        .await
    }

    async fn put_back(&self, id: &DeadLetterId, reason: &str, attempts: u32) -> Result<()> {
        let (id, reason) = (id.clone(), reason.to_owned());
        self.run("put dead letter back", move |inner| async move {
            inner.put_letter_back(&id, &reason, attempts).await
        })
        .await
    }
}
