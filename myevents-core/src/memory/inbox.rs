//! The inbox: who holds a message, and which are done.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::MemoryStore;
use crate::contract::MessageId;
use crate::domain::UnixMillis;
use crate::error::Result;
use crate::ports::{Begin, Inbox, InboxToken};

#[derive(Default)]
pub(super) struct Marks {
    by_message: HashMap<(String, MessageId), Mark>,
    last_lease: u128,
}

#[derive(Clone, Copy)]
enum Mark {
    Held { lease: u128, until: UnixMillis },
    Done { lease: u128, at: UnixMillis },
}

fn key(token: &InboxToken) -> (String, MessageId) {
    (token.consumer.clone(), token.message.clone())
}

impl Marks {
    /// Whether nobody has taken the message over from `token` and it is not done.
    pub(super) fn holds(&self, token: &InboxToken) -> bool {
        matches!(self.by_message.get(&key(token)), Some(Mark::Held { lease, .. }) if *lease == token.lease)
    }

    pub(super) fn complete(&mut self, token: &InboxToken, at: UnixMillis) -> bool {
        if self.holds(token) {
            let lease = token.lease;
            self.by_message.insert(key(token), Mark::Done { lease, at });
            return true;
        }
        // Asked again because the first answer was lost: it is done by this token.
        matches!(self.by_message.get(&key(token)), Some(Mark::Done { lease, .. }) if *lease == token.lease)
    }

    fn begin(&mut self, consumer: &str, message: &MessageId, lease: Duration, now: UnixMillis) -> Begin {
        let key = (consumer.to_owned(), message.clone());
        match self.by_message.get(&key) {
            Some(Mark::Done { .. }) => return Begin::Done,
            Some(Mark::Held { until, .. }) if *until > now => return Begin::InProgress,
            _ => {}
        }
        self.last_lease += 1;
        let held = Mark::Held {
            lease: self.last_lease,
            until: now.plus(lease),
        };
        self.by_message.insert(key, held);
        Begin::Fresh(InboxToken {
            consumer: consumer.to_owned(),
            message: message.clone(),
            lease: self.last_lease,
        })
    }
}

#[async_trait]
impl Inbox for MemoryStore {
    async fn begin(&self, consumer: &str, message: &MessageId, lease: Duration) -> Result<Begin> {
        self.write("begin message", |state, scope| {
            Ok(state.marks.begin(consumer, message, lease, scope.now))
        })
        .await
    }

    async fn complete(&self, token: &InboxToken) -> Result<bool> {
        self.write("complete message", |state, scope| {
            Ok(state.marks.complete(token, scope.now))
        })
        .await
    }

    async fn abandon(&self, token: &InboxToken) -> Result<bool> {
        self.write("abandon message", |state, _| {
            let held = state.marks.holds(token);
            if held {
                state.marks.by_message.remove(&key(token));
            }
            Ok(held)
        })
        .await
    }

    async fn forget_completed_before(&self, before: UnixMillis) -> Result<u64> {
        self.write("forget completed messages", |state, _| {
            let marks = &mut state.marks.by_message;
            let count = marks.len();
            marks.retain(|_, mark| !matches!(mark, Mark::Done { at, .. } if *at < before));
            Ok((count - marks.len()) as u64)
        })
        .await
    }
}
