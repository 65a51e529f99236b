//! The records of one partition on their way through a consumer: handed out, given back, waiting behind another of
//! their key. Pure: it knows neither Kafka nor tasks.

use std::collections::{BTreeMap, HashSet};

use tokio::time::Instant;

use super::offsets::Offsets;
use myevents_core::contract::Envelope;

/// A record that waits to be handed out.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) envelope: Envelope,
    /// The attempt that it will be.
    pub(super) attempt: u32,
    /// Not before this; at once without a time.
    due: Option<Instant>,
}

/// What comes next out of the waiting ones.
#[derive(Debug)]
pub(super) enum Next {
    /// This one, which counts as handed out now.
    Ready(i64, Waiting),
    /// None before then; for ever without a time.
    NotBefore(Option<Instant>),
}

/// One partition's records, in the order of their offsets.
#[derive(Debug, Default)]
pub(super) struct Line {
    offsets: Offsets,
    out: BTreeMap<i64, Envelope>,
    waiting: BTreeMap<i64, Waiting>,
}

impl Line {
    /// A record was read. Answers it if it may be handed out now, which it then is; otherwise it waits behind one of its key that
    /// was given back.
    pub(super) fn read(&mut self, offset: i64, envelope: Envelope) -> Option<Waiting> {
        self.offsets.read(offset);
        let held = !self.waiting.is_empty()
            && !envelope.key().is_empty()
            && self
                .waiting
                .values()
                .any(|waiting| waiting.envelope.key() == envelope.key());
        let record = Waiting {
            envelope,
            attempt: 1,
            due: None,
        };
        if held {
            self.waiting.insert(offset, record);
            return None;
        }
        self.out.insert(offset, record.envelope.clone());
        Some(record)
    }

    /// A record was read that nobody is to get.
    pub(super) fn skip(&mut self, offset: i64) {
        self.offsets.read(offset);
        self.offsets.settle(offset);
    }

    /// A record was read that is dealt with apart, without order.
    pub(super) fn set_aside(&mut self, offset: i64) {
        self.offsets.read(offset);
    }

    /// The first waiting record that is due and that no other of its key stands in the way of: none before it waits, and none
    /// after it is still handed out.
    pub(super) fn next(&mut self) -> Next {
        // Almost always: the clock is not asked then.
        if self.waiting.is_empty() {
            return Next::NotBefore(None);
        }
        self.next_at(Instant::now())
    }

    fn next_at(&mut self, now: Instant) -> Next {
        let mut earliest: Option<Instant> = None;
        let mut found = None;
        let mut held: HashSet<&str> = HashSet::new();
        for (offset, waiting) in &self.waiting {
            let key = waiting.envelope.key();
            let first = key.is_empty() || held.insert(key);
            if !first || (!key.is_empty() && self.is_out_after(*offset, key)) {
                continue;
            }
            match waiting.due {
                Some(due) if due > now => earliest = Some(earliest.map_or(due, |earliest| earliest.min(due))),
                _ => {
                    found = Some(*offset);
                    break;
                }
            }
        }
        match found.and_then(|offset| Some((offset, self.waiting.remove(&offset)?))) {
            Some((offset, waiting)) => {
                self.out.insert(offset, waiting.envelope.clone());
                Next::Ready(offset, waiting)
            }
            None => Next::NotBefore(earliest),
        }
    }

    fn is_out_after(&self, offset: i64, key: &str) -> bool {
        self.out.range(offset + 1..).any(|(_, out)| out.key() == key)
    }

    /// How many wait: while there are many, nothing more is to be read.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a record was read that is not done with.
    pub(super) fn is_open(&self) -> bool {
        self.offsets.is_open()
    }

    /// The record is done with.
    pub(super) fn settle(&mut self, offset: i64) -> bool {
        self.out.remove(&offset);
        self.offsets.settle(offset)
    }

    /// The record comes again as `attempt`, not before `due`.
    pub(super) fn give_back(&mut self, offset: i64, attempt: u32, due: Instant) {
        if let Some(envelope) = self.out.remove(&offset) {
            let waiting = Waiting {
                envelope,
                attempt,
                due: Some(due),
            };
            self.waiting.insert(offset, waiting);
        }
    }

    /// See [`Offsets::committable`].
    pub(super) fn committable(&self) -> Option<i64> {
        self.offsets.committable()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use myevents_core::contract::{MessageId, MessageName};
    use proptest::prelude::*;

    use super::*;

    fn record(offset: i64, key: &str) -> Envelope {
        let id = MessageId::new(&offset.to_string());
        Envelope::builder(id, MessageName::from_wire("x"), key).build()
    }

    fn ready(line: &mut Line, now: Instant) -> Option<(i64, u32)> {
        match line.next_at(now) {
            Next::Ready(offset, waiting) => Some((offset, waiting.attempt)),
            Next::NotBefore(_) => None,
        }
    }

    #[test]
    fn a_record_given_back_comes_again_after_its_delay_and_its_key_waits_meanwhile() {
        let (mut line, now) = (Line::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        assert!(line.read(1, record(1, "a")).is_some());
        line.give_back(1, 2, later);
        assert!(line.read(2, record(2, "a")).is_none(), "its key waits");
        assert!(line.read(3, record(3, "b")).is_some(), "another goes on");
        assert!(line.read(4, record(4, "")).is_some(), "none is no key");
        assert!(matches!(line.next_at(now), Next::NotBefore(Some(due)) if due == later));
        assert_eq!(ready(&mut line, later), Some((1, 2)));
        assert_eq!(
            ready(&mut line, later),
            Some((2, 1)),
            "handed out behind it, as others are"
        );
        assert_eq!(line.committable(), Some(1));
        for offset in 1..=4 {
            assert!(line.settle(offset));
        }
        assert_eq!(line.committable(), Some(5));
    }

    #[test]
    fn a_record_given_back_waits_for_later_ones_of_its_key_that_are_out() {
        let (mut line, now) = (Line::default(), Instant::now());
        for offset in 1..=2 {
            assert!(line.read(offset, record(offset, "a")).is_some());
        }
        line.give_back(1, 2, now);
        assert_eq!(ready(&mut line, now), None);
        line.give_back(2, 2, now);
        assert_eq!(ready(&mut line, now), Some((1, 2)));
        assert_eq!(ready(&mut line, now), Some((2, 2)));
    }

    #[test]
    fn what_nobody_gets_or_is_set_aside_counts_for_the_offset() {
        let mut line = Line::default();
        line.skip(1);
        assert_eq!(line.committable(), Some(2));
        line.set_aside(2);
        assert!(line.read(3, record(3, "a")).is_some());
        assert!(line.settle(3));
        assert_eq!(line.committable(), Some(2));
        assert!(line.settle(2));
        assert_eq!(line.committable(), Some(4));
    }

    proptest! {
        /// Whatever is given back when: a key's records are begun in order (a record is handed out only when no earlier one of
        /// its key waits), and in the end each is settled.
        #[test]
        fn a_key_is_never_overtaken(keys in prop::collection::vec("[abc]?", 1..40), acts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0_u64..3), 0..200)) {
            let (mut line, mut now) = (Line::default(), Instant::now());
            let mut out: Vec<(i64, u32)> = Vec::new();
            let mut given_back: HashMap<i64, String> = HashMap::new();
            let (mut offset, mut acts) = (0, acts.into_iter());
            let mut reading = keys.iter();
            let mut settled = 0;
            loop {
                let mut handed: Vec<(i64, u32)> = Vec::new();
                let read = reading.next();
                if let Some(key) = read {
                    if line.read(offset, record(offset, key)).is_some() {
                        handed.push((offset, 1));
                    }
                    offset += 1;
                }
                while let Some(next) = ready(&mut line, now) {
                    given_back.remove(&next.0);
                    handed.push(next);
                }
                for (begun, _) in &handed {
                    let key = &keys[usize::try_from(*begun).unwrap()];
                    prop_assert!(key.is_empty() || !given_back.iter().any(|(before, of)| before < begun && of == key));
                }
                out.extend(handed);
                if out.is_empty() && read.is_none() && given_back.is_empty() {
                    break;
                }
                match acts.next() {
                    Some((index, good, delay)) if !out.is_empty() => {
                        let (at, attempt) = out.swap_remove(index.index(out.len()));
                        if good {
                            prop_assert!(line.settle(at));
                            settled += 1;
                        } else {
                            line.give_back(at, attempt + 1, now + Duration::from_millis(delay));
                            given_back.insert(at, keys[usize::try_from(at).unwrap()].clone());
                        }
                    }
                    Some(_) => {}
                    None => for (at, _) in out.drain(..) {
                        prop_assert!(line.settle(at));
                        settled += 1;
                    },
                }
                now += Duration::from_millis(1);
            }
            prop_assert_eq!(settled, keys.len());
            prop_assert_eq!(line.committable(), Some(offset));
        }
    }
}
