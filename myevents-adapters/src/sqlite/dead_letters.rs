//! Dead letters as rows: kept for people, sent back by marking them due.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_core::Result;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetters, PageOf};
use rusqlite::{Row, params};

use super::codec::{self, ENVELOPE_COLUMNS};
use super::job::Durability;
use super::reader::{all, change, one, surplus};
use super::store::SqliteStore;
use super::tx::Tx;

/// Padded, so that ids sort by age as text too.
fn letter_id(seq: i64) -> DeadLetterId {
    DeadLetterId(Arc::from(format!("{seq:016}")))
}

fn seq_of(id: &DeadLetterId) -> Option<i64> {
    id.0.parse().ok()
}

fn letter_from_row(row: &Row<'_>) -> Result<(DeadLetterId, DeadLetter)> {
    let letter = DeadLetter {
        consumer: codec::text(row, 1)?.to_owned(),
        origin: codec::text(row, 2)?.to_owned(),
        reason: codec::text(row, 3)?.to_owned(),
        attempts: u32::try_from(codec::int(row, 4)?).unwrap_or(u32::MAX),
        at: UnixMillis(codec::int(row, 5)?),
        envelope: codec::envelope_from_row(row, 6)?,
    };
    Ok((letter_id(codec::int(row, 0)?), letter))
}

const LETTER_COLUMNS: &str = "seq, consumer, origin, reason, attempts, at";

fn put(tx: &Tx<'_>, letter: &DeadLetter) -> Result<()> {
    let envelope = &letter.envelope;
    change(
        tx.connection(),
        "store dead letter",
        "INSERT INTO dead_letters
             (consumer, origin, reason, attempts, at, entity, message, name, time, headers, content_type, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (consumer, message) DO UPDATE SET origin = excluded.origin, reason = excluded.reason,
             attempts = excluded.attempts, at = excluded.at, due = 0, lease = 0",
        params![
            letter.consumer,
            letter.origin,
            letter.reason,
            letter.attempts,
            letter.at.0,
            envelope.key(),
            envelope.id().as_str(),
            envelope.name().as_str(),
            envelope.time().0,
            codec::headers_to_text(envelope.headers()),
            codec::content_type_to_text(envelope.content_type()),
            &envelope.body()[..],
        ],
    )
    .map(|_| ())
}

fn take_due(
    tx: &Tx<'_>,
    consumer: &str,
    limit: usize,
    lease: Duration,
) -> Result<Vec<(DeadLetterId, DeadLetter)>> {
    let letters = all(
        tx.connection(),
        "take dead letters",
        &format!(
            "SELECT {LETTER_COLUMNS}, {ENVELOPE_COLUMNS} FROM dead_letters
             WHERE consumer = ?1 AND due = 1 AND lease <= ?2 ORDER BY seq LIMIT ?3"
        ),
        params![consumer, tx.now().0, i64::try_from(limit).unwrap_or(i64::MAX)],
        letter_from_row,
    )?;
    for seq in letters.iter().filter_map(|(id, _)| seq_of(id)) {
        change(
            tx.connection(),
            "take dead letters",
            "UPDATE dead_letters SET lease = ?2 WHERE seq = ?1",
            [seq, tx.now().plus(lease).0],
        )?;
    }
    Ok(letters)
}

fn each(tx: &Tx<'_>, operation: &'static str, sql: &str, ids: &[DeadLetterId]) -> Result<usize> {
    let mut found = 0;
    for seq in ids.iter().filter_map(seq_of) {
        found += change(tx.connection(), operation, sql, [seq])?;
    }
    Ok(found)
}

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        let letter = letter.clone();
        self.write(1, Durability::Synced, move |tx| put(tx, &letter))
            .await
    }

    async fn list(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        let after = after.and_then(seq_of).unwrap_or(i64::MIN);
        self.read(move |connection| {
            let items = all(
                connection,
                "list dead letters",
                &format!(
                    "SELECT {LETTER_COLUMNS}, {ENVELOPE_COLUMNS} FROM dead_letters
                     WHERE seq > ?1 ORDER BY seq LIMIT ?2"
                ),
                [after, surplus(limit)],
                letter_from_row,
            )?;
            Ok(PageOf::from_surplus(items, limit, |(id, _)| id.clone()))
        })
        .await
    }

    async fn resend(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let ids = ids.to_vec();
        self.write(ids.len(), Durability::Synced, move |tx| {
            let sql = "UPDATE dead_letters SET due = 1, lease = 0 WHERE seq = ?1";
            each(tx, "resend dead letters", sql, &ids)
        })
        .await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let ids = ids.to_vec();
        self.write(ids.len(), Durability::Synced, move |tx| {
            let sql = "DELETE FROM dead_letters WHERE seq = ?1";
            each(tx, "discard dead letters", sql, &ids)
        })
        .await
    }

    async fn count(&self) -> Result<u64> {
        self.read(|connection| {
            let count = one(
                connection,
                "count dead letters",
                "SELECT count(*) FROM dead_letters",
                [],
                |row| codec::int(row, 0),
            )?;
            Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
        })
        .await
    }
}

#[async_trait]
impl DeadLetterQueue for SqliteStore {
    async fn take_due(
        &self,
        consumer: &str,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(DeadLetterId, DeadLetter)>> {
        // Asked again and again by the running service: the writer is only troubled when there is something.
        let wanted = consumer.to_owned();
        let due = self.reads().point(move |connection| {
            one(
                connection,
                "take dead letters",
                "SELECT 1 FROM dead_letters WHERE consumer = ?1 AND due = 1 LIMIT 1",
                [wanted],
                |_| Ok(()),
            )
        })?;
        if due.is_none() {
            return Ok(Vec::new());
        }
        let consumer = consumer.to_owned();
        self.write(8, Durability::Relaxed, move |tx| {
            take_due(tx, &consumer, limit, lease)
        })
        .await
    }

    async fn put_back(&self, id: &DeadLetterId, reason: &str, attempts: u32) -> Result<()> {
        let (seq, reason) = (seq_of(id), reason.to_owned());
        self.write(1, Durability::Synced, move |tx| {
            change(
                tx.connection(),
                "put dead letter back",
                "UPDATE dead_letters SET due = 0, lease = 0, reason = ?2, attempts = ?3 WHERE seq = ?1",
                params![seq, reason, attempts],
            )
            .map(|_| ())
        })
        .await
    }
}
