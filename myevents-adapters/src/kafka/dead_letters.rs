//! `KafkaDeadLetters`: the dead letters of a group, kept in a topic of its own.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use rdkafka::message::{Message as _, OwnedMessage};

use super::client::blocking;
use super::config::KafkaConfig;
use super::letter_log::LetterLog;
use super::letters::{self, Letters};
use super::topology::Topology;
use myevents_core::Result;
use myevents_core::ports::{DeadLetter, DeadLetterId, DeadLetters, PageOf};

/// Records read in one go when many letters are sent back.
const CHUNK: usize = 64;

/// The dead letters of one consumer group: topic `<topic>.<group>.dead`, one partition, compacted.
///
/// A letter's id is its offset. Sending back writes the message to `<topic>.<group>.retry`, which only that group reads, and then
/// the letter's end; a crash in between leaves the letter, which can be sent again. A message that fails again is a new letter.
pub struct KafkaDeadLetters {
    config: Arc<KafkaConfig>,
    letters: Arc<Letters>,
    /// Made when somebody first asks: services only put.
    log: Arc<Mutex<Option<LetterLog>>>,
}

impl fmt::Debug for KafkaDeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaDeadLetters")
            .field("topic", &self.letters.topic())
            .finish_non_exhaustive()
    }
}

impl KafkaDeadLetters {
    pub(super) fn new(config: Arc<KafkaConfig>, topology: Arc<Topology>, group: &str) -> Result<Self> {
        let letters = Letters::new(Arc::clone(&config), topology, group)?;
        Ok(Self {
            config,
            letters: Arc::new(letters),
            log: Arc::default(),
        })
    }

    /// Asks the log, in a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut LetterLog) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (log, config) = (Arc::clone(&self.log), Arc::clone(&self.config));
        let topic = self.letters.topic().to_owned();
        blocking("read dead letters", move || {
            let mut log = log.lock();
            let log = match &mut *log {
                Some(log) => log,
                empty => empty.insert(LetterLog::new(&config, &topic)?),
            };
            question(log)
        })
        .await
    }

    /// Those of the letters that are there: offset and key.
    async fn there(&self, ids: &[DeadLetterId]) -> Result<Vec<(i64, Arc<[u8]>)>> {
        let mut offsets: Vec<i64> = ids.iter().filter_map(offset_of).collect();
        offsets.sort_unstable();
        offsets.dedup();
        self.ask(move |log| {
            let letters = log.refresh()?;
            let there = offsets.into_iter().filter_map(|offset| {
                let key = letters.get(&offset)?;
                Some((offset, Arc::clone(key)))
            });
            Ok(there.collect())
        })
        .await
    }

    async fn records(&self, offsets: Vec<i64>) -> Result<Vec<OwnedMessage>> {
        self.ask(move |log| log.records(&offsets)).await
    }
}

impl Drop for KafkaDeadLetters {
    /// In a thread that may wait for librdkafka's.
    fn drop(&mut self) {
        let unused = self.log.try_lock().is_some_and(|log| log.is_none());
        if !unused {
            let log = std::mem::take(&mut self.log);
            std::thread::spawn(move || drop(log));
        }
    }
}

/// Twelve digits, so that ids sort as their letters.
fn id_of(offset: i64) -> DeadLetterId {
    DeadLetterId(format!("{offset:012}").into())
}

fn offset_of(id: &DeadLetterId) -> Option<i64> {
    id.0.parse().ok()
}

#[async_trait]
impl DeadLetters for KafkaDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        self.letters.put(letter).await
    }

    async fn list(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        let from = after.and_then(offset_of).map_or(0, |offset| offset + 1);
        let records = self
            .ask(move |log| {
                let letters = log.refresh()?.range(from..);
                let offsets: Vec<i64> = letters
                    .take(limit.saturating_add(1))
                    .map(|(offset, _)| *offset)
                    .collect();
                log.records(&offsets)
            })
            .await?;
        let letters = records
            .iter()
            .map(|record| (id_of(record.offset()), letters::read(record)))
            .collect();
        Ok(PageOf::from_surplus(letters, limit, |(id, _)| id.clone()))
    }

    async fn resend(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let there = self.there(ids).await?;
        let mut sent = 0;
        for chunk in there.chunks(CHUNK) {
            let offsets = chunk.iter().map(|(offset, _)| *offset).collect();
            for record in self.records(offsets).await? {
                let Some((_, key)) = chunk.iter().find(|(offset, _)| *offset == record.offset()) else {
                    continue;
                };
                self.letters.send_back(&record).await?;
                self.letters.forget(key).await?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<usize> {
        let there = self.there(ids).await?;
        for (_, key) in &there {
            self.letters.forget(key).await?;
        }
        Ok(there.len())
    }

    async fn count(&self) -> Result<u64> {
        let count = self.ask(|log| log.refresh().map(|letters| letters.len())).await?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }
}
