//! The inbox: which messages a consumer has completed or holds.

use std::time::Duration;

use async_trait::async_trait;
use myevents_core::Result;
use myevents_core::contract::MessageId;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{Begin, Inbox, InboxToken};
use rusqlite::params;

use super::codec;
use super::job::Durability;
use super::reader::{change, one};
use super::store::SqliteStore;
use super::tx::Tx;

fn begin(tx: &Tx<'_>, consumer: &str, message: &MessageId, lease: Duration) -> Result<Begin> {
    let stored = one(
        tx.connection(),
        "begin message",
        "SELECT done, lease FROM inbox WHERE consumer = ?1 AND message = ?2",
        [consumer, message.as_str()],
        |row| Ok((codec::optional_int(row, 0)?, codec::int(row, 1)?)),
    )?;
    match stored {
        Some((Some(_), _)) => return Ok(Begin::Done),
        Some((None, until)) if until > tx.now().0 => return Ok(Begin::InProgress),
        _ => {}
    }
    let token = tx.new_token();
    change(
        tx.connection(),
        "begin message",
        "INSERT INTO inbox (consumer, message, token, lease) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (consumer, message) DO UPDATE SET token = excluded.token, lease = excluded.lease",
        params![
            consumer,
            message.as_str(),
            token.to_be_bytes(),
            tx.now().plus(lease).0
        ],
    )?;
    Ok(Begin::Fresh(InboxToken {
        consumer: consumer.to_owned(),
        message: message.clone(),
        lease: token,
    }))
}

/// Marks the message done if `token` holds it. A message done by this very token stays so: the token is kept.
pub(super) fn complete(tx: &Tx<'_>, token: &InboxToken) -> Result<bool> {
    let changed = change(
        tx.connection(),
        "complete message",
        "UPDATE inbox SET done = coalesce(done, ?4) WHERE consumer = ?1 AND message = ?2 AND token = ?3",
        params![
            token.consumer,
            token.message.as_str(),
            token.lease.to_be_bytes(),
            tx.now().0
        ],
    )?;
    Ok(changed > 0)
}

/// The same inside a write, whose effect must not be stored twice: a message that is done refuses it, whoever did it.
pub(super) fn complete_with_effect(tx: &Tx<'_>, token: &InboxToken) -> Result<bool> {
    let changed = change(
        tx.connection(),
        "complete message",
        "UPDATE inbox SET done = ?4 WHERE consumer = ?1 AND message = ?2 AND token = ?3 AND done IS NULL",
        params![
            token.consumer,
            token.message.as_str(),
            token.lease.to_be_bytes(),
            tx.now().0
        ],
    )?;
    Ok(changed > 0)
}

fn abandon(tx: &Tx<'_>, token: &InboxToken) -> Result<bool> {
    let changed = change(
        tx.connection(),
        "abandon message",
        "DELETE FROM inbox WHERE consumer = ?1 AND message = ?2 AND token = ?3 AND done IS NULL",
        params![token.consumer, token.message.as_str(), token.lease.to_be_bytes()],
    )?;
    Ok(changed > 0)
}

#[async_trait]
impl Inbox for SqliteStore {
    async fn begin(&self, consumer: &str, message: &MessageId, lease: Duration) -> Result<Begin> {
        let (consumer, message) = (consumer.to_owned(), message.clone());
        self.write(1, Durability::Relaxed, move |tx| {
            begin(tx, &consumer, &message, lease)
        })
        .await
    }

    async fn complete(&self, token: &InboxToken) -> Result<bool> {
        let token = token.clone();
        self.write(1, Durability::Synced, move |tx| complete(tx, &token))
            .await
    }

    async fn abandon(&self, token: &InboxToken) -> Result<bool> {
        let token = token.clone();
        self.write(1, Durability::Relaxed, move |tx| abandon(tx, &token))
            .await
    }

    async fn forget_completed_before(&self, before: UnixMillis) -> Result<u64> {
        self.write(64, Durability::Relaxed, move |tx| {
            let forgotten = change(
                tx.connection(),
                "forget marks",
                "DELETE FROM inbox WHERE done < ?1",
                [before.0],
            )?;
            Ok(forgotten as u64)
        })
        .await
    }
}
