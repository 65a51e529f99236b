//! The inbox: which messages a consumer has completed or holds. A mark is stored by itself, not with the effect.

use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::doc;
use myevents_core::contract::MessageId;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{Begin, Inbox, InboxToken};
use myevents_core::{Error, ErrorKind, Result};

use super::codec::Fields;
use super::messages::token_text;
use super::store::{Inner, MongoStore};

/// How often a mark that comes and goes is tried.
const TRIES: usize = 20;

/// One text for consumer and message, which no other two have.
pub(super) fn pair(consumer: &str, message: &str) -> String {
    format!("{}:{consumer}{message}", consumer.len())
}

fn holder(token: &InboxToken) -> mongodb::bson::Document {
    doc! {
        "_id": pair(&token.consumer, token.message.as_str()),
        "token": token_text(myevents_core::ports::ClaimToken(token.lease)),
    }
}

impl Inner {
    async fn begin(&self, consumer: String, message: MessageId, lease: Duration) -> Result<Begin> {
        const OPERATION: &str = "begin message";
        let link = &self.link;
        let id = pair(&consumer, message.as_str());
        let token = self.instance.new_token();
        let fresh = InboxToken {
            consumer,
            message,
            lease: token.0,
        };
        for _ in 0..TRIES {
            let now = self.now();
            let until = now.plus(lease).0;
            let mark = doc! { "_id": id.as_str(), "token": token_text(token), "until": until };
            if link.insert(OPERATION, &link.inbox, mark).await? {
                return Ok(Begin::Fresh(fresh));
            }
            let ended = doc! { "_id": id.as_str(), "done": { "$exists": false }, "until": { "$lte": now.0 } };
            let taken = doc! { "$set": { "token": token_text(token), "until": until } };
            if link.update(OPERATION, &link.inbox, ended, taken).await? {
                return Ok(Begin::Fresh(fresh));
            }
            let found = link
                .find_one(OPERATION, &link.inbox, doc! { "_id": id.as_str() }, None)
                .await?;
            if let Some(found) = found {
                let done = Fields(&found).int("done")?.is_some();
                return Ok(if done { Begin::Done } else { Begin::InProgress });
            }
            // It was given up between the two looks.
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            OPERATION,
            "the message is taken and given up again and again; try again",
        ))
    }

    /// A message done by this very token stays so: the token is kept, and the first time counts.
    async fn complete(&self, token: InboxToken) -> Result<bool> {
        let link = &self.link;
        let done = doc! { "$min": { "done": self.now().0 } };
        link.update("complete message", &link.inbox, holder(&token), done)
            .await
    }

    async fn abandon(&self, token: InboxToken) -> Result<bool> {
        let mut filter = holder(&token);
        filter.insert("done", doc! { "$exists": false });
        let link = &self.link;
        Ok(link.delete_all("abandon message", &link.inbox, filter).await? > 0)
    }
}

#[async_trait]
impl Inbox for MongoStore {
    async fn begin(&self, consumer: &str, message: &MessageId, lease: Duration) -> Result<Begin> {
        let (consumer, message) = (consumer.to_owned(), message.clone());
        self.run("begin message", move |inner| async move {
            inner.begin(consumer, message, lease).await
        })
        .await
    }

    async fn complete(&self, token: &InboxToken) -> Result<bool> {
        let token = token.clone();
        self.run("complete message", move |inner| async move {
            inner.complete(token).await
        })
        .await
    }

    async fn abandon(&self, token: &InboxToken) -> Result<bool> {
        let token = token.clone();
        self.run("abandon message", move |inner| async move {
            inner.abandon(token).await
        })
        .await
    }

    async fn forget_completed_before(&self, before: UnixMillis) -> Result<u64> {
        self.run("forget marks", move |inner| async move {
            let link = &inner.link;
            let filter = doc! { "done": { "$lt": before.0 } };
            link.delete_all("forget marks", &link.inbox, filter).await
        })
        .await
    }
}
