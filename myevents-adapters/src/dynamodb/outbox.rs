//! `Outbox` for `DynamoStore`: what is held, set aside, and counted.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use myevents_core::Result;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{Claim, Outbox, OutboxDepth, OutboxRow, PageOf, ParkedMessage, RowId};

use super::client::Query;
use super::codec::all_shards;
use super::edit::Touched;
use super::ids::{Place, Row};
use super::item::{get_number, number};
use super::names::SHARD;
use super::parcel::{PARKED, Parcel, WAITING, WRITTEN};
use super::store::{DynamoStore, Shared};

/// The rows of each parcel, with the token that each is held under.
fn by_place(rows: &[OutboxRow]) -> HashMap<Place, Vec<(Row, u128)>> {
    let mut places: HashMap<Place, Vec<(Row, u128)>> = HashMap::new();
    for row in rows {
        if let Some(place) = Row::parse(&row.id) {
            places.entry(place.place).or_default().push((place, row.token.0));
        }
    }
    places
}

fn touched(any: bool, how: Touched) -> Touched {
    if any { how } else { Touched::Nothing }
}

impl Shared {
    async fn release(&self, rows: &[OutboxRow]) -> Result<()> {
        for (place, rows) in by_place(rows) {
            self.edit(place, |parcel| {
                let mut any = false;
                for (row, token) in &rows {
                    any |= parcel.let_go_of(*token, row.index);
                }
                ((), touched(any, Touched::Holds))
            })
            .await?;
        }
        Ok(())
    }

    async fn extend(&self, rows: &[OutboxRow], lease: Duration) -> Result<Vec<RowId>> {
        let until = self.now().plus(lease);
        let edits = by_place(rows).into_iter().map(|(place, rows)| {
            self.edit(place, move |parcel| {
                let held = held_rows(parcel, &rows);
                let mut tokens: HashMap<u128, Vec<u16>> = HashMap::new();
                for (row, token) in &held {
                    tokens.entry(*token).or_default().push(row.index);
                }
                for (token, indexes) in tokens {
                    parcel.hold(token, until, indexes);
                }
                let ids: Vec<RowId> = held.iter().map(|(row, _)| row.to_id()).collect();
                let any = !ids.is_empty();
                (ids, touched(any, Touched::Holds))
            })
        });
        Ok(try_join_all(edits).await?.into_iter().flatten().collect())
    }

    async fn park(&self, rows: &[OutboxRow], reason: &str) -> Result<Vec<RowId>> {
        let mut parked = Vec::new();
        for (place, rows) in by_place(rows) {
            let ids = self
                .edit(place, |parcel| {
                    let held = held_rows(parcel, &rows);
                    for (row, _) in &held {
                        parcel.let_go(row.index);
                        for entry in parcel.entries.iter_mut().filter(|entry| entry.index == row.index) {
                            entry.parked = Some(reason.to_owned());
                        }
                    }
                    let ids: Vec<RowId> = held.iter().map(|(row, _)| row.to_id()).collect();
                    let any = !ids.is_empty();
                    (ids, touched(any, Touched::Messages))
                })
                .await?;
            parked.extend(ids);
        }
        Ok(parked)
    }

    /// Everything in the outbox, shard by shard.
    pub(super) async fn all_parcels(&self) -> Result<Vec<Parcel>> {
        let shards = all_shards().map(|shard| async move {
            let query = Query::new("read outbox", &self.tables.outbox, None, (SHARD, number(shard)));
            let items = query.all(&self.clients).await?;
            items.iter().map(Parcel::from_item).collect::<Result<Vec<_>>>()
        });
        let mut all: Vec<Parcel> = try_join_all(shards).await?.into_iter().flatten().collect();
        all.sort_by_key(|parcel| parcel.place);
        Ok(all)
    }

    async fn parked(&self, after: Option<&RowId>, limit: usize) -> Result<PageOf<ParkedMessage, RowId>> {
        let after = after.and_then(Row::parse);
        let mut items = Vec::new();
        for parcel in self.all_parcels().await? {
            for entry in &parcel.entries {
                let row = parcel.row(entry.index);
                if let Some(reason) = &entry.parked
                    && after.is_none_or(|after| row > after)
                    && items.len() <= limit
                {
                    items.push(ParkedMessage {
                        id: row.to_id(),
                        reason: reason.clone(),
                        envelope: entry.envelope.clone(),
                    });
                }
            }
        }
        Ok(PageOf::from_surplus(items, limit, |parked: &ParkedMessage| {
            parked.id.clone()
        }))
    }

    /// Changes parked messages; answers how many were found.
    async fn each_parked(&self, ids: &[RowId], discard: bool) -> Result<usize> {
        let mut places: HashMap<Place, Vec<u16>> = HashMap::new();
        for row in ids.iter().filter_map(Row::parse) {
            places.entry(row.place).or_default().push(row.index);
        }
        let mut found = 0;
        for (place, indexes) in places {
            found += self
                .edit(place, |parcel| {
                    let wanted = |entry: &super::parcel::Entry| {
                        entry.parked.is_some() && indexes.contains(&entry.index)
                    };
                    let count = parcel.entries.iter().filter(|entry| wanted(entry)).count();
                    if discard {
                        parcel.entries.retain(|entry| !wanted(entry));
                    } else {
                        for entry in parcel.entries.iter_mut().filter(|entry| wanted(entry)) {
                            entry.parked = None;
                            entry.resent = true;
                        }
                    }
                    (count, touched(count > 0, Touched::Messages))
                })
                .await?;
        }
        Ok(found)
    }

    async fn depth(&self) -> Result<OutboxDepth> {
        self.flush_confirms().await?;
        let shards = all_shards().map(|shard| async move {
            let mut query = Query::new(
                "measure outbox",
                &self.tables.outbox,
                None,
                (SHARD, number(shard)),
            );
            query.only = Some(&[WAITING, PARKED, WRITTEN]);
            query.all(&self.clients).await
        });
        let mut depth = OutboxDepth::default();
        for item in try_join_all(shards).await?.into_iter().flatten() {
            let waiting: u64 = get_number(&item, WAITING)?;
            depth.rows += waiting;
            depth.parked += get_number::<u64>(&item, PARKED)?;
            if waiting > 0 {
                let written = UnixMillis(get_number(&item, WRITTEN)?);
                depth.oldest = Some(depth.oldest.map_or(written, |oldest| oldest.min(written)));
            }
        }
        Ok(depth)
    }
}

/// Those rows that their token still holds.
fn held_rows(parcel: &Parcel, rows: &[(Row, u128)]) -> Vec<(Row, u128)> {
    rows.iter()
        .filter(|(row, token)| {
            parcel
                .holds
                .iter()
                .any(|hold| hold.token == *token && hold.rows.contains(&row.index))
        })
        .copied()
        .collect()
}

#[async_trait]
impl Outbox for DynamoStore {
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim> {
        self.write("claim messages", move |store| async move {
            store.claim(limit, lease).await
        })
        .await
    }

    async fn confirm(&self, rows: &[OutboxRow]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows = rows.to_vec();
        self.write("confirm messages", move |store| async move {
            store.confirm(&rows).await
        })
        .await
    }

    async fn release(&self, rows: &[OutboxRow]) -> Result<()> {
        let rows = rows.to_vec();
        self.write("release messages", move |store| async move {
            store.release(&rows).await
        })
        .await
    }

    async fn extend(&self, rows: &[OutboxRow], lease: Duration) -> Result<Vec<RowId>> {
        let rows = rows.to_vec();
        self.write("extend leases", move |store| async move {
            store.extend(&rows, lease).await
        })
        .await
    }

    async fn park(&self, rows: &[OutboxRow], reason: &str) -> Result<Vec<RowId>> {
        let (rows, reason) = (rows.to_vec(), reason.to_owned());
        self.write("park messages", move |store| async move {
            store.park(&rows, &reason).await
        })
        .await
    }

    async fn parked(&self, after: Option<&RowId>, limit: usize) -> Result<PageOf<ParkedMessage, RowId>> {
        self.open_for("list parked messages")?.parked(after, limit).await
    }

    async fn resend(&self, ids: &[RowId]) -> Result<usize> {
        let ids = ids.to_vec();
        self.write("resend messages", move |store| async move {
            store.each_parked(&ids, false).await
        })
        .await
    }

    async fn discard(&self, ids: &[RowId]) -> Result<usize> {
        let ids = ids.to_vec();
        self.write("discard messages", move |store| async move {
            store.each_parked(&ids, true).await
        })
        .await
    }

    async fn depth(&self) -> Result<OutboxDepth> {
        self.open_for("measure outbox")?.depth().await
    }
}
