//! The calls the relay has open at the store and the broker, and what each answered.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::crash;
use crate::error::{Error, Result};
use crate::ports::{Claim, EventEmitter, Outbox, OutboxDepth, OutboxRow, RowId};
use crate::relay::lanes::OpenRow;
use crate::trace;

pub(super) type Job = BoxFuture<'static, Answer>;

/// What a call answered.
#[derive(Debug)]
pub(super) enum Answer {
    Emitted(Vec<(OpenRow, Result<()>)>),
    Claimed(Result<Claim>),
    Confirmed(Vec<OutboxRow>, Result<()>),
    Released(usize),
    /// Whether the row was still held, and so is parked.
    Parked(OpenRow, Result<bool>),
    Extended {
        asked: Vec<OutboxRow>,
        held: Result<HashSet<RowId>>,
    },
    Depth(Result<OutboxDepth>),
}

pub(super) fn emit(emitter: Arc<dyn EventEmitter>, open: Vec<OpenRow>) -> Job {
    Box::pin(async move {
        let stored = open.iter().map(|open| &open.held.row.envelope);
        let (spans, messages): (Vec<_>, Vec<_>) = stored
            .map(|envelope| {
                let span = trace::publish(envelope);
                let carried = trace::carried(&span, envelope);
                (span, carried)
            })
            .unzip();
        let mut spans = spans.into_iter();
        let mut results = emitter.emit(&messages).await.into_iter();
        let answered = open
            .into_iter()
            .map(|open| {
                let result = results.next().unwrap_or_else(|| {
                    Err(Error::new(
                        crate::ErrorKind::OutcomeUnknown,
                        "publish",
                        "the emitter answered fewer results than messages",
                    ))
                });
                if let (Some(span), Err(error)) = (spans.next(), &result) {
                    trace::failed(&span, error);
                }
                (open, result)
            })
            .collect();
        Answer::Emitted(answered)
    })
}

pub(super) fn claim(outbox: Arc<dyn Outbox>, limit: usize, lease: Duration) -> Job {
    Box::pin(async move {
        let claim = outbox.claim(limit, lease).await;
        crash::point("relay.after-claim").await;
        Answer::Claimed(claim)
    })
}

pub(super) fn confirm(outbox: Arc<dyn Outbox>, rows: Vec<OutboxRow>) -> Job {
    Box::pin(async move {
        crash::point("relay.before-confirm").await;
        let confirmed = outbox.confirm(&rows).await;
        crash::point("relay.after-confirm").await;
        Answer::Confirmed(rows, confirmed)
    })
}

/// Gives rows back. A failure is harmless: they come back when their lease ends.
pub(super) fn release(outbox: Arc<dyn Outbox>, rows: Vec<OutboxRow>) -> Job {
    Box::pin(async move {
        if let Err(error) = outbox.release(&rows).await {
            tracing::debug!(%error, "rows of the outbox were not released; their lease runs out");
        }
        Answer::Released(rows.len())
    })
}

pub(super) fn park(outbox: Arc<dyn Outbox>, open: OpenRow, reason: String) -> Job {
    Box::pin(async move {
        let row = &open.held.row;
        let parked = outbox
            .park(std::slice::from_ref(row), &reason)
            .await
            .map(|ids| ids.contains(&row.id));
        Answer::Parked(open, parked)
    })
}

pub(super) fn extend(outbox: Arc<dyn Outbox>, asked: Vec<OutboxRow>, lease: Duration) -> Job {
    Box::pin(async move {
        let held = outbox
            .extend(&asked, lease)
            .await
            .map(|held| held.into_iter().collect());
        Answer::Extended { asked, held }
    })
}

pub(super) fn depth(outbox: Arc<dyn Outbox>) -> Job {
    Box::pin(async move { Answer::Depth(outbox.depth().await) })
}
