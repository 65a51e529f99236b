//! The outbox: messages inside the records that changed, claimed record by record.
//!
//! A record is one entity: a claim takes all of its messages that wait, so it is gap-free, and no message of a record with
//! a live lease. The order of messages is the order of the record's list.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::FindOptions;
use myevents_core::Result;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{Claim, ClaimToken, Outbox, OutboxDepth, OutboxRow, PageOf, ParkedMessage, RowId};

use super::claiming::{Waiting, claimed_rows};
use super::codec::Fields;
use super::messages::{Kind, Place, envelope_of, token_text, written};
use super::store::{Inner, MongoStore};

/// The condition that a record has messages, and none of them is held.
fn claimable(now: UnixMillis) -> Document {
    doc! {
        "outbox.until": { "$lte": now.0 },
        "outbox": { "$not": { "$elemMatch": { "until": { "$gt": now.0 } } } },
    }
}

/// The rows by the collection of their records; a row of no place of ours is in none.
fn by_kind(rows: &[OutboxRow]) -> BTreeMap<Kind, Vec<(Place, &OutboxRow)>> {
    let mut sorted: BTreeMap<Kind, Vec<(Place, &OutboxRow)>> = BTreeMap::new();
    for row in rows {
        if let Some(place) = Place::of_row(&row.id) {
            sorted.entry(place.kind).or_default().push((place, row));
        }
    }
    sorted
}

/// The same for ids.
fn places_by_kind(ids: &[RowId]) -> BTreeMap<Kind, Vec<Place>> {
    let mut sorted: BTreeMap<Kind, Vec<Place>> = BTreeMap::new();
    for place in ids.iter().filter_map(Place::of_row) {
        sorted.entry(place.kind).or_default().push(place);
    }
    sorted
}

/// A statement that changes one message, as long as its token holds it; else it modifies nothing.
fn of_held(place: &Place, row: &OutboxRow, update: Document) -> Document {
    doc! {
        "q": { "_id": place.record_id() },
        "u": update,
        "arrayFilters": [ { "m.id": row.envelope.id().as_str(), "m.token": token_text(row.token) } ],
    }
}

/// Reads the lists of messages whole, of `limit` records in one answer.
fn whole_outbox(limit: Option<usize>) -> FindOptions {
    let mut options = FindOptions::default();
    options.projection = Some(doc! { "outbox": 1 });
    options.limit = limit.and_then(|limit| i64::try_from(limit).ok());
    // The server's own first answer is 101 records.
    options.batch_size = Some(
        limit
            .and_then(|limit| u32::try_from(limit).ok())
            .unwrap_or(10_000),
    );
    options
}

impl Inner {
    /// Claims in one collection: looks for records, holds their messages one by one, and reads a record again only where
    /// what was read first may not be what is held.
    ///
    /// The holds go by `_id` and a message's own state, not by the condition of the look: so each is one step to one
    /// record, whatever the server makes of a longer filter.
    async fn claim_of(
        &self,
        kind: Kind,
        limit: usize,
        token: ClaimToken,
        lease: Duration,
    ) -> Result<Vec<OutboxRow>> {
        const OPERATION: &str = "claim messages";
        let now = self.now();
        let (link, collection) = (&self.link, self.collection(kind));
        let found = link
            .find(
                OPERATION,
                collection,
                claimable(now),
                whole_outbox(Some(limit)),
                limit,
                move |document| Waiting::read(kind, Fields(document), token).map(Some),
            )
            .await?;
        let mut count = 0;
        let waiting: Vec<Waiting> = found
            .into_iter()
            .take_while(|record| {
                let room = count < limit;
                count += record.rows.len();
                room
            })
            .collect();
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let until = now.plus(lease);
        let statements = waiting.iter().map(|record| record.hold(token, now, until));
        let held = link.bulk(OPERATION, collection, statements.collect()).await?;
        let all_held = held == waiting.len();
        let (sure, unsure): (Vec<Waiting>, Vec<Waiting>) = waiting
            .into_iter()
            .partition(|record| all_held && record.is_alone);
        let mut rows: Vec<OutboxRow> = sure.into_iter().flat_map(|record| record.rows).collect();
        if !unsure.is_empty() {
            let records: Vec<Bson> = unsure.into_iter().map(|record| record.id).collect();
            let filter = doc! { "_id": { "$in": records } };
            let found = link.find(
                OPERATION,
                collection,
                filter,
                whole_outbox(None),
                usize::MAX,
                move |document| claimed_rows(kind, Fields(document), token).map(Some),
            );
            let mut stray = Vec::new();
            for (first, behind) in found.await? {
                rows.extend(first);
                stray.extend(behind);
            }
            self.release_rows(&stray).await?;
        }
        if rows.len() > limit {
            // The last records had more than there was room for; what is given back are the latest of theirs.
            let surplus = rows.split_off(limit);
            self.release_rows(&surplus).await?;
        }
        Ok(rows)
    }

    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim> {
        let token = self.instance.new_token();
        let mut rows = Vec::new();
        for kind in Kind::ALL {
            if rows.len() < limit {
                rows.extend(self.claim_of(kind, limit - rows.len(), token, lease).await?);
            }
        }
        Ok(Claim { token, rows })
    }

    async fn confirm_rows(&self, rows: &[OutboxRow]) -> Result<()> {
        for (kind, rows) in by_kind(rows) {
            let statements = rows.iter().map(|(place, row)| {
                doc! {
                    "q": { "_id": place.record_id() },
                    "u": { "$pull": { "outbox": { "id": row.envelope.id().as_str() } } },
                }
            });
            let statements = statements.collect();
            self.link
                .bulk("confirm messages", self.collection(kind), statements)
                .await?;
        }
        Ok(())
    }

    async fn release_rows(&self, rows: &[OutboxRow]) -> Result<()> {
        for (kind, rows) in by_kind(rows) {
            let free = doc! { "$set": { "outbox.$[m].until": 0_i64 }, "$unset": { "outbox.$[m].token": "" } };
            let statements = rows
                .iter()
                .map(|(place, row)| of_held(place, row, free.clone()))
                .collect();
            self.link
                .bulk("release messages", self.collection(kind), statements)
                .await?;
        }
        Ok(())
    }

    /// Gives back all leases of this instance that have not ended by themselves: of those there may be any number.
    pub(super) async fn release_own(&self) -> Result<()> {
        let (first, last) = self.instance.tokens();
        let now = self.now().0;
        let own = || doc! { "$gte": first.as_str(), "$lte": last.as_str() };
        for kind in Kind::ALL {
            let filter = doc! { "outbox.until": { "$gt": now }, "outbox.token": own() };
            let free = doc! { "$set": { "outbox.$[m].until": 0_i64 }, "$unset": { "outbox.$[m].token": "" } };
            let every = vec![doc! { "m.token": own() }];
            self.link
                .update_all("release leases", self.collection(kind), filter, free, every)
                .await?;
        }
        Ok(())
    }

    /// Runs a change of held rows; answers those that their tokens held. `after` tells of an element whether it is changed.
    async fn change_held(
        &self,
        operation: &'static str,
        rows: &[OutboxRow],
        update: impl Fn(&Place) -> Document,
        after: impl Fn(Fields<'_>, &OutboxRow) -> Result<bool> + Copy + Send + 'static,
    ) -> Result<Vec<RowId>> {
        let mut changed = Vec::new();
        for (kind, rows) in by_kind(rows) {
            let collection = self.collection(kind);
            let statements: Vec<Document> = rows
                .iter()
                .map(|(place, row)| of_held(place, row, update(place)))
                .collect();
            if self.link.bulk(operation, collection, statements).await? == rows.len() {
                changed.extend(rows.iter().map(|(_, row)| row.id.clone()));
                continue;
            }
            // The server tells how many, not which.
            let records: Vec<Bson> = rows.iter().map(|(place, _)| place.record_id()).collect();
            let filter = doc! { "_id": { "$in": records } };
            let mut options = FindOptions::default();
            options.projection =
                Some(doc! { "outbox.id": 1, "outbox.token": 1, "outbox.until": 1, "outbox.parked": 1 });
            let wanted: Vec<OutboxRow> = rows.iter().map(|(_, row)| (*row).clone()).collect();
            let found = self.link.find(
                operation,
                collection,
                filter,
                options,
                usize::MAX,
                move |document| {
                    let mut ids = Vec::new();
                    for element in Fields(document).documents("outbox")? {
                        let id = element.need_str("id")?;
                        for row in wanted.iter().filter(|row| row.envelope.id().as_str() == id) {
                            if after(element, row)? {
                                ids.push(row.id.clone());
                            }
                        }
                    }
                    Ok(Some(ids))
                },
            );
            changed.extend(found.await?.into_iter().flatten());
        }
        Ok(changed)
    }

    async fn extend_rows(&self, rows: &[OutboxRow], lease: Duration) -> Result<Vec<RowId>> {
        let until = self.now().plus(lease).0;
        self.change_held(
            "extend leases",
            rows,
            |_| doc! { "$set": { "outbox.$[m].until": until } },
            |element, row| Ok(element.str("token")? == Some(token_text(row.token).as_str())),
        )
        .await
    }

    async fn park_rows(&self, rows: &[OutboxRow], reason: &str) -> Result<Vec<RowId>> {
        // Nobody else holds them: a row that is parked afterwards was parked by this call.
        let held = self.extend_rows(rows, Duration::from_secs(30)).await?;
        let held: HashSet<RowId> = held.into_iter().collect();
        let rows: Vec<OutboxRow> = rows
            .iter()
            .filter(|row| held.contains(&row.id))
            .cloned()
            .collect();
        self.change_held(
            "park messages",
            &rows,
            |place| {
                doc! {
                    "$set": { "outbox.$[m].parked": place.n, "outbox.$[m].reason": reason },
                    "$unset": { "outbox.$[m].until": "", "outbox.$[m].token": "" },
                }
            },
            |element, _| Ok(element.int("parked")?.is_some()),
        )
        .await
    }

    async fn parked_of(&self, kind: Kind, after: i64, limit: usize) -> Result<Vec<ParkedMessage>> {
        let parked = || doc! { "outbox.parked": { "$gte": after } };
        let pipeline = vec![
            doc! { "$match": parked() },
            doc! { "$unwind": "$outbox" },
            doc! { "$match": parked() },
            doc! { "$sort": { "outbox.parked": 1, "_id": 1 } },
            doc! { "$limit": i64::try_from(limit).unwrap_or(i64::MAX) },
            doc! { "$project": { "outbox": 1 } },
        ];
        let link = &self.link;
        link.aggregate(
            "list parked messages",
            self.collection(kind),
            pipeline,
            move |document| {
                let record = Fields(document);
                let element = record.document("outbox")?.unwrap_or(record);
                let place = Place {
                    kind,
                    record: record.need_id("_id")?.as_slice().to_vec(),
                    n: element.need_int("n")?,
                };
                Ok(ParkedMessage {
                    id: place.row_id(),
                    reason: element.str("reason")?.unwrap_or_default().to_owned(),
                    envelope: envelope_of(element)?,
                })
            },
        )
        .await
    }

    async fn parked(&self, after: Option<&RowId>, limit: usize) -> Result<PageOf<ParkedMessage, RowId>> {
        // Several rows may have the number of the last one: they are told apart by the rest of their ids.
        let first = after.and_then(Place::of_row).map_or(0, |place| place.n);
        let mut items = Vec::new();
        for kind in Kind::ALL {
            items.extend(self.parked_of(kind, first, limit.saturating_add(2)).await?);
        }
        items.sort_by(|one, other| one.id.cmp(&other.id));
        items.retain(|parked| after.is_none_or(|after| parked.id > *after));
        items.truncate(limit.saturating_add(1));
        Ok(PageOf::from_surplus(items, limit, |parked| parked.id.clone()))
    }

    /// Runs a change of parked rows; answers how many were found.
    async fn change_parked(&self, operation: &'static str, ids: &[RowId], discard: bool) -> Result<usize> {
        let mut found = 0;
        for (kind, places) in places_by_kind(ids) {
            let statements = places.iter().map(|place| {
                let query = doc! { "_id": place.record_id() };
                if discard {
                    doc! { "q": query, "u": { "$pull": { "outbox": { "n": place.n, "parked": place.n } } } }
                } else {
                    doc! {
                        "q": query,
                        "u": {
                            "$set": { "outbox.$[m].until": 0_i64 },
                            "$unset": { "outbox.$[m].parked": "", "outbox.$[m].reason": "" },
                        },
                        "arrayFilters": [ { "m.n": place.n, "m.parked": place.n } ],
                    }
                }
            });
            let statements = statements.collect();
            found += self
                .link
                .bulk(operation, self.collection(kind), statements)
                .await?;
        }
        Ok(found)
    }

    async fn depth_of(&self, kind: Kind, field: &str) -> Result<(u64, Option<i64>)> {
        let path = format!("outbox.{field}");
        let there = || doc! { path.as_str(): { "$gte": 0_i64 } };
        let pipeline = vec![
            doc! { "$match": there() },
            doc! { "$unwind": "$outbox" },
            doc! { "$match": there() },
            doc! { "$group": { "_id": Bson::Null, "rows": { "$sum": 1 }, "oldest": { "$min": "$outbox.n" } } },
        ];
        let link = &self.link;
        let counts = link
            .aggregate("measure outbox", self.collection(kind), pipeline, |document| {
                let counts = Fields(document);
                Ok((
                    u64::try_from(counts.need_int("rows")?).unwrap_or(0),
                    counts.int("oldest")?,
                ))
            })
            .await?;
        Ok(counts.into_iter().next().unwrap_or_default())
    }

    async fn depth(&self) -> Result<OutboxDepth> {
        let mut depth = OutboxDepth::default();
        let mut oldest: Option<i64> = None;
        for kind in Kind::ALL {
            let (rows, first) = self.depth_of(kind, "until").await?;
            let (parked, _) = self.depth_of(kind, "parked").await?;
            depth.rows += rows;
            depth.parked += parked;
            oldest = oldest.into_iter().chain(first).min();
        }
        depth.oldest = oldest.map(written);
        Ok(depth)
    }
}

#[async_trait]
impl Outbox for MongoStore {
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim> {
        self.run("claim messages", move |inner| async move {
            inner.claim(limit, lease).await
        })
        .await
    }

    async fn confirm(&self, rows: &[OutboxRow]) -> Result<()> {
        let rows = rows.to_vec();
        self.run("confirm messages", move |inner| async move {
            inner.confirm_rows(&rows).await
        })
        .await
    }

    async fn release(&self, rows: &[OutboxRow]) -> Result<()> {
        let rows = rows.to_vec();
        self.run("release messages", move |inner| async move {
            inner.release_rows(&rows).await
        })
        .await
    }

    async fn extend(&self, rows: &[OutboxRow], lease: Duration) -> Result<Vec<RowId>> {
        let rows = rows.to_vec();
        self.run("extend leases", move |inner| async move {
            inner.extend_rows(&rows, lease).await
        })
        .await
    }

    async fn park(&self, rows: &[OutboxRow], reason: &str) -> Result<Vec<RowId>> {
        let (rows, reason) = (rows.to_vec(), reason.to_owned());
        self.run("park messages", move |inner| async move {
            inner.park_rows(&rows, &reason).await
        })
        .await
    }

    async fn parked(&self, after: Option<&RowId>, limit: usize) -> Result<PageOf<ParkedMessage, RowId>> {
        self.inner("list parked messages")?.parked(after, limit).await
    }

    async fn resend(&self, ids: &[RowId]) -> Result<usize> {
        let ids = ids.to_vec();
        let work = move |inner: std::sync::Arc<Inner>| async move {
            inner.change_parked("resend messages", &ids, false).await
        };
        self.run("resend messages", work).await
    }

    async fn discard(&self, ids: &[RowId]) -> Result<usize> {
        let ids = ids.to_vec();
        let work = move |inner: std::sync::Arc<Inner>| async move {
            inner.change_parked("discard messages", &ids, true).await
        };
        self.run("discard messages", work).await
    }

    async fn depth(&self) -> Result<OutboxDepth> {
        self.inner("measure outbox")?.depth().await
    }
}
