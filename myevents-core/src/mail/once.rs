//! A step that is done once: begun, done and marked done in the inbox, under a name of its own.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::GROUP;
use crate::contract::MessageId;
use crate::dispatch::Backoff;
use crate::error::Result;
use crate::ports::{Begin, Inbox, InboxToken};

/// For how long nobody else may begin a mail. A mailer MUST have ended by then, whatever the mail server does.
pub const LEASE: Duration = Duration::from_secs(700);
/// How often the mark is tried while the store is away, and how long between.
const MARKS: u32 = 20;
const BETWEEN: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Once {
    /// It is done, now or before.
    Done,
    /// Another is at it, or was and died: it may be begun when the lease is over.
    Elsewhere,
}

/// Does `step` unless it was done under this name before. The mark comes after the step, as a mail that is marked and not
/// sent is lost, and one that is sent and not marked is sent twice.
///
/// # Errors
/// Those of the inbox before the step, and of the step, which may then be begun again at once.
pub(super) async fn once<F>(
    inbox: &dyn Inbox,
    name: &str,
    stop: &CancellationToken,
    step: impl FnOnce() -> F + Send,
) -> Result<Once>
where
    F: Future<Output = Result<()>> + Send,
{
    let token = match inbox.begin(GROUP, &MessageId::new(name), LEASE).await? {
        Begin::Done => return Ok(Once::Done),
        Begin::InProgress => return Ok(Once::Elsewhere),
        Begin::Fresh(token) => token,
    };
    crate::crash::point("mail.before-send").await;
    if let Err(error) = step().await {
        // Failing is harmless: the lease ends by itself.
        let _given_up = inbox.abandon(&token).await;
        return Err(error);
    }
    crate::crash::point("mail.after-send").await;
    mark(inbox, &token, stop).await?;
    Ok(Once::Done)
}

/// Marks the step done. Giving up would do it again, so a store that is away is asked for as long as the lease may last.
async fn mark(inbox: &dyn Inbox, token: &InboxToken, stop: &CancellationToken) -> Result<()> {
    let mut failures = 0;
    loop {
        match inbox.complete(token).await {
            // False: the lease ran out and another does it again.
            Ok(_) => return Ok(()),
            Err(error) => {
                failures += 1;
                if failures >= MARKS || stop.is_cancelled() {
                    tracing::warn!(%error, "a mail was sent and could not be marked: it may be sent again");
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(BETWEEN.delay(failures)).await;
    }
}
