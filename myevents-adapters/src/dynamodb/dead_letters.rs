//! Dead letters: one partition of `state` by age, and for those that were sent back a note in a partition of their consumer's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use myevents_core::Result;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetters, PageOf};

use super::client::Query;
use super::codec::state_key;
use super::error::{fault, malformed};
use super::expression::Expression;
use super::inbox::Changed;
use super::item::{
    self, Item, bytes, check_size, cut, get_bytes, get_number, get_text, number, opt_map, text,
};
use super::names::*;
use super::parcel::{envelope_from_map, envelope_to_map};
use super::store::{DynamoStore, Shared, too_busy};
use super::transact::{Reason, Verdict, transact};

const LETTER: &str = "letter";
const DUE: &str = "Due";

/// How long reasons and names may be, so that a letter is always stored.
const MAX_TEXT_BYTES: usize = 4_096;

fn due_kind(consumer: &str) -> String {
    format!("due#{}", cut(consumer, 1_024))
}

fn id_of(id: &DeadLetterId) -> Option<[u8; 16]> {
    u128::from_str_radix(&id.0, 16).ok().map(u128::to_be_bytes)
}

fn letter_id(item: &Item) -> Result<DeadLetterId> {
    let id: [u8; 16] = get_bytes(item, ID)?
        .try_into()
        .map_err(|_| malformed("the id of a dead letter has not 16 bytes"))?;
    Ok(DeadLetterId(Arc::from(format!(
        "{:032x}",
        u128::from_be_bytes(id)
    ))))
}

fn letter_to_item(id: u128, letter: &DeadLetter) -> Item {
    let mut item = state_key(LETTER, &id.to_be_bytes());
    item.insert("Consumer".into(), text(letter.consumer.as_str()));
    item.insert("Origin".into(), text(cut(&letter.origin, MAX_TEXT_BYTES)));
    item.insert("Reason".into(), text(cut(&letter.reason, MAX_TEXT_BYTES)));
    item.insert("Attempts".into(), number(letter.attempts));
    item.insert("At".into(), number(letter.at.0));
    item.insert(
        "Envelope".into(),
        AttributeValue::M(envelope_to_map(&letter.envelope)),
    );
    item
}

fn letter_from_item(item: &Item) -> Result<DeadLetter> {
    let envelope = opt_map(item, "Envelope")?.ok_or_else(|| malformed("a dead letter has no message"))?;
    Ok(DeadLetter {
        consumer: get_text(item, "Consumer")?.to_owned(),
        origin: get_text(item, "Origin")?.to_owned(),
        reason: get_text(item, "Reason")?.to_owned(),
        attempts: get_number(item, "Attempts")?,
        at: UnixMillis(get_number(item, "At")?),
        envelope: envelope_from_map(envelope)?,
    })
}

impl Shared {
    async fn put_letter(&self, letter: &DeadLetter) -> Result<()> {
        let item = letter_to_item(self.ids.next(self.now()), letter);
        check_size("store dead letter", &item)?;
        self.clients
            .writes
            .put_item()
            .table_name(&self.tables.state)
            .set_item(Some(item))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault("store dead letter", error).of_write())
    }

    async fn letters(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        let mut query = Query::new(
            "list dead letters",
            &self.tables.state,
            None,
            (KIND, text(LETTER)),
        );
        let low = after
            .and_then(id_of)
            .map_or(0, |id| u128::from_be_bytes(id).saturating_add(1));
        query.between = Some((ID, bytes(&low.to_be_bytes()), bytes(&[0xff; 16])));
        query.page = limit.saturating_add(1);
        let mut items = Vec::new();
        let mut from = None;
        while items.len() <= limit {
            let page = query.page(&self.clients, from).await?;
            for item in &page.items {
                items.push((letter_id(item)?, letter_from_item(item)?));
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(PageOf::from_surplus(items, limit, |(id, _)| id.clone()))
    }

    async fn letter(&self, id: &[u8; 16]) -> Result<Option<Item>> {
        self.clients
            .get("read dead letter", &self.tables.state, state_key(LETTER, id))
            .await
    }

    /// Changes a letter together with its note; answers whether the letter was there.
    async fn with_note(
        &self,
        operation: &'static str,
        letter: aws_sdk_dynamodb::types::TransactWriteItem,
        note: aws_sdk_dynamodb::types::TransactWriteItem,
    ) -> Result<bool> {
        let actions = vec![letter, note];
        match transact(&self.clients, operation, actions, self.end_of_patience()).await? {
            Verdict::Applied => Ok(true),
            Verdict::Refused(error) => Err(error),
            Verdict::Cancelled(reasons) => match reasons.into_iter().next() {
                Some(Reason::Condition(_)) => Ok(false),
                Some(Reason::Invalid(error)) => Err(error),
                _ => Err(too_busy(operation)),
            },
        }
    }

    async fn resend_letters(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let table = &self.tables.state;
        let mut found = 0;
        for id in ids.iter().filter_map(id_of) {
            let Some(item) = self.letter(&id).await? else {
                continue;
            };
            let due = Expression::new()
                .set(DUE, AttributeValue::Bool(true))
                .remove(UNTIL)
                .when_present(ID);
            let consumer = get_text(&item, "Consumer")?;
            let note = Expression::new().put(table, state_key(&due_kind(consumer), &id))?;
            let letter = due.update(table, state_key(LETTER, &id))?;
            found += usize::from(self.with_note("resend dead letter", letter, note).await?);
        }
        Ok(found)
    }

    async fn discard_letters(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let table = &self.tables.state;
        let mut found = 0;
        for id in ids.iter().filter_map(id_of) {
            let Some(item) = self.letter(&id).await? else {
                continue;
            };
            let letter = Expression::new()
                .when_present(ID)
                .delete(table, state_key(LETTER, &id))?;
            let consumer = get_text(&item, "Consumer")?;
            let note = Expression::new().delete(table, state_key(&due_kind(consumer), &id))?;
            found += usize::from(self.with_note("discard dead letter", letter, note).await?);
        }
        Ok(found)
    }

    async fn count_letters(&self) -> Result<u64> {
        let mut count = 0;
        let mut from: Option<Item> = None;
        loop {
            let read = self
                .clients
                .reads
                .query()
                .table_name(&self.tables.state)
                .key_condition_expression("#k = :k")
                .expression_attribute_names("#k", KIND)
                .expression_attribute_values(":k", text(LETTER))
                .consistent_read(true)
                .select(Select::Count)
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|error| fault("count dead letters", error).of_read())?;
            count += u64::try_from(read.count).unwrap_or(0);
            from = read.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(count);
            }
        }
    }

    async fn take_due(
        &self,
        consumer: &str,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(DeadLetterId, DeadLetter)>> {
        let table = &self.tables.state;
        let query = Query::new("take dead letters", table, None, (KIND, text(due_kind(consumer))));
        let now = self.now();
        let mut taken = Vec::new();
        for note in query.all(&self.clients).await? {
            if taken.len() >= limit {
                break;
            }
            let key = state_key(LETTER, get_bytes(&note, ID)?);
            let take = Expression::new()
                .set(UNTIL, number(now.plus(lease).0))
                .when_present(DUE)
                .when_absent_or(UNTIL, vec![(UNTIL, "<=", number(now.0))]);
            if matches!(
                self.change("take dead letters", table, key.clone(), &take)
                    .await?,
                Changed::Yes
            ) && let Some(item) = self.clients.get("take dead letters", table, key).await?
            {
                taken.push((letter_id(&item)?, letter_from_item(&item)?));
            }
        }
        Ok(taken)
    }

    async fn put_back(&self, id: &DeadLetterId, reason: &str, attempts: u32) -> Result<()> {
        let table = &self.tables.state;
        let Some(id) = id_of(id) else { return Ok(()) };
        let Some(letter) = self.letter(&id).await? else {
            return Ok(());
        };
        let consumer = get_text(&letter, "Consumer")?;
        let change = Expression::new()
            .set("Reason", text(item::cut(reason, MAX_TEXT_BYTES)))
            .set("Attempts", number(attempts))
            .remove(DUE)
            .remove(UNTIL)
            .when_present(ID)
            .update(table, state_key(LETTER, &id))?;
        let note = Expression::new().delete(table, state_key(&due_kind(consumer), &id))?;
        self.with_note("put dead letter back", change, note)
            .await
            .map(|_| ())
    }
}

#[async_trait]
impl DeadLetters for DynamoStore {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        let letter = letter.clone();
        self.write("store dead letter", move |store| async move {
            store.put_letter(&letter).await
        })
        .await
    }

    async fn list(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        self.open_for("list dead letters")?.letters(after, limit).await
    }

    async fn resend(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let ids = ids.to_vec();
        self.write("resend dead letters", move |store| async move {
            store.resend_letters(&ids).await
        })
        .await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let ids = ids.to_vec();
        self.write("discard dead letters", move |store| async move {
            store.discard_letters(&ids).await
        })
        .await
    }

    async fn count(&self) -> Result<u64> {
        self.open_for("count dead letters")?.count_letters().await
    }
}

#[async_trait]
impl DeadLetterQueue for DynamoStore {
    async fn take_due(
        &self,
        consumer: &str,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(DeadLetterId, DeadLetter)>> {
        let consumer = consumer.to_owned();
        self.write("take dead letters", move |store| async move {
            store.take_due(&consumer, limit, lease).await
        })
        .await
    }

    async fn put_back(&self, id: &DeadLetterId, reason: &str, attempts: u32) -> Result<()> {
        let (id, reason) = (id.clone(), reason.to_owned());
        self.write("put dead letter back", move |store| async move {
            store.put_back(&id, &reason, attempts).await
        })
        .await
    }
}
