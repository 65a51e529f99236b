//! The outbox: rows in the order of the writes, held by leases, handed out in gap-free prefixes of each entity.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_core::Result;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{Claim, ClaimToken, Outbox, OutboxDepth, OutboxRow, PageOf, ParkedMessage, RowId};
use rusqlite::{Connection, params};

use super::codec::{self, ENVELOPE_COLUMNS};
use super::error::during;
use super::job::Durability;
use super::reader::{all, change, one, surplus};
use super::store::SqliteStore;
use super::tx::Tx;

pub(super) fn row_id(seq: i64) -> RowId {
    RowId(Arc::from(seq.to_string()))
}

/// The number of a row; an id that is none names no row.
fn seq_of(id: &RowId) -> Option<i64> {
    id.0.parse().ok()
}

/// In the order of rows, a free row whose entity has no live lease: every earlier free row of the entity then
/// qualifies too and comes before it, so a prefix of the answer is gap-free for each entity.
fn claim(tx: &Tx<'_>, limit: i64, lease: Duration) -> Result<Claim> {
    let token = tx.new_token();
    let rows = all(
        tx.connection(),
        "claim messages",
        &format!(
            "SELECT seq, {ENVELOPE_COLUMNS} FROM outbox AS o
             WHERE parked IS NULL AND lease <= ?1 AND (entity = '' OR NOT EXISTS (
                 SELECT 1 FROM outbox AS e WHERE e.entity = o.entity AND e.lease > ?1 AND e.parked IS NULL))
             ORDER BY seq LIMIT ?2"
        ),
        params![tx.now().0, limit],
        |row| {
            Ok((
                codec::int(row, 0)?,
                OutboxRow {
                    id: row_id(codec::int(row, 0)?),
                    token: ClaimToken(token),
                    envelope: codec::envelope_from_row(row, 1)?,
                },
            ))
        },
    )?;
    let op = during("claim messages");
    let until = tx.now().plus(lease).0;
    let mut hold = tx
        .connection()
        .prepare_cached("UPDATE outbox SET token = ?2, lease = ?3 WHERE seq = ?1")
        .map_err(op)?;
    for (seq, _) in &rows {
        hold.execute(params![seq, token.to_be_bytes(), until])
            .map_err(op)?;
    }
    Ok(Claim {
        token: ClaimToken(token),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    })
}

/// The message's id is compared too: a number may be used again after the clock went back.
fn confirm(tx: &Tx<'_>, rows: &[OutboxRow]) -> Result<()> {
    let op = during("confirm messages");
    let mut delete = tx
        .connection()
        .prepare_cached("DELETE FROM outbox WHERE seq = ?1 AND message = ?2")
        .map_err(op)?;
    for row in rows {
        if let Some(seq) = seq_of(&row.id) {
            delete
                .execute(params![seq, row.envelope.id().as_str()])
                .map_err(op)?;
        }
    }
    Ok(())
}

/// Runs a guarded change for each row; answers those that it changed.
fn guarded(
    tx: &Tx<'_>,
    operation: &'static str,
    sql: &str,
    rows: &[OutboxRow],
    argument: &dyn rusqlite::types::ToSql,
) -> Result<Vec<RowId>> {
    let op = during(operation);
    let mut statement = tx.connection().prepare_cached(sql).map_err(op)?;
    let mut changed = Vec::new();
    for row in rows {
        let Some(seq) = seq_of(&row.id) else { continue };
        if statement
            .execute(params![seq, row.token.0.to_be_bytes(), argument])
            .map_err(op)?
            > 0
        {
            changed.push(row.id.clone());
        }
    }
    Ok(changed)
}

pub(super) fn depth(connection: &Connection) -> Result<OutboxDepth> {
    let count = |sql: &str| one(connection, "measure outbox", sql, [], |row| codec::int(row, 0));
    // Both counts are answered by small indexes, without touching the messages.
    let all = count("SELECT count(*) FROM outbox")?.unwrap_or(0);
    let parked = count("SELECT count(*) FROM outbox WHERE parked IS NOT NULL")?.unwrap_or(0);
    let oldest = count("SELECT written FROM outbox WHERE parked IS NULL ORDER BY seq LIMIT 1")?;
    Ok(OutboxDepth {
        rows: u64::try_from(all - parked).unwrap_or(0),
        oldest: oldest.map(UnixMillis),
        parked: u64::try_from(parked).unwrap_or(0),
    })
}

fn parked(
    connection: &Connection,
    after: Option<&RowId>,
    limit: usize,
) -> Result<PageOf<ParkedMessage, RowId>> {
    let items = all(
        connection,
        "list parked messages",
        &format!(
            "SELECT seq, parked, {ENVELOPE_COLUMNS} FROM outbox
             WHERE parked IS NOT NULL AND seq > ?1 ORDER BY seq LIMIT ?2"
        ),
        params![after.and_then(seq_of).unwrap_or(i64::MIN), surplus(limit)],
        |row| {
            Ok(ParkedMessage {
                id: row_id(codec::int(row, 0)?),
                reason: codec::text(row, 1)?.to_owned(),
                envelope: codec::envelope_from_row(row, 2)?,
            })
        },
    )?;
    Ok(PageOf::from_surplus(items, limit, |message| message.id.clone()))
}

fn each_parked(tx: &Tx<'_>, operation: &'static str, sql: &str, ids: &[RowId]) -> Result<usize> {
    let mut found = 0;
    for seq in ids.iter().filter_map(seq_of) {
        found += change(tx.connection(), operation, sql, [seq])?;
    }
    Ok(found)
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.write(32, Durability::Relaxed, move |tx| claim(tx, limit, lease))
            .await
    }

    async fn confirm(&self, rows: &[OutboxRow]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows = rows.to_vec();
        self.write(rows.len() / 4, Durability::Relaxed, move |tx| confirm(tx, &rows))
            .await
    }

    async fn release(&self, rows: &[OutboxRow]) -> Result<()> {
        let rows = rows.to_vec();
        self.write(rows.len() / 4, Durability::Relaxed, move |tx| {
            let sql = "UPDATE outbox SET token = NULL, lease = ?3 WHERE seq = ?1 AND token = ?2";
            guarded(tx, "release messages", sql, &rows, &0).map(|_| ())
        })
        .await
    }

    async fn extend(&self, rows: &[OutboxRow], lease: Duration) -> Result<Vec<RowId>> {
        let rows = rows.to_vec();
        self.write(rows.len() / 4, Durability::Relaxed, move |tx| {
            let sql = "UPDATE outbox SET lease = ?3 WHERE seq = ?1 AND token = ?2";
            guarded(tx, "extend leases", sql, &rows, &tx.now().plus(lease).0)
        })
        .await
    }

    async fn park(&self, rows: &[OutboxRow], reason: &str) -> Result<Vec<RowId>> {
        let (rows, reason) = (rows.to_vec(), reason.to_owned());
        self.write(rows.len(), Durability::Synced, move |tx| {
            let sql = "UPDATE outbox SET parked = ?3, token = NULL, lease = 0 WHERE seq = ?1 AND token = ?2";
            guarded(tx, "park messages", sql, &rows, &reason)
        })
        .await
    }

    async fn parked(&self, after: Option<&RowId>, limit: usize) -> Result<PageOf<ParkedMessage, RowId>> {
        let after = after.cloned();
        self.read(move |connection| parked(connection, after.as_ref(), limit))
            .await
    }

    async fn resend(&self, ids: &[RowId]) -> Result<usize> {
        let ids = ids.to_vec();
        self.write(ids.len(), Durability::Synced, move |tx| {
            let sql = "UPDATE outbox SET parked = NULL WHERE seq = ?1 AND parked IS NOT NULL";
            each_parked(tx, "resend messages", sql, &ids)
        })
        .await
    }

    async fn discard(&self, ids: &[RowId]) -> Result<usize> {
        let ids = ids.to_vec();
        self.write(ids.len(), Durability::Synced, move |tx| {
            let sql = "DELETE FROM outbox WHERE seq = ?1 AND parked IS NOT NULL";
            each_parked(tx, "discard messages", sql, &ids)
        })
        .await
    }

    async fn depth(&self) -> Result<OutboxDepth> {
        self.read(depth).await
    }
}
