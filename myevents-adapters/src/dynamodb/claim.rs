//! Claiming: a gap-free prefix of each entity, shard by shard.
//!
//! All messages of one record lie in one shard with rising ids, so a query in that order meets them in theirs. Two things keep a
//! query from being the whole truth: it is no snapshot, and it may end before the shard does. So a message that names an
//! earlier one which the query did not meet is handed out only when that is gone or set aside; and for a message that was set
//! aside and let go again the shard is read to its end, as later ones may be held.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{Claim, ClaimToken, OutboxRow};
use myevents_core::{Error, Result};

use super::attach::Earlier;
use super::client::Query;
use super::edit::Touched;
use super::ids::SHARDS;
use super::item::number;
use super::names::*;
use super::parcel::Parcel;
use super::store::Shared;

/// How many shards are asked at once.
const AT_ONCE: u64 = 4;

/// How many parcels are leased at once.
const LEASED_AT_ONCE: usize = 16;

/// How many parcels a page of a shard has.
const PAGE: usize = 100;

/// What was read of a shard.
struct Shard {
    parcels: Vec<Parcel>,
    malformed: Option<Error>,
}

/// A message that may be taken.
struct Candidate {
    /// Its parcel, by position.
    parcel: usize,
    /// Its place in the parcel.
    entry: usize,
    /// All messages with the same are in order; each one without key is alone.
    entity: Option<String>,
}

impl Shared {
    pub(super) async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim> {
        self.flush_confirms().await?;
        let token = self.new_token();
        let until = self.now().plus(lease);
        let first = self.next_shard.fetch_add(AT_ONCE, Ordering::Relaxed);
        let shards: Vec<u8> = (0..u64::from(SHARDS))
            .map(|step| u8::try_from(first.wrapping_add(step) % u64::from(SHARDS)).unwrap_or(0))
            .collect();
        let mut rows = Vec::new();
        let mut malformed = None;
        for group in shards.chunks(usize::try_from(AT_ONCE).unwrap_or(1)) {
            let room = limit.saturating_sub(rows.len());
            if room == 0 {
                break;
            }
            let read = try_join_all(group.iter().map(|shard| self.read_shard(*shard, room))).await;
            let read = match read {
                Ok(read) => read,
                // What was taken so far is held and must be answered.
                Err(error) if rows.is_empty() => return Err(error),
                Err(_) => break,
            };
            for shard in read {
                malformed = malformed.or(shard.malformed);
                let room = limit.saturating_sub(rows.len());
                match self.take(shard.parcels, room, token, until).await {
                    Ok(taken) => rows.extend(taken),
                    Err(error) if rows.is_empty() => return Err(error),
                    Err(_) => break,
                }
            }
        }
        if rows.is_empty()
            && let Some(error) = malformed
        {
            return Err(error);
        }
        Ok(Claim {
            token: ClaimToken(token),
            rows,
        })
    }

    /// Reads a shard from its beginning until `room` messages are free, as it is now.
    async fn read_shard(&self, shard: u8, room: usize) -> Result<Shard> {
        let mut query = Query::new(
            "claim messages",
            &self.tables.outbox,
            None,
            (SHARD, number(shard)),
        );
        query.page = PAGE.min(room.saturating_add(8));
        let now = self.now();
        let mut read = Shard {
            parcels: Vec::new(),
            malformed: None,
        };
        let mut from = None;
        let (mut free, mut to_the_end) = (0, false);
        loop {
            let page = query.page(&self.clients, from).await?;
            for item in &page.items {
                match Parcel::from_item(item) {
                    Ok(parcel) => {
                        for entry in parcel.entries.iter().filter(|entry| entry.parked.is_none()) {
                            if !parcel.is_held(entry.index, now) {
                                free += 1;
                                to_the_end |= entry.resent;
                            }
                        }
                        read.parcels.push(parcel);
                    }
                    // One that can't be read must not keep the others from being sent.
                    Err(error) => {
                        tracing::error!(%error, shard, "an item of the outbox can't be decoded");
                        read.malformed = Some(error);
                    }
                }
            }
            from = page.next;
            if from.is_none() || (free >= room && !to_the_end) {
                return Ok(read);
            }
        }
    }

    /// Leases what may be taken of these parcels, which come in the order of their ids.
    async fn take(
        &self,
        mut parcels: Vec<Parcel>,
        room: usize,
        token: u128,
        until: UnixMillis,
    ) -> Result<Vec<OutboxRow>> {
        let mut candidates = candidates(&parcels, room, self.now());
        self.drop_those_behind(&parcels, &mut candidates).await?;
        let mut by_parcel: Vec<(usize, Vec<&Candidate>)> = Vec::new();
        for candidate in &candidates {
            match by_parcel.last_mut() {
                Some((parcel, list)) if *parcel == candidate.parcel => list.push(candidate),
                _ => by_parcel.push((candidate.parcel, vec![candidate])),
            }
        }
        // A parcel is leased in a round after those that hold earlier messages of its entities.
        let mut rounds: HashMap<&str, usize> = HashMap::new();
        let mut round_of: HashMap<usize, usize> = HashMap::new();
        for (parcel, list) in &by_parcel {
            let entities = list.iter().filter_map(|candidate| candidate.entity.as_deref());
            let round = entities
                .clone()
                .filter_map(|entity| rounds.get(entity).copied())
                .max()
                .unwrap_or(0);
            round_of.insert(*parcel, round);
            for entity in entities {
                rounds.insert(entity, round + 1);
            }
        }
        let most = round_of.values().copied().max().unwrap_or(0);
        let mut blocked: HashSet<String> = HashSet::new();
        let mut taken: Vec<OutboxRow> = Vec::new();
        for round in 0..=most {
            let mut leases = Vec::new();
            for (at, list) in by_parcel
                .iter()
                .filter(|(at, _)| round_of.get(at) == Some(&round))
            {
                let chosen: Vec<&&Candidate> = list
                    .iter()
                    .filter(|candidate| {
                        candidate
                            .entity
                            .as_ref()
                            .is_none_or(|entity| !blocked.contains(entity))
                    })
                    .collect();
                if chosen.is_empty() {
                    continue;
                }
                let parcel = &mut parcels[*at];
                let indexes: Vec<u16> = chosen
                    .iter()
                    .map(|candidate| parcel.entries[candidate.entry].index)
                    .collect();
                let entities: Vec<String> = chosen
                    .iter()
                    .filter_map(|candidate| candidate.entity.clone())
                    .collect();
                let rows: Vec<OutboxRow> = chosen
                    .iter()
                    .map(|candidate| {
                        let entry = &parcel.entries[candidate.entry];
                        OutboxRow {
                            id: parcel.row(entry.index).to_id(),
                            token: ClaimToken(token),
                            envelope: entry.envelope.clone(),
                        }
                    })
                    .collect();
                parcel.hold(token, until, indexes);
                leases.push((parcel.clone(), entities, rows));
            }
            let mut results = stream::iter(leases)
                .map(|(parcel, entities, rows)| async move {
                    self.held.lock().insert(parcel.place);
                    let leased = self.write_back(&parcel, Touched::Holds).await;
                    (leased, entities, rows)
                })
                .buffered(LEASED_AT_ONCE);
            while let Some((leased, entities, rows)) = results.next().await {
                match leased {
                    Ok(true) => taken.extend(rows),
                    Ok(false) => blocked.extend(entities),
                    Err(error) => {
                        // It may be leased or not; what depends on it waits.
                        tracing::debug!(%error, "an item of the outbox could not be leased");
                        blocked.extend(entities);
                        if taken.is_empty() && !error.is_retryable() {
                            return Err(error);
                        }
                    }
                }
            }
        }
        Ok(taken)
    }

    /// Takes out the candidates whose record has an earlier message that the query did not meet.
    async fn drop_those_behind(&self, parcels: &[Parcel], candidates: &mut Vec<Candidate>) -> Result<()> {
        let met: HashSet<_> = parcels.iter().map(|parcel| parcel.place).collect();
        let mut asked = HashSet::new();
        let mut questions = Vec::new();
        for candidate in candidates.iter() {
            let Some(entity) = &candidate.entity else { continue };
            let after = parcels[candidate.parcel].entries[candidate.entry].after;
            if asked.insert(entity.clone())
                && let Some(after) = after.filter(|after| !met.contains(after))
            {
                questions.push((entity.clone(), after));
            }
        }
        let answers = stream::iter(questions)
            .map(|(entity, after)| async move {
                let earlier = self.earlier(Some(after), &entity).await;
                (entity, earlier)
            })
            .buffer_unordered(LEASED_AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let mut behind = HashSet::new();
        for (entity, earlier) in answers {
            if matches!(earlier?, Earlier::Waits(_)) {
                behind.insert(entity);
            }
        }
        candidates.retain(|candidate| {
            candidate
                .entity
                .as_ref()
                .is_none_or(|entity| !behind.contains(entity))
        });
        Ok(())
    }
}

/// The free messages in order, with none behind one that is held or left out.
fn candidates(parcels: &[Parcel], room: usize, now: UnixMillis) -> Vec<Candidate> {
    let mut blocked: HashSet<&str> = HashSet::new();
    for parcel in parcels {
        for entry in &parcel.entries {
            if entry.parked.is_none() && parcel.is_held(entry.index, now) {
                blocked.insert(entry.envelope.key());
            }
        }
    }
    let mut found = Vec::new();
    for (at, parcel) in parcels.iter().enumerate() {
        for (place, entry) in parcel.entries.iter().enumerate() {
            if entry.parked.is_some() {
                continue;
            }
            let key = entry.envelope.key();
            let entity = (!key.is_empty()).then_some(key);
            let held = entity.is_none() && parcel.is_held(entry.index, now);
            if held || entity.is_some_and(|entity| blocked.contains(entity)) {
                continue;
            }
            if found.len() >= room {
                blocked.extend(entity);
                continue;
            }
            found.push(Candidate {
                parcel: at,
                entry: place,
                entity: entity.map(str::to_owned),
            });
        }
    }
    found
}
