//! `Outbox` and `Inbox` through a wrapper.

use std::time::Duration;

use async_trait::async_trait;

use crate::contract::MessageId;
use crate::domain::UnixMillis;
use crate::error::Result;
use crate::layer::{Around, Layered, through};
use crate::ports::{
    Begin, Claim, Inbox, InboxToken, Outbox, OutboxDepth, OutboxRow, PageOf, ParkedMessage, RowId,
};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Outbox + ?Sized, A: Around> Outbox for Layered<P, A> {
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim> {
        through!(self, write "claim outbox rows", [], outbox => outbox.claim(limit, lease))
    }

    async fn confirm(&self, rows: &[OutboxRow]) -> Result<()> {
        through!(self, write "confirm outbox rows", [rows = rows.to_vec()], outbox => outbox.confirm(&rows))
    }

    async fn release(&self, rows: &[OutboxRow]) -> Result<()> {
        through!(self, write "release outbox rows", [rows = rows.to_vec()], outbox => outbox.release(&rows))
    }

    async fn extend(&self, rows: &[OutboxRow], lease: Duration) -> Result<Vec<RowId>> {
        through!(self, write "extend outbox rows", [rows = rows.to_vec()],
            outbox => outbox.extend(&rows, lease))
    }

    async fn park(&self, rows: &[OutboxRow], reason: &str) -> Result<Vec<RowId>> {
        through!(self, write "park outbox rows", [rows = rows.to_vec(), reason = reason.to_owned()],
            outbox => outbox.park(&rows, &reason))
    }

    async fn parked(&self, after: Option<&RowId>, limit: usize) -> Result<PageOf<ParkedMessage, RowId>> {
        through!(self, read "list parked rows", [after = after.cloned()],
            outbox => outbox.parked(after.as_ref(), limit))
    }

    async fn resend(&self, ids: &[RowId]) -> Result<usize> {
        through!(self, guarded "resend parked rows", [ids = ids.to_vec()], outbox => outbox.resend(&ids))
    }

    async fn discard(&self, ids: &[RowId]) -> Result<usize> {
        through!(self, guarded "discard parked rows", [ids = ids.to_vec()], outbox => outbox.discard(&ids))
    }

    async fn depth(&self) -> Result<OutboxDepth> {
        through!(self, read "measure outbox", [], outbox => outbox.depth())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Inbox + ?Sized, A: Around> Inbox for Layered<P, A> {
    async fn begin(&self, consumer: &str, message: &MessageId, lease: Duration) -> Result<Begin> {
        through!(self, write "begin message", [consumer = consumer.to_owned(), message = message.clone()],
            inbox => inbox.begin(&consumer, &message, lease))
    }

    async fn complete(&self, token: &InboxToken) -> Result<bool> {
        through!(self, write "complete message", [token = token.clone()], inbox => inbox.complete(&token))
    }

    async fn abandon(&self, token: &InboxToken) -> Result<bool> {
        through!(self, guarded "abandon message", [token = token.clone()], inbox => inbox.abandon(&token))
    }

    async fn forget_completed_before(&self, before: UnixMillis) -> Result<u64> {
        through!(self, write "forget completed messages", [],
            inbox => inbox.forget_completed_before(before))
    }
}
