//! The toy store's outbox, inbox and audit log: a list of rows in the order they were written, and maps of marks and lines.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use myevents_core::contract::{Envelope, MessageId};
use myevents_core::domain::{AuditEntry, UnixMillis};
use myevents_core::ports::{
    Attached, AuditCursor, AuditFilter, Begin, Claim, ClaimToken, Inbox, InboxToken, Outbox, OutboxDepth,
    OutboxRow, PageOf, ParkedMessage, RowId,
};
use myevents_core::{Error, ErrorKind, Result};

use crate::store::ToyStore;

/// How long a message that goes the fast way is held for the relay of this process.
const BORN_LEASED: Duration = Duration::from_secs(30);

/// Rows and marks.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    rows: BTreeMap<u64, Row>,
    marks: BTreeMap<(String, MessageId), Mark>,
    last: u64,
    audit: BTreeMap<AuditCursor, AuditEntry>,
}

#[derive(Debug)]
struct Row {
    envelope: Envelope,
    written: UnixMillis,
    lease: Option<(ClaimToken, UnixMillis)>,
    parked: Option<String>,
}

#[derive(Debug)]
enum Mark {
    Held { lease: u128, until: UnixMillis },
    Done { at: UnixMillis },
}

impl Row {
    fn held(&self, now: UnixMillis) -> bool {
        self.lease.is_some_and(|(_, until)| until > now)
    }

    fn held_by(&self, token: ClaimToken) -> bool {
        self.lease.is_some_and(|(holder, _)| holder == token)
    }
}

fn row_id(number: u64) -> RowId {
    // Padded, so that the text sorts like the number.
    RowId(format!("{number:020}").into())
}

fn number_of(id: &RowId) -> u64 {
    id.0.parse().unwrap_or(0)
}

impl Messages {
    /// Adds the line of a change to the audit log, which has no way to take it out again.
    pub(crate) fn log(&mut self, entry: Option<AuditEntry>) {
        self.audit
            .extend(entry.map(|entry| (AuditCursor::from(&entry), entry)));
    }

    /// The lines of a filter, newest first.
    pub(crate) fn logged(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> PageOf<AuditEntry, AuditCursor> {
        let (since, until) = filter.range();
        let lines = self.audit.iter().rev();
        let items = lines
            .filter(|(at, _)| after.is_none_or(|after| *at < after))
            .filter(|(at, _)| since <= at.time && at.time <= until)
            .map(|(_, line)| line)
            .filter(|line| filter.object.as_ref().is_none_or(|object| *object == line.object));
        let items = items.take(limit.saturating_add(1)).cloned().collect();
        PageOf::from_surplus(items, limit, |line: &AuditEntry| line.into())
    }

    /// Stores a write's messages and completes its mark. Called under the lock, before the write itself changes anything.
    pub(crate) fn attach(
        &mut self,
        attached: Attached,
        instance: u64,
        now: UnixMillis,
    ) -> Result<Vec<OutboxRow>> {
        if let Some(token) = &attached.mark
            && !self.complete(token, now)
        {
            return Err(Error::new(
                ErrorKind::Precondition,
                "complete message",
                "another handler took over",
            ));
        }
        self.log(attached.audit);
        let mut leased = Vec::new();
        for envelope in attached.messages {
            // The fast way is open only if no earlier message of the same record waits.
            let first = !self
                .rows
                .values()
                .any(|row| row.parked.is_none() && row.envelope.key() == envelope.key());
            self.last += 1;
            let token = self.fresh_token(instance);
            let lease = first.then(|| (token, now.plus(BORN_LEASED)));
            if first {
                leased.push(OutboxRow {
                    id: row_id(self.last),
                    token,
                    envelope: envelope.clone(),
                });
            }
            self.rows.insert(
                self.last,
                Row {
                    envelope,
                    written: now,
                    lease,
                    parked: None,
                },
            );
        }
        Ok(leased)
    }

    /// A new token; its first half names the instance that holds it.
    fn fresh_token(&mut self, instance: u64) -> ClaimToken {
        self.last += 1;
        ClaimToken(u128::from(instance) << 64 | u128::from(self.last))
    }

    /// Lets go of everything that `instance` holds.
    pub(crate) fn give_back_leases(&mut self, instance: u64) {
        for row in self.rows.values_mut() {
            row.lease = row
                .lease
                .filter(|(token, _)| token.0 >> 64 != u128::from(instance));
        }
    }

    fn complete(&mut self, token: &InboxToken, now: UnixMillis) -> bool {
        let place = (token.consumer.clone(), token.message.clone());
        let held = self.holds(token);
        if held {
            self.marks.insert(place, Mark::Done { at: now });
        }
        held
    }

    fn holds(&self, token: &InboxToken) -> bool {
        let place = (token.consumer.clone(), token.message.clone());
        matches!(self.marks.get(&place), Some(Mark::Held { lease, .. }) if *lease == token.lease)
    }
}

#[async_trait]
impl Outbox for ToyStore {
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim> {
        let now = self.clock.now();
        let mut data = self.open()?;
        let messages = &mut data.messages;
        let token = messages.fresh_token(self.instance);
        let mut blocked: HashSet<String> = HashSet::new();
        let mut rows = Vec::new();
        // In the order of writing: a row that can't be taken blocks the later ones of its key.
        for (number, row) in messages.rows.iter_mut().filter(|(_, row)| row.parked.is_none()) {
            if rows.len() >= limit {
                break;
            }
            if row.held(now) || blocked.contains(row.envelope.key()) {
                blocked.insert(row.envelope.key().to_owned());
                continue;
            }
            row.lease = Some((token, now.plus(lease)));
            rows.push(OutboxRow {
                id: row_id(*number),
                token,
                envelope: row.envelope.clone(),
            });
        }
        Ok(Claim { token, rows })
    }

    async fn confirm(&self, rows: &[OutboxRow]) -> Result<()> {
        let mut data = self.open()?;
        for row in rows {
            data.messages.rows.remove(&number_of(&row.id));
        }
        Ok(())
    }

    async fn release(&self, rows: &[OutboxRow]) -> Result<()> {
        let mut data = self.open()?;
        for row in rows {
            if let Some(stored) = data.messages.rows.get_mut(&number_of(&row.id))
                && stored.held_by(row.token)
            {
                stored.lease = None;
            }
        }
        Ok(())
    }

    async fn extend(&self, rows: &[OutboxRow], lease: Duration) -> Result<Vec<RowId>> {
        let until = self.clock.now().plus(lease);
        let mut data = self.open()?;
        let mut extended = Vec::new();
        for row in rows {
            if let Some(stored) = data.messages.rows.get_mut(&number_of(&row.id))
                && stored.held_by(row.token)
            {
                stored.lease = Some((row.token, until));
                extended.push(row.id.clone());
            }
        }
        Ok(extended)
    }

    async fn park(&self, rows: &[OutboxRow], reason: &str) -> Result<Vec<RowId>> {
        let mut data = self.open()?;
        let mut parked = Vec::new();
        for row in rows {
            if let Some(stored) = data.messages.rows.get_mut(&number_of(&row.id))
                && stored.held_by(row.token)
            {
                stored.lease = None;
                stored.parked = Some(reason.to_owned());
                parked.push(row.id.clone());
            }
        }
        Ok(parked)
    }

    async fn parked(&self, after: Option<&RowId>, limit: usize) -> Result<PageOf<ParkedMessage, RowId>> {
        let data = self.open()?;
        let start = after.map_or(0, |after| number_of(after) + 1);
        let parked = data.messages.rows.range(start..).filter_map(|(number, row)| {
            let reason = row.parked.clone()?;
            Some(ParkedMessage {
                id: row_id(*number),
                reason,
                envelope: row.envelope.clone(),
            })
        });
        let items = parked.take(limit.saturating_add(1)).collect();
        Ok(PageOf::from_surplus(items, limit, |message: &ParkedMessage| {
            message.id.clone()
        }))
    }

    async fn resend(&self, ids: &[RowId]) -> Result<usize> {
        let mut data = self.open()?;
        let mut found = 0;
        for id in ids {
            if let Some(row) = data.messages.rows.get_mut(&number_of(id))
                && row.parked.take().is_some()
            {
                found += 1;
            }
        }
        Ok(found)
    }

    async fn discard(&self, ids: &[RowId]) -> Result<usize> {
        let mut data = self.open()?;
        let before = data.messages.rows.len();
        for id in ids {
            if data
                .messages
                .rows
                .get(&number_of(id))
                .is_some_and(|row| row.parked.is_some())
            {
                data.messages.rows.remove(&number_of(id));
            }
        }
        Ok(before - data.messages.rows.len())
    }

    async fn depth(&self) -> Result<OutboxDepth> {
        let data = self.open()?;
        let waiting = || data.messages.rows.values().filter(|row| row.parked.is_none());
        let rows = waiting().count() as u64;
        let parked = data.messages.rows.len() as u64 - rows;
        Ok(OutboxDepth {
            rows,
            oldest: waiting().map(|row| row.written).min(),
            parked,
        })
    }
}

#[async_trait]
impl Inbox for ToyStore {
    async fn begin(&self, consumer: &str, message: &MessageId, lease: Duration) -> Result<Begin> {
        let now = self.clock.now();
        let mut data = self.open()?;
        let place = (consumer.to_owned(), message.clone());
        match data.messages.marks.get(&place) {
            Some(Mark::Done { .. }) => return Ok(Begin::Done),
            Some(Mark::Held { until, .. }) if *until > now => return Ok(Begin::InProgress),
            _ => {}
        }
        let number = data.messages.fresh_token(self.instance).0;
        data.messages.marks.insert(
            place,
            Mark::Held {
                lease: number,
                until: now.plus(lease),
            },
        );
        Ok(Begin::Fresh(InboxToken {
            consumer: consumer.to_owned(),
            message: message.clone(),
            lease: number,
        }))
    }

    async fn complete(&self, token: &InboxToken) -> Result<bool> {
        let now = self.clock.now();
        Ok(self.open()?.messages.complete(token, now))
    }

    async fn abandon(&self, token: &InboxToken) -> Result<bool> {
        let mut data = self.open()?;
        let held = data.messages.holds(token);
        if held {
            data.messages
                .marks
                .remove(&(token.consumer.clone(), token.message.clone()));
        }
        Ok(held)
    }

    async fn forget_completed_before(&self, before: UnixMillis) -> Result<u64> {
        let mut data = self.open()?;
        let count = data.messages.marks.len();
        data.messages
            .marks
            .retain(|_, mark| !matches!(mark, Mark::Done { at } if *at < before));
        Ok((count - data.messages.marks.len()) as u64)
    }
}
