//! Which offset of a partition may be committed: everything below it is settled, or was never there.

use std::collections::BTreeSet;

/// What was read of one partition and is not settled. Pure bookkeeping: it talks to nobody.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    /// One past the last offset that was read; nothing was read yet without it.
    position: Option<i64>,
    open: BTreeSet<i64>,
}

impl Offsets {
    /// A record was read. It is open until it is [settled](Self::settle). Offsets rise, with gaps where records were compacted away.
    pub(super) fn read(&mut self, offset: i64) {
        self.position = self.position.max(Some(offset + 1));
        self.open.insert(offset);
    }

    /// The record is done with. Answers whether it was open.
    pub(super) fn settle(&mut self, offset: i64) -> bool {
        self.open.remove(&offset)
    }

    /// Whether a record is open.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The offset to go on from after a restart: that of the lowest open record, else one past the last that was read.
    pub(super) fn committable(&self) -> Option<i64> {
        self.open.first().copied().or(self.position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_read_is_nothing_to_commit() {
        assert_eq!(Offsets::default().committable(), None);
    }

    #[test]
    fn the_lowest_open_record_holds_the_offset_back() {
        let mut offsets = Offsets::default();
        for offset in [10, 11, 12] {
            offsets.read(offset);
        }
        assert!(offsets.settle(11));
        assert_eq!(offsets.committable(), Some(10));
        assert!(offsets.settle(10));
        assert_eq!(offsets.committable(), Some(12));
        assert!(!offsets.settle(10), "settled once");
        assert!(offsets.settle(12));
        assert_eq!(offsets.committable(), Some(13));
    }

    proptest! {
        /// Whatever the order of settling: no record at or above the offset is forgotten, none below it is open, and it never falls.
        #[test]
        fn only_what_is_settled_lies_below(gaps in prop::collection::vec(1_i64..4, 1..60), order in prop::collection::vec(any::<prop::sample::Index>(), 0..120)) {
            let mut offsets = Offsets::default();
            let mut open: Vec<i64> = Vec::new();
            let mut last = 99;
            let mut lowest = 0;
            let mut settling = order.into_iter();
            for gap in gaps {
                last += gap;
                offsets.read(last);
                open.push(last);
                for index in settling.by_ref().take(2) {
                    if !open.is_empty() {
                        let settled = open.remove(index.index(open.len()));
                        prop_assert!(offsets.settle(settled));
                    }
                    let committable = offsets.committable().unwrap();
                    let expected = open.iter().min().copied().unwrap_or(last + 1);
                    prop_assert_eq!(committable, expected);
                    prop_assert!(committable >= lowest);
                    lowest = committable;
                }
            }
        }
    }
}
