//! Ids of outbox items and dead letters: UUIDs of version 7 that never fall behind one that is known.

use std::fmt;
use std::sync::Arc;

use myevents_core::domain::UnixMillis;
use myevents_core::ports::RowId;
use parking_lot::Mutex;

/// Into how many partitions what could be hot is spread.
pub(super) const SHARDS: u8 = 16;

/// Which shard `bytes` fall into: always the same one.
pub(super) fn shard_of(bytes: &[u8]) -> u8 {
    // FNV-1a: spreads well enough over 16, and is the same in every version of this program.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // The last bytes alone would hardly reach the high bits: they are mixed in, as MurmurHash does at its end.
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    u8::try_from((mixed >> 40) % u64::from(SHARDS)).unwrap_or(0)
}

/// Makes ids that sort by the time they were made.
#[derive(Debug, Default)]
pub(super) struct Ids {
    last: Mutex<u128>,
}

impl Ids {
    /// A new id, above `floor` and above every id that this value made before.
    pub(super) fn above(&self, now: UnixMillis, floor: u128) -> u128 {
        let millis = u128::from(now.0.max(0).unsigned_abs() & 0xffff_ffff_ffff);
        let random: u128 = rand::random();
        // RFC 9562: 48 bits of time, version 7, variant 2, the rest random.
        let fresh = (millis << 80)
            | (7 << 76)
            | (((random >> 64) & 0xfff) << 64)
            | (2 << 62)
            | (random & 0x3fff_ffff_ffff_ffff);
        let mut last = self.last.lock();
        let least = floor.max(*last);
        let id = if fresh > least {
            fresh
        } else {
            // The clock stands still or went back. A random step, as another process may step from the same id.
            least.saturating_add(1 + u128::from(rand::random::<u32>()))
        };
        *last = id;
        id
    }

    pub(super) fn next(&self, now: UnixMillis) -> u128 {
        self.above(now, 0)
    }
}

/// The place of an outbox item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) id: u128,
    pub(super) shard: u8,
}

impl Place {
    /// As a record keeps it.
    pub(super) fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [0; 17];
        bytes[0] = self.shard;
        bytes[1..].copy_from_slice(&self.id.to_be_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (shard, id) = bytes.split_first()?;
        Some(Self {
            shard: *shard,
            id: u128::from_be_bytes(id.try_into().ok()?),
        })
    }
}

/// The place of one message: an item, which of its messages, and of how many when the item was written. The total tells
/// when all of an item is confirmed, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Row {
    pub(super) place: Place,
    pub(super) index: u16,
    pub(super) total: u16,
}

impl Row {
    pub(super) fn to_id(self) -> RowId {
        RowId(Arc::from(self.to_string()))
    }

    /// An id that is none of ours names no row.
    pub(super) fn parse(id: &RowId) -> Option<Self> {
        let mut parts = id.0.split('-');
        let row = Self {
            place: Place {
                id: u128::from_str_radix(parts.next()?, 16).ok()?,
                shard: parts.next()?.parse().ok().filter(|shard| *shard < SHARDS)?,
            },
            index: parts.next()?.parse().ok()?,
            total: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(row)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:032x}-{}-{}-{}",
            self.place.id, self.place.shard, self.index, self.total
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_whatever_the_clock_does() {
        let ids = Ids::default();
        let mut last = 0;
        for now in [5, 5, 5, 3, 0, -1, 6] {
            let id = ids.next(UnixMillis(now));
            assert!(id > last);
            last = id;
        }
        let floor = last + (1 << 100);
        assert!(ids.above(UnixMillis(7), floor) > floor);
    }

    #[test]
    fn rows_and_places_read_back() {
        let row = Row {
            place: Place { id: 77, shard: 15 },
            index: 3,
            total: 98,
        };
        assert_eq!(Row::parse(&row.to_id()), Some(row));
        assert_eq!(Place::from_bytes(&row.place.to_bytes()), Some(row.place));
        for text in ["", "1", "1-2-3", "1-16-0-1", "x-1-0-1", "1-1-0-1-1"] {
            assert_eq!(Row::parse(&RowId(text.into())), None, "{text}");
        }
    }

    #[test]
    fn shards_are_spread_and_stable() {
        let mut counts = [0; SHARDS as usize];
        for number in 0..1_600_u32 {
            counts[usize::from(shard_of(&number.to_be_bytes()))] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
        assert_eq!(shard_of(b"507f1f77bcf8"), shard_of(b"507f1f77bcf8"));
    }
}
