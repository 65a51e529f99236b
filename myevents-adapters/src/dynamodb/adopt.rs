//! Items of the original, which have no place in the lists yet: they get one at the first start, and are otherwise left as they are.

use aws_sdk_dynamodb::types::AttributeValue;
use myevents_core::Result;
use myevents_core::domain::UnixSeconds;

use super::codec::key;
use super::expression::Expression;
use super::inbox::Changed;
use super::item::{get_bytes, get_flag};
use super::names::*;
use super::records::{event_listing, location_listing, start_of_event};
use super::scan::Scan;
use super::schema::identity_key;
use super::store::Shared;

impl Shared {
    /// Reads `events` and `locations` once, whole, and gives every item without a place in the lists one. May be repeated.
    pub(super) async fn adopt(&self) -> Result<u64> {
        let mut adopted = 0;
        for (table, is_event) in [(&self.tables.events, true), (&self.tables.locations, false)] {
            let unlisted = Expression::new().when_absent(LIST_KEY);
            let mut scan = Scan::new("take over items", table);
            scan.filter = Some(&unlisted);
            let mut from = None;
            loop {
                let page = self.scan_page(scan, from).await?;
                for item in &page.items {
                    if get_flag(item, "Deleted")? {
                        continue;
                    }
                    let id = get_bytes(item, ID)?;
                    let listing = if is_event {
                        event_listing(start_of_event(item).unwrap_or(UnixSeconds::EPOCH), id)
                    } else {
                        location_listing(id)
                    };
                    let change = listing
                        .into_iter()
                        .fold(Expression::new(), |change, (name, value)| {
                            change.set(&name, value)
                        })
                        .when_present(ID)
                        .when_absent(LIST_KEY);
                    let changed = self.change("take over items", table, key(id), &change).await?;
                    adopted += u64::from(matches!(changed, Changed::Yes));
                }
                match page.next {
                    Some(next) => from = Some(next),
                    None => break,
                }
            }
        }
        let done = Expression::new().set("Adopted", AttributeValue::Bool(true));
        self.change("take over items", &self.tables.state, identity_key(), &done)
            .await?;
        if adopted > 0 {
            tracing::info!(
                adopted,
                "events and locations of the original were taken into the lists"
            );
        }
        Ok(adopted)
    }
}
