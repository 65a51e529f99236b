//! The rows the relay holds: a lane an entity, at most one message of it open at the broker.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::ports::{OutboxRow, RowId};
use crate::relay::backoff::Rest;

/// The name of a lane: the entity, or the row itself where a message has no key and so no order.
pub(super) type LaneKey = Arc<str>;

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<HeldRow>,
    open: bool,
}

#[derive(Debug, Clone)]
pub(super) struct HeldRow {
    pub(super) row: OutboxRow,
    /// Since when the lease runs.
    leased: Instant,
}

/// What is open at the broker.
#[derive(Debug)]
pub(super) struct OpenRow {
    pub(super) key: LaneKey,
    pub(super) held: HeldRow,
}

/// For how long it is remembered that an entity's message failed.
const FORGET_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Resting {
    rest: Rest,
    /// A row waits here for the end of the rest.
    asleep: bool,
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<LaneKey, Lane>,
    ready: VecDeque<LaneKey>,
    /// Entities whose last message was not taken, until when they are left alone.
    resting: HashMap<LaneKey, Resting>,
    /// When the first rest of an entity ends that has a row waiting here.
    next_rest: Option<Instant>,
    /// Every row held, open and unconfirmed ones included, so that none is taken twice.
    ids: HashSet<RowId>,
    /// Rows at the broker or on their way to the store, whose leases are extended too.
    open: HashMap<RowId, HeldRow>,
}

impl Lanes {
    /// How many rows are held.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Takes rows in, the rows of an entity in their order. One that is held already is left out.
    pub(super) fn admit(&mut self, rows: Vec<OutboxRow>, now: Instant) {
        for row in rows {
            let key: LaneKey = if row.envelope.key().is_empty() {
                Arc::clone(&row.id.0)
            } else {
                row.envelope.key().into()
            };
            let lane = self.lanes.entry(Arc::clone(&key)).or_default();
            if !self.ids.insert(row.id.clone()) {
                // Our lease ran out and this claim took the row again: what is still waiting goes on under the new one.
                if let Some(held) = lane.waiting.iter_mut().find(|held| held.row.id == row.id) {
                    *held = HeldRow { row, leased: now };
                }
                continue;
            }
            if lane.waiting.is_empty() && !lane.open {
                match self.resting.get_mut(&key) {
                    Some(resting) if !resting.rest.is_over(now) => {
                        resting.asleep = true;
                        let until = resting.rest.until();
                        self.next_rest = Some(self.next_rest.map_or(until, |at| at.min(until)));
                    }
                    _ => self.ready.push_back(key),
                }
            }
            lane.waiting.push_back(HeldRow { row, leased: now });
        }
    }

    /// Opens the next message of up to `limit` entities.
    pub(super) fn open(&mut self, limit: usize) -> Vec<OpenRow> {
        let mut opened = Vec::new();
        while opened.len() < limit {
            let Some(key) = self.ready.pop_front() else {
                break;
            };
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            if lane.open {
                continue;
            }
            let Some(held) = lane.waiting.pop_front() else {
                continue;
            };
            lane.open = true;
            self.open.insert(held.row.id.clone(), held.clone());
            opened.push(OpenRow { key, held });
        }
        opened
    }

    /// The broker has the open message: the next of its entity may go. The row stays held until it is confirmed.
    pub(super) fn taken(&mut self, key: &LaneKey) {
        self.resting.remove(key);
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.open = false;
            if lane.waiting.is_empty() {
                self.lanes.remove(key);
            } else {
                self.ready.push_back(Arc::clone(key));
            }
        }
    }

    /// The open message was not taken: the entity's later rows go with it.
    pub(super) fn let_go(&mut self, open: OpenRow) -> Vec<OutboxRow> {
        let mut rows = vec![open.held.row];
        if let Some(lane) = self.lanes.remove(&open.key) {
            rows.extend(lane.waiting.into_iter().map(|held| held.row));
        }
        self.forget(&rows);
        rows
    }

    /// Leaves an entity alone for a while.
    pub(super) fn rest(&mut self, key: &LaneKey, first: Duration, most: Duration) {
        let rest = Rest::after(self.resting.get(key).map(|resting| resting.rest), first, most);
        self.resting
            .insert(Arc::clone(key), Resting { rest, asleep: false });
    }

    /// Ends the rests that are over, or `all`; answers when the next one of a row held is.
    pub(super) fn wake_rested(&mut self, now: Instant, all: bool) -> Option<Instant> {
        if !all && self.next_rest.is_none_or(|at| at > now) {
            return self.next_rest;
        }
        self.next_rest = None;
        for (key, resting) in &mut self.resting {
            if all || resting.rest.is_over(now) {
                if std::mem::take(&mut resting.asleep) {
                    self.ready.push_back(Arc::clone(key));
                }
                if all {
                    resting.rest.end(now);
                }
            } else if resting.asleep {
                let until = resting.rest.until();
                self.next_rest = Some(self.next_rest.map_or(until, |at| at.min(until)));
            }
        }
        // Rows that another relay took since then are not worth remembering.
        self.resting
            .retain(|key, resting| self.lanes.contains_key(key) || resting.rest.until() + FORGET_AFTER > now);
        self.next_rest
    }

    /// Rows that are held no more.
    pub(super) fn forget(&mut self, rows: &[OutboxRow]) {
        for row in rows {
            self.ids.remove(&row.id);
            self.open.remove(&row.id);
        }
    }

    /// Gives up every row that is not open.
    pub(super) fn drain_waiting(&mut self) -> Vec<OutboxRow> {
        let mut rows = Vec::new();
        self.lanes.retain(|_, lane| {
            rows.extend(lane.waiting.drain(..).map(|held| held.row));
            lane.open
        });
        self.ready.clear();
        self.forget(&rows);
        rows
    }

    /// Gives up every row, open ones too.
    pub(super) fn drain_all(&mut self) -> Vec<OutboxRow> {
        let mut rows = self.drain_waiting();
        rows.extend(self.open.drain().map(|(_, held)| held.row));
        self.ids.clear();
        rows
    }

    /// The rows whose lease is older than `age`; their lease counts as renewed.
    pub(super) fn older_than(&mut self, age: Duration, now: Instant) -> Vec<OutboxRow> {
        let waiting = self.lanes.values_mut().flat_map(|lane| lane.waiting.iter_mut());
        let mut rows = Vec::new();
        for held in waiting.chain(self.open.values_mut()) {
            if now.duration_since(held.leased) >= age {
                held.leased = now;
                rows.push(held.row.clone());
            }
        }
        rows
    }

    /// The store says that these waiting rows are another's now: they go, and the later ones of their entities too.
    /// Answers these later ones, to be released.
    pub(super) fn lost(&mut self, lost: &HashSet<RowId>) -> Vec<OutboxRow> {
        let mut gone = Vec::new();
        let mut later = Vec::new();
        self.lanes.retain(|_, lane| {
            if let Some(at) = lane.waiting.iter().position(|held| lost.contains(&held.row.id)) {
                for held in lane.waiting.drain(at..) {
                    if lost.contains(&held.row.id) {
                        gone.push(held.row);
                    } else {
                        later.push(held.row);
                    }
                }
            }
            lane.open || !lane.waiting.is_empty()
        });
        self.forget(&gone);
        self.forget(&later);
        later
    }
}
