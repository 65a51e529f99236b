//! The audit log: two items of `state` a line, put in the transaction of the change it tells of. One lies in the log's 16
//! partitions, one in the partition of its record, so that both lists are read as they are now.

use aws_sdk_dynamodb::types::TransactWriteItem;
use futures_util::future::try_join_all;
use myevents_core::Result;
use myevents_core::contract::{audit_from_json, audit_to_json};
use myevents_core::domain::{AuditEntry, AuditId, Id, UnixMillis};
use myevents_core::ports::{AuditCursor, AuditFilter, PageOf};

use super::client::Query;
use super::codec::{all_shards, hex, state_key};
use super::expression::Expression;
use super::ids::shard_of;
use super::item::{Item, bytes, get_text, text};
use super::lists::{Merged, share_of};
use super::names::*;
use super::store::Shared;
use super::transact::transact;

const POSITION: &str = "Position";
const ENTRY: &str = "Entry";

/// Lines of an import that are stored side by side.
const IMPORTED_AT_ONCE: usize = 16;

fn time_key(time: UnixMillis) -> String {
    format!("{:019}#", time.0.max(0))
}

/// The place in the order of the log. No hex digit sorts behind `~`.
fn position(time: UnixMillis, id: &AuditId) -> String {
    format!("{}{}", time_key(time), hex(id.as_bytes()))
}

fn partition(shard: u8) -> String {
    format!("audit#{shard}")
}

fn partition_of(object: &Id) -> String {
    format!("audit-of#{object}")
}

fn item(kind: &str, position: &str, entry: String) -> Item {
    let mut item = state_key(kind, position.as_bytes());
    item.insert(POSITION.into(), text(position));
    item.insert(ENTRY.into(), text(entry));
    item
}

impl Shared {
    /// The actions that store a line, if there is one. No line ever takes the place of another.
    pub(super) fn audit_actions(&self, entry: Option<&AuditEntry>) -> Result<Vec<TransactWriteItem>> {
        let Some(entry) = entry else { return Ok(Vec::new()) };
        let place = position(entry.time, &entry.id);
        let kinds = [
            partition(shard_of(entry.id.as_bytes())),
            partition_of(&entry.object),
        ];
        let puts = kinds.iter().map(|kind| {
            Expression::new()
                .when_absent(ID)
                .put(&self.tables.state, item(kind, &place, audit_to_json(entry)))
        });
        puts.collect()
    }

    pub(super) async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>> {
        const OPERATION: &str = "list audit log";
        let (since, until) = filter.range();
        let low = time_key(since);
        // Newest first: the page ends where the one before it began.
        let end = after.map(|after| position(after.time, &after.id));
        let until = format!("{}~", time_key(until));
        let high = match &end {
            Some(end) => until.min(end.clone()),
            None => until,
        };
        let mut items = Vec::new();
        if low <= high {
            let kinds: Vec<String> = match &filter.object {
                Some(object) => vec![partition_of(object)],
                None => all_shards().map(partition).collect(),
            };
            let page = share_of(limit, kinds.len(), false);
            let queries = kinds.into_iter().map(|kind| {
                let mut query = Query::new(OPERATION, &self.tables.state, None, (KIND, text(kind)));
                query.between = Some((ID, bytes(low.as_bytes()), bytes(high.as_bytes())));
                query.descending = true;
                query.page = page;
                query
            });
            let mut merged = Merged::new(&self.clients, queries.collect(), POSITION);
            while items.len() <= limit {
                let Some(item) = merged.next().await? else { break };
                if end.as_deref() != Some(get_text(&item, POSITION)?) {
                    items.push(audit_from_json(get_text(&item, ENTRY)?)?);
                }
            }
        }
        Ok(PageOf::from_surplus(items, limit, |entry: &AuditEntry| {
            entry.into()
        }))
    }

    /// Stores lines of another store as they are; answers how many were not there.
    pub(super) async fn import_audit(&self, entries: &[AuditEntry]) -> Result<u64> {
        let mut added = 0;
        for some in entries.chunks(IMPORTED_AT_ONCE) {
            let stored = try_join_all(some.iter().map(|entry| self.import_line(entry))).await?;
            added += stored.into_iter().map(u64::from).sum::<u64>();
        }
        Ok(added)
    }

    async fn import_line(&self, entry: &AuditEntry) -> Result<bool> {
        let actions = self.audit_actions(Some(entry))?;
        let sent = transact(&self.clients, "import audit log", actions, self.end_of_patience());
        sent.await?.applied()
    }
}
