//! Dead letters as rows, for the `local` broker.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;

use super::MemoryStore;
use crate::contract::MessageId;
use crate::domain::UnixMillis;
use crate::error::Result;
use crate::ports::{DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetters, PageOf};

#[derive(Default)]
pub(super) struct Letters {
    last: u64,
    by_number: BTreeMap<u64, Stored>,
    by_message: HashMap<(String, MessageId), u64>,
}

struct Stored {
    letter: DeadLetter,
    due: bool,
    taken_until: Option<UnixMillis>,
}

fn letter_id(number: u64) -> DeadLetterId {
    DeadLetterId(format!("{number:016x}").into())
}

fn number_of(id: &DeadLetterId) -> Option<u64> {
    u64::from_str_radix(&id.0, 16).ok()
}

fn key(letter: &DeadLetter) -> (String, MessageId) {
    (letter.consumer.clone(), letter.envelope.id().clone())
}

impl Letters {
    fn put(&mut self, letter: &DeadLetter) {
        // The same consumer gave the same message up again: one letter, with the newest reason, and not due.
        let number = *self.by_message.entry(key(letter)).or_insert_with(|| {
            self.last += 1;
            self.last
        });
        let stored = Stored {
            letter: letter.clone(),
            due: false,
            taken_until: None,
        };
        self.by_number.insert(number, stored);
    }

    fn discard(&mut self, number: u64) -> bool {
        let found = self.by_number.remove(&number);
        if let Some(stored) = &found {
            self.by_message.remove(&key(&stored.letter));
        }
        found.is_some()
    }
}

#[async_trait]
impl DeadLetters for MemoryStore {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        self.write("put dead letter", |state, _| {
            state.letters.put(letter);
            Ok(())
        })
        .await
    }

    async fn list(
        &self,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        let first = after
            .and_then(number_of)
            .map_or(0, |number| number.saturating_add(1));
        let items = self.read("list dead letters", |state| {
            let from_here = state.letters.by_number.range(first..);
            from_here
                .take(limit.saturating_add(1))
                .map(|(number, stored)| (letter_id(*number), stored.letter.clone()))
                .collect()
        })?;
        Ok(PageOf::from_surplus(
            items,
            limit,
            |(id, _): &(DeadLetterId, DeadLetter)| id.clone(),
        ))
    }

    async fn resend(&self, ids: &[DeadLetterId]) -> Result<usize> {
        self.write("resend dead letters", |state, _| {
            let mut found = 0;
            for number in ids.iter().filter_map(number_of) {
                if let Some(stored) = state.letters.by_number.get_mut(&number) {
                    stored.due = true;
                    found += 1;
                }
            }
            Ok(found)
        })
        .await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<usize> {
        self.write("discard dead letters", |state, _| {
            let numbers = ids.iter().filter_map(number_of);
            Ok(numbers.filter(|number| state.letters.discard(*number)).count())
        })
        .await
    }

    async fn count(&self) -> Result<u64> {
        self.read("count dead letters", |state| state.letters.by_number.len() as u64)
    }
}

#[async_trait]
impl DeadLetterQueue for MemoryStore {
    async fn take_due(
        &self,
        consumer: &str,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(DeadLetterId, DeadLetter)>> {
        self.write("take due dead letters", |state, scope| {
            let due = state.letters.by_number.iter_mut().filter(|(_, stored)| {
                stored.due
                    && stored.letter.consumer == consumer
                    && stored.taken_until.is_none_or(|until| until <= scope.now)
            });
            Ok(due
                .take(limit)
                .map(|(number, stored)| {
                    stored.taken_until = Some(scope.now.plus(lease));
                    (letter_id(*number), stored.letter.clone())
                })
                .collect())
        })
        .await
    }

    async fn put_back(&self, id: &DeadLetterId, reason: &str, attempts: u32) -> Result<()> {
        self.write("put dead letter back", |state, _| {
            let stored = number_of(id).and_then(|number| state.letters.by_number.get_mut(&number));
            if let Some(stored) = stored {
                stored.due = false;
                stored.taken_until = None;
                stored.letter.reason = reason.to_owned();
                stored.letter.attempts = attempts;
            }
            Ok(())
        })
        .await
    }
}
