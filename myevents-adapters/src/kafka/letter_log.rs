//! Reads a topic of dead letters: which letters are there now, and the records of some of them. All of it blocks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};

use super::client::Logs;
use super::config::KafkaConfig;
use super::error;
use myevents_core::{Error, ErrorKind, Result};

/// A read of a whole topic is given up after this long without a record.
const SILENCE: Duration = Duration::from_secs(10);
const OPERATION: &str = "read dead letters";

/// Remembers what was read, so that looking again reads only what is new.
pub(super) struct LetterLog {
    consumer: BaseConsumer<Logs>,
    topic: String,
    within: Duration,
    /// The first offset that was not read.
    position: i64,
    by_offset: BTreeMap<i64, Arc<[u8]>>,
    by_key: HashMap<Arc<[u8]>, i64>,
}

impl LetterLog {
    pub(super) fn new(config: &KafkaConfig, topic: &str) -> Result<Self> {
        // It reads what it is told to and commits nothing; librdkafka wants a name all the same.
        let consumer = config
            .reader("myevents-dead-letters")
            .create_with_context(Logs)
            .map_err(|error| error::call(OPERATION, error))?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            within: config.request_timeout,
            position: 0,
            by_offset: BTreeMap::new(),
            by_key: HashMap::new(),
        })
    }

    /// Reads on to the end. Answers the letters there are: their offsets and keys.
    pub(super) fn refresh(&mut self) -> Result<&BTreeMap<i64, Arc<[u8]>>> {
        let marks = self.consumer.fetch_watermarks(&self.topic, 0, self.within);
        let (low, high) = match marks {
            Ok(marks) => marks,
            Err(error) if is_missing(&error) => (0, 0),
            Err(error) => return Err(error::call(OPERATION, error)),
        };
        if high < self.position {
            // The topic was made anew.
            self.position = 0;
            self.by_offset.clear();
            self.by_key.clear();
        }
        let from = self.position.max(low);
        if from < high {
            let mut read = Vec::new();
            self.scan(from, high, |record| {
                read.push((
                    record.offset(),
                    record.key().map(Arc::<[u8]>::from),
                    record.payload().is_some(),
                ));
                true
            })?;
            for (offset, key, is_letter) in read {
                self.apply(offset, key, is_letter);
            }
        }
        self.position = self.position.max(high);
        Ok(&self.by_offset)
    }

    fn apply(&mut self, offset: i64, key: Option<Arc<[u8]>>, is_letter: bool) {
        let Some(key) = key else { return };
        if let Some(before) = self.by_key.remove(&key) {
            self.by_offset.remove(&before);
        }
        if is_letter {
            self.by_key.insert(Arc::clone(&key), offset);
            self.by_offset.insert(offset, key);
        }
    }

    /// The records at these offsets, which rise; what is not there any more is left out.
    pub(super) fn records(&self, offsets: &[i64]) -> Result<Vec<OwnedMessage>> {
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::with_capacity(offsets.len());
        self.scan(*first, last + 1, |record| {
            if offsets.binary_search(&record.offset()).is_ok() {
                found.push(record.detach());
            }
            found.len() < offsets.len()
        })?;
        Ok(found)
    }

    /// Shows the records from `from` to before `end` until told that it is enough.
    fn scan(
        &self,
        from: i64,
        end: i64,
        mut show: impl FnMut(&rdkafka::message::BorrowedMessage<'_>) -> bool,
    ) -> Result<()> {
        let failed = |error| error::call(OPERATION, error);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, 0, Offset::Offset(from))
            .map_err(failed)?;
        self.consumer.assign(&list).map_err(failed)?;
        let result = self.read_until(end, &mut show);
        // Nothing is fetched while nobody reads.
        self.consumer.unassign().map_err(failed)?;
        result
    }

    fn read_until(
        &self,
        end: i64,
        show: &mut dyn FnMut(&rdkafka::message::BorrowedMessage<'_>) -> bool,
    ) -> Result<()> {
        let mut heard = Instant::now();
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => {
                    heard = Instant::now();
                    let offset = record.offset();
                    if offset >= end || !show(&record) || offset + 1 >= end {
                        return Ok(());
                    }
                }
                // The last records may have been compacted away.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) if is_missing(&error) => return Ok(()),
                Some(Err(error)) => tracing::debug!(topic = self.topic, %error, "reading dead letters"),
                None => {}
            }
            if heard.elapsed() > SILENCE {
                return Err(
                    Error::new(ErrorKind::Unavailable, OPERATION, "kafka does not answer")
                        .with("topic", &self.topic),
                );
            }
        }
    }
}

fn is_missing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
    )
}
