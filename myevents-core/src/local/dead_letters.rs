//! The dead letters of a group: as the place beneath, but a letter that was sent back and fails again stays one letter.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::local::broker::Shared;
use crate::local::lanes::Source;
use crate::ports::{DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetters, PageOf};

pub(super) struct LocalDeadLetters {
    group: String,
    shared: Arc<Shared>,
    queue: Arc<dyn DeadLetterQueue>,
}

impl fmt::Debug for LocalDeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalDeadLetters")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl LocalDeadLetters {
    pub(super) fn new(group: &str, shared: Arc<Shared>, queue: Arc<dyn DeadLetterQueue>) -> Self {
        Self {
            group: group.to_owned(),
            shared,
            queue,
        }
    }

    /// The row of a letter that was sent back and is being handled now, and how often it was tried before.
    fn on_its_way(&self, letter: &DeadLetter) -> Option<(DeadLetterId, u32)> {
        let state = self.shared.state.lock();
        let group = &state.groups.get(&self.group)?.group;
        let id = group.letters.get(letter.envelope.id())?;
        let tried = group.sent_back(id).map_or(0, |source| match source {
            Source::SentBack { attempts, .. } => *attempts,
            Source::Published(_) => 0,
        });
        Some((id.clone(), tried))
    }
}

#[async_trait]
impl DeadLetters for LocalDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        let Some((id, tried)) = self.on_its_way(letter) else {
            return self.queue.put(letter).await;
        };
        self.queue
            .put_back(&id, &letter.reason, tried.saturating_add(letter.attempts))
            .await?;
        let mut state = self.shared.state.lock();
        if let Some(entry) = state.groups.get_mut(&self.group) {
            entry.group.failed_again.insert(id);
        }
        Ok(())
    }

    async fn list(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        self.queue.list(after, limit).await
    }

    async fn resend(&self, ids: &[DeadLetterId]) -> Result<usize> {
        self.queue.resend(ids).await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<usize> {
        self.queue.discard(ids).await
    }

    async fn count(&self) -> Result<u64> {
        self.queue.count().await
    }
}
