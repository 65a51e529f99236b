//! The inbox: which messages a consumer has completed or holds. A mark lies in `state` under its consumer, in 16 partitions.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use myevents_core::Result;
use myevents_core::contract::MessageId;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{Begin, Inbox, InboxToken};

use super::client::Query;
use super::codec::{all_shards, list_shard, state_key};
use super::digest::digest;
use super::error::fault;
use super::expression::Expression;
use super::ids::shard_of;
use super::item::{Item, bytes, get_bytes, get_text, number, opt_number, text};
use super::names::*;
use super::store::{DynamoStore, Shared};

fn kind(consumer: &str, id: &[u8]) -> String {
    // A consumer's name of any length, kept within what a key holds.
    format!("inbox#{}#{}", shard_of(id), super::item::cut(consumer, 1_024))
}

fn key_of(consumer: &str, message: &MessageId) -> Item {
    // Ids of foreign messages may be longer than a sort key; and names beyond their cut must not meet.
    let id = digest(&[consumer.as_bytes(), message.as_str().as_bytes()]);
    state_key(&kind(consumer, &id), &id)
}

pub(super) fn mark_key(token: &InboxToken) -> Item {
    key_of(&token.consumer, &token.message)
}

/// Marks the message done, if the token holds it; with an effect, only if it is not done yet.
pub(super) fn completing(token: &InboxToken, now: UnixMillis, with_effect: bool) -> Expression {
    let change = Expression::new()
        .set(DONE_AT, number(now.0))
        .set(
            DONE_SHARD,
            text(list_shard(shard_of(token.message.as_str().as_bytes()))),
        )
        .remove(UNTIL)
        .when(TOKEN, "=", bytes(&token.lease.to_be_bytes()));
    if with_effect {
        change.when_absent(DONE_AT)
    } else {
        change
    }
}

/// What became of a conditional change of one item.
pub(super) enum Changed {
    Yes,
    /// The condition did not hold; the item as it was.
    No(Option<Item>),
}

impl Shared {
    /// Changes one item under its condition. Sent once.
    pub(super) async fn change(
        &self,
        operation: &'static str,
        table: &str,
        key: Item,
        change: &Expression,
    ) -> Result<Changed> {
        let sent = self
            .clients
            .writes
            .update_item()
            .table_name(table)
            .set_key(Some(key))
            .set_update_expression(change.change())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(change.names())
            .set_expression_attribute_values(change.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Changed::Yes),
            Err(error) => refused_by_condition(error)
                .map(Changed::No)
                .map_err(|error| fault(operation, error).of_write()),
        }
    }

    /// Deletes one item under a condition; answers whether it was there and the condition held.
    pub(super) async fn delete(
        &self,
        operation: &'static str,
        table: &str,
        key: Item,
        condition: &Expression,
    ) -> Result<bool> {
        let sent = self
            .clients
            .writes
            .delete_item()
            .table_name(table)
            .set_key(Some(key))
            .set_condition_expression(condition.condition())
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(fault(operation, error).of_write()),
        }
    }

    async fn begin(&self, consumer: &str, message: &MessageId, lease: Duration) -> Result<Begin> {
        let now = self.now();
        let token = self.new_token();
        let take = Expression::new()
            .set(TOKEN, bytes(&token.to_be_bytes()))
            .set(UNTIL, number(now.plus(lease).0))
            .set("Consumer", text(consumer))
            .set("Message", text(message.as_str()))
            .when_absent(DONE_AT)
            .when_absent_or(UNTIL, vec![(UNTIL, "<=", number(now.0))]);
        let key = key_of(consumer, message);
        match self
            .change("begin message", &self.tables.state, key, &take)
            .await?
        {
            Changed::Yes => Ok(Begin::Fresh(InboxToken {
                consumer: consumer.to_owned(),
                message: message.clone(),
                lease: token,
            })),
            Changed::No(Some(old)) if opt_number::<i64>(&old, DONE_AT)?.is_some() => Ok(Begin::Done),
            Changed::No(_) => Ok(Begin::InProgress),
        }
    }

    async fn complete(&self, token: &InboxToken) -> Result<bool> {
        // Done stays done at its first time.
        let first = completing(token, self.now(), true);
        match self
            .change("complete message", &self.tables.state, mark_key(token), &first)
            .await?
        {
            Changed::Yes => Ok(true),
            // Asked again because the first answer was lost: it is done by this very token.
            Changed::No(old) => Ok(match old {
                Some(old) => {
                    opt_number::<i64>(&old, DONE_AT)?.is_some()
                        && get_bytes(&old, TOKEN)? == token.lease.to_be_bytes()
                }
                None => false,
            }),
        }
    }

    async fn forget(&self, before: UnixMillis) -> Result<u64> {
        let mut forgotten = 0;
        for shard in all_shards() {
            let mut query = Query::new(
                "forget marks",
                &self.tables.state,
                Some(DONE),
                (DONE_SHARD, text(list_shard(shard))),
            );
            query.between = Some((DONE_AT, number(i64::MIN), number(before.0.saturating_sub(1))));
            for item in query.all(&self.clients).await? {
                let key = state_key(get_text(&item, KIND)?, get_bytes(&item, ID)?);
                let old = Expression::new().when(DONE_AT, "<", number(before.0));
                if self.delete("forget marks", &self.tables.state, key, &old).await? {
                    forgotten += 1;
                }
            }
        }
        Ok(forgotten)
    }
}

/// The old item, if the condition is what failed.
fn refused_by_condition<R>(
    error: SdkError<UpdateItemError, R>,
) -> std::result::Result<Option<Item>, SdkError<UpdateItemError, R>> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Ok(failed.item().filter(|item| !item.is_empty()).cloned())
        }
        _ => Err(error),
    }
}

#[async_trait]
impl Inbox for DynamoStore {
    async fn begin(&self, consumer: &str, message: &MessageId, lease: Duration) -> Result<Begin> {
        let (consumer, message) = (consumer.to_owned(), message.clone());
        self.write("begin message", move |store| async move {
            store.begin(&consumer, &message, lease).await
        })
        .await
    }

    async fn complete(&self, token: &InboxToken) -> Result<bool> {
        let token = token.clone();
        self.write("complete message", move |store| async move {
            store.complete(&token).await
        })
        .await
    }

    async fn abandon(&self, token: &InboxToken) -> Result<bool> {
        let token = token.clone();
        self.write("abandon message", move |store| async move {
            let held = Expression::new()
                .when(TOKEN, "=", bytes(&token.lease.to_be_bytes()))
                .when_absent(DONE_AT);
            store
                .delete("abandon message", &store.tables.state, mark_key(&token), &held)
                .await
        })
        .await
    }

    async fn forget_completed_before(&self, before: UnixMillis) -> Result<u64> {
        self.write(
            "forget marks",
            move |store| async move { store.forget(before).await },
        )
        .await
    }
}
