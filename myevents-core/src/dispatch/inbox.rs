//! The inbox around a handler: asks before, marks after, gives up what failed.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::MessageId;
use crate::error::Result;
use crate::ports::{Begin, Inbox, InboxToken};

/// The inbox of a route.
#[derive(Debug, Clone)]
pub(super) struct InboxUse {
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) lease: Duration,
}

impl InboxUse {
    pub(super) async fn begin(&self, consumer: &str, message: &MessageId) -> Result<Begin> {
        self.inbox.begin(consumer, message, self.lease).await
    }

    /// Lets the next try begin at once. Failing is harmless: the lease ends by itself.
    pub(super) async fn abandon(&self, token: &InboxToken) {
        if let Err(error) = self.inbox.abandon(token).await {
            tracing::debug!(%error, "an inbox lease was not given up and will run out");
        }
    }
}
