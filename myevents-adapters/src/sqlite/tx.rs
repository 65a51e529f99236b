//! What a write sees: the open transaction, the time, and how messages and marks get into it.

use std::cell::Cell;
use std::time::Duration;

use myevents_core::contract::Envelope;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{Attached, ClaimToken, InboxToken, OutboxRow};
use myevents_core::{Error, ErrorKind, Result};
use rusqlite::{CachedStatement, Connection, params};

use super::codec;
use super::config::SqliteConfig;
use super::error::during;
use super::{audit, inbox, outbox};

/// This opening of the file: which leases are ours, and the last row number given out.
#[derive(Debug)]
pub(super) struct Instance {
    id: u64,
    tokens: Cell<u64>,
    sequence: Cell<i64>,
    lease: Option<Duration>,
}

impl Instance {
    pub(super) fn new(config: &SqliteConfig) -> Self {
        Self {
            id: rand::random(),
            tokens: Cell::new(0),
            sequence: Cell::new(0),
            lease: config.lease,
        }
    }

    /// The first half of a token names the instance, so that its leases can be found again.
    fn next_token(&self) -> u128 {
        self.tokens.set(self.tokens.get() + 1);
        (u128::from(self.id) << 64) | u128::from(self.tokens.get())
    }

    /// Gives back all leases on messages that this instance holds.
    pub(super) fn release_leases(&self, connection: &Connection) -> Result<()> {
        connection
            .execute(
                "UPDATE outbox SET token = NULL, lease = 0 WHERE token IS NOT NULL AND substr(token, 1, 8) = ?1",
                params![self.id.to_be_bytes()],
            )
            .map(|_| ())
            .map_err(during("release leases"))
    }
}

/// The open transaction.
pub(super) struct Tx<'c> {
    connection: &'c Connection,
    now: UnixMillis,
    instance: &'c Instance,
    /// Whether `instance.sequence` is known to be past every row of the outbox.
    sequence_known: Cell<bool>,
}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: &'c Connection, now: UnixMillis, instance: &'c Instance) -> Self {
        Self {
            connection,
            now,
            instance,
            sequence_known: Cell::new(false),
        }
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.now
    }

    pub(super) fn new_token(&self) -> u128 {
        self.instance.next_token()
    }

    /// After a rollback to a savepoint; other writers can't come in between, but a user's statements can.
    pub(super) fn forget_sequence(&self) {
        self.sequence_known.set(false);
    }

    /// The number of the next outbox row: above every row that is there, and, as far as the clock goes forward, above
    /// every row that ever was, so that the number of a deleted row does not come back.
    fn next_sequence(&self) -> Result<i64> {
        let last = &self.instance.sequence;
        if !self.sequence_known.get() {
            let stored: Option<i64> = self
                .connection
                .prepare_cached("SELECT max(seq) FROM outbox")
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
                .map_err(during("store message"))?;
            let by_time = self.now.0.saturating_mul(1_000);
            last.set(last.get().max(stored.unwrap_or(0)).max(by_time));
            self.sequence_known.set(true);
        }
        last.set(last.get() + 1);
        Ok(last.get())
    }

    /// Stores what a write carries: its messages, the mark it completes, and its line of the audit log.
    pub(super) fn attach(&self, attached: &Attached) -> Result<Vec<OutboxRow>> {
        if let Some(mark) = &attached.mark {
            self.complete(mark)?;
        }
        audit::append(self, attached.audit.as_ref())?;
        self.append(&attached.messages)
    }

    /// Completes a mark in this transaction.
    pub(super) fn complete(&self, mark: &InboxToken) -> Result<()> {
        if inbox::complete_with_effect(self, mark)? {
            Ok(())
        } else {
            Err(Error::new(
                ErrorKind::Precondition,
                "complete message",
                "the message that this write handles is done or was taken over",
            ))
        }
    }

    /// Stores messages; answers those that were born leased.
    pub(super) fn append(&self, messages: &[Envelope]) -> Result<Vec<OutboxRow>> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let mut appender = Appender::new(self)?;
        let mut leased = Vec::new();
        for message in messages {
            leased.extend(appender.append(message)?);
        }
        Ok(leased)
    }
}

/// Puts messages into the outbox, with its statements prepared once.
pub(super) struct Appender<'t, 'c> {
    tx: &'t Tx<'c>,
    insert: CachedStatement<'c>,
    waiting: CachedStatement<'c>,
    token: u128,
}

impl<'t, 'c> Appender<'t, 'c> {
    pub(super) fn new(tx: &'t Tx<'c>) -> Result<Self> {
        let prepare = |sql| tx.connection.prepare_cached(sql).map_err(during("store message"));
        Ok(Self {
            tx,
            insert: prepare(
                "INSERT INTO outbox (seq, entity, token, lease, written, message, name, time, headers, content_type, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?,
            waiting: prepare("SELECT 1 FROM outbox WHERE entity = ?1 AND parked IS NULL LIMIT 1")?,
            token: tx.new_token(),
        })
    }

    /// Whether an unconfirmed, unparked message of `entity` is there. Messages without entity wait for nobody.
    fn waits(&mut self, entity: &str) -> Result<bool> {
        if entity.is_empty() {
            return Ok(false);
        }
        self.waiting.exists([entity]).map_err(during("store message"))
    }

    /// Stores `message` and answers its row if it was born leased.
    pub(super) fn append(&mut self, message: &Envelope) -> Result<Option<OutboxRow>> {
        let (seq, leased) = self.insert(message)?;
        Ok(leased.then(|| OutboxRow {
            id: outbox::row_id(seq),
            token: ClaimToken(self.token),
            envelope: message.clone(),
        }))
    }

    /// Stores `message`; answers the number of its row, and whether it was born leased.
    pub(super) fn insert(&mut self, message: &Envelope) -> Result<(i64, bool)> {
        let entity = message.key();
        let lease = match self.tx.instance.lease {
            Some(lease) => (!self.waits(entity)?).then_some(lease),
            None => None,
        };
        let seq = self.tx.next_sequence()?;
        let token = self.token.to_be_bytes();
        self.insert
            .execute(params![
                seq,
                entity,
                lease.map(|_| token),
                lease.map_or(0, |lease| self.tx.now.plus(lease).0),
                self.tx.now.0,
                message.id().as_str(),
                message.name().as_str(),
                message.time().0,
                codec::headers_to_text(message.headers()),
                codec::content_type_to_text(message.content_type()),
                &message.body()[..],
            ])
            .map_err(during("store message"))?;
        Ok((seq, lease.is_some()))
    }
}
