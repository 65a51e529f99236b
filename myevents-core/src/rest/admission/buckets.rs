//! Token buckets by key, in bounded memory.
//!
//! A bucket is one number, the time at which it will be full again (the generic cell rate algorithm). A full bucket is the
//! same as none, so those are forgotten first; past the bound the fullest ones are, so that a flood of new addresses can't
//! push out one that is held back.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Instant;

use parking_lot::Mutex;

/// Locks are rarely waited for when there are more of them than processors.
const SHARDS: usize = 64;
const SECOND: u64 = 1_000_000_000;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// The most a second, and in one burst.
    pub const MAX: u32 = 1_000_000;

    /// `per_second` in the long run, and up to `burst` at once after a rest; both are held to 1 … [`MAX`](Self::MAX).
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: per_second.clamp(1, Self::MAX),
            burst: burst.clamp(1, Self::MAX),
        }
    }
}

/// What became of a request for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) allowed: bool,
    /// The most tokens there can be.
    pub(super) limit: u32,
    /// Tokens that are left.
    pub(super) remaining: u32,
    /// Seconds until all are there again.
    pub(super) reset: u64,
    /// Seconds until there is one.
    pub(super) retry_after: u64,
}

/// Nanoseconds from `begun` at which a bucket is full, by the hash of its key. The hash is keyed by random numbers: nobody
/// can look for keys that share a bucket, and by chance none do.
type Shard = HashMap<u64, u64>;

pub(super) struct Buckets {
    rate: Rate,
    shards: Box<[Mutex<Shard>]>,
    per_shard: usize,
    hasher: RandomState,
    begun: Instant,
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets")
            .field("rate", &self.rate)
            .field("most", &(self.per_shard * self.shards.len()))
            .finish_non_exhaustive()
    }
}

impl Buckets {
    /// Full buckets for everybody; at most `remembered` others are remembered.
    pub(super) fn new(rate: Rate, remembered: usize) -> Self {
        Self {
            rate,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            per_shard: remembered.div_ceil(SHARDS).max(1),
            hasher: RandomState::new(),
            begun: Instant::now(),
        }
    }

    /// Takes a token of `key`, if it has one.
    pub(super) fn take(&self, key: &(impl Hash + ?Sized)) -> Taken {
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX / 2);
        self.take_at(key, now)
    }

    fn take_at(&self, key: &(impl Hash + ?Sized), now: u64) -> Taken {
        let hash = self.hasher.hash_one(key);
        let interval = SECOND / u64::from(self.rate.per_second);
        let window = interval * u64::from(self.rate.burst);
        // The map hashes once more, so it does not matter that keys of a shard share these bits.
        let shard = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        let mut shard = self.shards[shard].lock();
        let full_at = shard.get(&hash).copied().unwrap_or(0).max(now);
        let allowed = full_at + interval <= now + window;
        let then = if allowed { full_at + interval } else { full_at };
        if allowed {
            if shard.len() >= self.per_shard && !shard.contains_key(&hash) {
                make_room(&mut shard, now, self.per_shard);
            }
            shard.insert(hash, then);
        }
        drop(shard);
        let empty = then - now;
        Taken {
            allowed,
            limit: self.rate.burst,
            remaining: u32::try_from(window.saturating_sub(empty) / interval).unwrap_or(0),
            reset: empty.div_ceil(SECOND),
            retry_after: (then + interval)
                .saturating_sub(now + window)
                .div_ceil(SECOND)
                .max(1),
        }
    }
}

/// Forgets buckets that are full, and of the others the fullest until an eighth is free: the next newcomers then need no look
/// at all of them.
fn make_room(shard: &mut Shard, now: u64, most: usize) {
    shard.retain(|_, full_at| *full_at > now);
    let keep = most - most / 8 - 1;
    let mut left = shard.len().saturating_sub(keep);
    if left == 0 {
        return;
    }
    let mut times: Vec<u64> = shard.values().copied().collect();
    let (_, last, _) = times.select_nth_unstable(left - 1);
    let last = *last;
    // Many may be equally full, and only so many have to go.
    shard.retain(|_, full_at| {
        let go = *full_at <= last && left > 0;
        left -= usize::from(go);
        !go
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Buckets {
        fn remembered(&self) -> usize {
            self.shards.iter().map(|shard| shard.lock().len()).sum()
        }
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let buckets = Buckets::new(Rate::new(2, 3), 1_000);
        // Milliseconds, whether it is allowed, what remains, seconds to a full one, seconds to the next token.
        for (at, allowed, remaining, reset, retry_after) in [
            (0, true, 2, 1, 1),
            (0, true, 1, 1, 1),
            (0, true, 0, 2, 1),
            (0, false, 0, 2, 1),
            (499, false, 0, 2, 1),
            (500, true, 0, 2, 1),
            (500, false, 0, 2, 1),
            (1_500, true, 1, 1, 1),
            (60_000, true, 2, 1, 1),
        ] {
            let taken = buckets.take_at("ann", at * 1_000_000);
            let expected = Taken {
                allowed,
                limit: 3,
                remaining,
                reset,
                retry_after,
            };
            assert_eq!(taken, expected, "at {at} ms");
        }
        assert!(buckets.take_at("bob", 0).allowed, "another key has its own");
    }

    #[test]
    fn the_wait_it_names_is_enough() {
        let buckets = Buckets::new(Rate::new(1, 5), 1_000);
        let now = 10 * SECOND + 123_456_789;
        while buckets.take_at("ann", now).allowed {}
        let refused = buckets.take_at("ann", now);
        assert!(!refused.allowed);
        assert!(buckets.take_at("ann", now + refused.retry_after * SECOND).allowed);
        let full = buckets.take_at("ann", now + (refused.reset + 1) * SECOND);
        assert_eq!(full.remaining, 4);
    }

    #[test]
    fn a_million_addresses_leave_memory_bounded_and_the_held_back_held_back() {
        let buckets = Buckets::new(Rate::new(1, 10), 6_400);
        while buckets.take_at("greedy", 0).allowed {}
        for address in 0..1_000_000_u32 {
            // They come within a tenth of a second: nobody's bucket is full again meanwhile.
            let taken = buckets.take_at(&address, u64::from(address) * 100);
            assert!(taken.allowed);
        }
        assert!(buckets.remembered() <= 6_400, "{}", buckets.remembered());
        assert!(!buckets.take_at("greedy", SECOND / 10).allowed);
        // Where all are long full again they make room for nothing but the new one.
        for address in 0..64_000_u32 {
            let _taken = buckets.take_at(&address, 100 * SECOND);
        }
        assert!(buckets.remembered() <= 6_400);
    }

    #[test]
    fn the_smallest_and_the_largest_rate_count_right() {
        for (rate, most) in [
            (Rate::new(0, 0), 1),
            (Rate::new(u32::MAX, u32::MAX), Rate::MAX),
            (Rate::new(3, 1), 1),
        ] {
            let buckets = Buckets::new(rate, 100);
            let mut count = 0;
            while buckets.take_at("k", 0).allowed {
                count += 1;
            }
            assert_eq!(count, most, "{rate:?}");
        }
    }
}
