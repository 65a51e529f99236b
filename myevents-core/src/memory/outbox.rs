//! The outbox: rows in the order of the writes, and which entities have a free prefix to claim.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{MemoryStore, Scope};
use crate::contract::Envelope;
use crate::domain::UnixMillis;
use crate::error::Result;
use crate::ports::{Claim, ClaimToken, Outbox, OutboxDepth, OutboxRow, PageOf, ParkedMessage, RowId};

/// Rows by number; the number is the order of the writes.
#[derive(Default)]
pub(super) struct Rows {
    last: u64,
    last_token: u128,
    waiting: BTreeMap<u64, Row>,
    parked: BTreeMap<u64, Parked>,
    entities: HashMap<Arc<str>, Entity>,
    /// The first rows of those entities that have no live lease: what a claim starts from.
    ready: BTreeSet<u64>,
    ends: BTreeSet<(UnixMillis, u64)>,
}

struct Row {
    envelope: Envelope,
    entity: Arc<str>,
    written: UnixMillis,
    lease: Option<Lease>,
}

#[derive(Clone, Copy)]
struct Lease {
    token: ClaimToken,
    until: UnixMillis,
    instance: u64,
}

struct Parked {
    envelope: Envelope,
    entity: Arc<str>,
    written: UnixMillis,
    reason: String,
}

#[derive(Default)]
struct Entity {
    rows: BTreeSet<u64>,
    leased: usize,
    ready: Option<u64>,
}

fn row_id(number: u64) -> RowId {
    RowId(format!("{number:016x}").into())
}

fn number_of(id: &RowId) -> Option<u64> {
    u64::from_str_radix(&id.0, 16).ok()
}

impl Rows {
    /// Stores the messages of one write. Those of whose entity nothing waited are leased to the writer and answered.
    pub(super) fn append(&mut self, messages: &[Envelope], scope: Scope) -> Vec<OutboxRow> {
        if messages.is_empty() {
            return Vec::new();
        }
        let token = self.next_token();
        let mut leased = Vec::with_capacity(messages.len());
        for envelope in messages {
            self.last += 1;
            let number = self.last;
            // Without a key there is no order to keep: such a message is an entity of its own.
            let entity: Arc<str> = match envelope.key() {
                "" => format!("\0{number}").into(),
                key => key.into(),
            };
            let first = !self.entities.contains_key(&entity);
            self.insert(number, entity, envelope.clone(), scope.now);
            if first {
                let lease = Lease {
                    token,
                    until: scope.now.plus(scope.lease),
                    instance: scope.instance,
                };
                self.set_lease(number, Some(lease));
                leased.push(OutboxRow {
                    id: row_id(number),
                    token,
                    envelope: envelope.clone(),
                });
            }
        }
        leased
    }

    fn next_token(&mut self) -> ClaimToken {
        self.last_token += 1;
        ClaimToken(self.last_token)
    }

    fn insert(&mut self, number: u64, entity: Arc<str>, envelope: Envelope, written: UnixMillis) {
        self.entities
            .entry(Arc::clone(&entity))
            .or_default()
            .rows
            .insert(number);
        let row = Row {
            envelope,
            entity: Arc::clone(&entity),
            written,
            lease: None,
        };
        self.waiting.insert(number, row);
        self.refresh(&entity);
    }

    fn remove(&mut self, number: u64) -> Option<Row> {
        self.set_lease(number, None);
        let row = self.waiting.remove(&number)?;
        if let Some(entity) = self.entities.get_mut(&row.entity) {
            entity.rows.remove(&number);
        }
        self.refresh(&row.entity);
        Some(row)
    }

    fn set_lease(&mut self, number: u64, lease: Option<Lease>) {
        let Some(row) = self.waiting.get_mut(&number) else {
            return;
        };
        let before = std::mem::replace(&mut row.lease, lease);
        let name = Arc::clone(&row.entity);
        if let Some(before) = before {
            self.ends.remove(&(before.until, number));
        }
        if let Some(lease) = lease {
            self.ends.insert((lease.until, number));
        }
        if let Some(entity) = self.entities.get_mut(&name) {
            entity.leased = entity.leased + usize::from(lease.is_some()) - usize::from(before.is_some());
        }
        self.refresh(&name);
    }

    /// Keeps `ready` true after a change of an entity.
    fn refresh(&mut self, name: &Arc<str>) {
        let Some(entity) = self.entities.get_mut(name) else {
            return;
        };
        let ready = entity.rows.first().copied().filter(|_| entity.leased == 0);
        if ready != entity.ready {
            if let Some(before) = entity.ready {
                self.ready.remove(&before);
            }
            if let Some(now) = ready {
                self.ready.insert(now);
            }
            entity.ready = ready;
        }
        if entity.rows.is_empty() {
            self.entities.remove(name);
        }
    }

    fn end_leases(&mut self, now: UnixMillis) {
        while let Some((until, number)) = self.ends.first().copied()
            && until <= now
        {
            self.set_lease(number, None);
        }
    }

    fn claim(&mut self, limit: usize, lease: Duration, scope: Scope) -> Claim {
        self.end_leases(scope.now);
        let token = self.next_token();
        let mut taken = Vec::new();
        for head in &self.ready {
            if taken.len() >= limit {
                break;
            }
            let entity = self
                .waiting
                .get(head)
                .and_then(|row| self.entities.get(&row.entity));
            let room = limit - taken.len();
            taken.extend(
                entity
                    .into_iter()
                    .flat_map(|entity| &entity.rows)
                    .take(room)
                    .copied(),
            );
        }
        taken.sort_unstable();
        let lease = Lease {
            token,
            until: scope.now.plus(lease),
            instance: scope.instance,
        };
        let mut rows = Vec::with_capacity(taken.len());
        for number in taken {
            self.set_lease(number, Some(lease));
            rows.extend(self.waiting.get(&number).map(|row| OutboxRow {
                id: row_id(number),
                token,
                envelope: row.envelope.clone(),
            }));
        }
        Claim { token, rows }
    }

    /// The numbers of those rows that their token still holds, with their leases.
    fn held(&self, rows: &[OutboxRow]) -> Vec<(u64, Lease)> {
        rows.iter()
            .filter_map(|row| {
                let number = number_of(&row.id)?;
                let lease = self.waiting.get(&number)?.lease?;
                (lease.token == row.token).then_some((number, lease))
            })
            .collect()
    }

    fn park(&mut self, rows: &[OutboxRow], reason: &str) -> Vec<RowId> {
        let held = self.held(rows);
        for (number, _) in &held {
            let number = *number;
            if let Some(row) = self.remove(number) {
                let parked = Parked {
                    envelope: row.envelope,
                    entity: row.entity,
                    written: row.written,
                    reason: reason.to_owned(),
                };
                self.parked.insert(number, parked);
            }
        }
        held.iter().map(|(number, _)| row_id(*number)).collect()
    }

    /// Gives back all leases of an instance.
    pub(super) fn release_instance(&mut self, instance: u64) {
        let held: Vec<u64> = self
            .ends
            .iter()
            .map(|(_, number)| *number)
            .filter(|number| {
                let lease = self.waiting.get(number).and_then(|row| row.lease);
                lease.is_some_and(|lease| lease.instance == instance)
            })
            .collect();
        for number in held {
            self.set_lease(number, None);
        }
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim> {
        self.write("claim messages", |state, scope| {
            Ok(state.rows.claim(limit, lease, scope))
        })
        .await
    }

    async fn confirm(&self, rows: &[OutboxRow]) -> Result<()> {
        self.write("confirm messages", |state, _| {
            for number in rows.iter().filter_map(|row| number_of(&row.id)) {
                if state.rows.remove(number).is_none() {
                    state.rows.parked.remove(&number);
                }
            }
            Ok(())
        })
        .await
    }

    async fn release(&self, rows: &[OutboxRow]) -> Result<()> {
        self.write("release messages", |state, _| {
            for (number, _) in state.rows.held(rows) {
                state.rows.set_lease(number, None);
            }
            Ok(())
        })
        .await
    }

    async fn extend(&self, rows: &[OutboxRow], lease: Duration) -> Result<Vec<RowId>> {
        self.write("extend leases", |state, scope| {
            let until = scope.now.plus(lease);
            let held = state.rows.held(rows);
            for (number, lease) in &held {
                state.rows.set_lease(*number, Some(Lease { until, ..*lease }));
            }
            Ok(held.iter().map(|(number, _)| row_id(*number)).collect())
        })
        .await
    }

    async fn park(&self, rows: &[OutboxRow], reason: &str) -> Result<Vec<RowId>> {
        self.write("park messages", |state, _| Ok(state.rows.park(rows, reason)))
            .await
    }

    async fn parked(&self, after: Option<&RowId>, limit: usize) -> Result<PageOf<ParkedMessage, RowId>> {
        let first = after
            .and_then(number_of)
            .map_or(0, |number| number.saturating_add(1));
        let items = self.read("list parked messages", |state| {
            let from_here = state.rows.parked.range(first..);
            from_here
                .take(limit.saturating_add(1))
                .map(|(number, parked)| ParkedMessage {
                    id: row_id(*number),
                    reason: parked.reason.clone(),
                    envelope: parked.envelope.clone(),
                })
                .collect()
        })?;
        Ok(PageOf::from_surplus(items, limit, |parked: &ParkedMessage| {
            parked.id.clone()
        }))
    }

    async fn resend(&self, ids: &[RowId]) -> Result<usize> {
        self.write("resend parked messages", |state, _| {
            let mut found = 0;
            for number in ids.iter().filter_map(number_of) {
                if let Some(parked) = state.rows.parked.remove(&number) {
                    let Parked {
                        envelope,
                        entity,
                        written,
                        ..
                    } = parked;
                    state.rows.insert(number, entity, envelope, written);
                    found += 1;
                }
            }
            Ok(found)
        })
        .await
    }

    async fn discard(&self, ids: &[RowId]) -> Result<usize> {
        self.write("discard parked messages", |state, _| {
            let numbers = ids.iter().filter_map(number_of);
            Ok(numbers
                .filter(|number| state.rows.parked.remove(number).is_some())
                .count())
        })
        .await
    }

    async fn depth(&self) -> Result<OutboxDepth> {
        self.read("measure the outbox", |state| OutboxDepth {
            rows: state.rows.waiting.len() as u64,
            oldest: state.rows.waiting.first_key_value().map(|(_, row)| row.written),
            parked: state.rows.parked.len() as u64,
        })
    }
}
