//! Keyset paging as ranges of an index: where a page ends is where the next begins.
//!
//! A list is ordered by a number, then by id. Behind a position lie those with its number and a later id, then those
//! with a later number: two ranges of one index, asked one after the other, so that none of what lies before is read.

use mongodb::bson::{Bson, Document, doc};

use super::codec::id;

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Rising,
    Falling,
}

/// A position in a list: its number, and what of the same number comes after it.
#[derive(Debug, Clone)]
pub(super) struct After {
    pub(super) key: i64,
    pub(super) field: &'static str,
    pub(super) later: Document,
}

impl Direction {
    /// The order of the list by `key`.
    pub(super) fn sort(self, key: &str) -> Document {
        let way = match self {
            Self::Rising => 1,
            Self::Falling => -1,
        };
        doc! { key: way, "_id": way }
    }

    /// The ids that come after `id`. Ids of 12 bytes are of another type than the rest, and come after them; comparisons
    /// see only their own type, so that the other is reached by a negation.
    pub(super) fn later_ids(self, after: &[u8]) -> Document {
        let after = id(after);
        match (self, &after) {
            (Self::Rising, Bson::ObjectId(_)) => doc! { "$gt": after },
            (Self::Rising, _) => doc! { "$not": { "$lte": after } },
            (Self::Falling, Bson::ObjectId(_)) => doc! { "$not": { "$gte": after } },
            (Self::Falling, _) => doc! { "$lt": after },
        }
    }

    /// The position behind an id.
    pub(super) fn after(self, key: i64, id: &[u8]) -> After {
        After {
            key,
            field: "_id",
            later: self.later_ids(id),
        }
    }

    /// The ranges, in their order, of what lies behind `after` and within `from` and `to`.
    pub(super) fn parts(
        self,
        key: &str,
        base: &Document,
        after: Option<After>,
        from: Option<i64>,
        to: Option<i64>,
    ) -> Vec<Document> {
        let within = |number: i64| from.is_none_or(|from| from <= number) && to.is_none_or(|to| number <= to);
        let mut parts = Vec::new();
        let mut range = Document::new();
        if let Some(from) = from {
            range.insert("$gte", from);
        }
        if let Some(to) = to {
            range.insert("$lte", to);
        }
        if let Some(after) = after {
            if within(after.key) {
                let mut same = base.clone();
                same.insert(key, after.key);
                same.insert(after.field, after.later);
                parts.push(same);
                match self {
                    Self::Rising => {
                        range.remove("$gte");
                        range.insert("$gt", after.key);
                    }
                    Self::Falling => {
                        range.remove("$lte");
                        range.insert("$lt", after.key);
                    }
                }
            } else {
                // Before the range all of it lies behind the position, after it nothing does.
                let before = match self {
                    Self::Rising => from.is_some_and(|from| after.key < from),
                    Self::Falling => to.is_some_and(|to| after.key > to),
                };
                if !before {
                    return Vec::new();
                }
            }
        }
        let mut rest = base.clone();
        if !range.is_empty() {
            rest.insert(key, range);
        }
        parts.push(rest);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: [u8; 12] = [7; 12];

    fn parts(
        way: Direction,
        after: Option<(i64, &[u8])>,
        from: Option<i64>,
        to: Option<i64>,
    ) -> Vec<Document> {
        let after = after.map(|(key, id)| way.after(key, id));
        way.parts("k", &doc! { "o": 1 }, after, from, to)
    }

    #[test]
    fn a_first_page_is_the_whole_range() {
        assert_eq!(parts(Direction::Rising, None, None, None), [doc! { "o": 1 }]);
        let bounded = parts(Direction::Falling, None, Some(2_i64), Some(9_i64));
        assert_eq!(bounded, [doc! { "o": 1, "k": { "$gte": 2_i64, "$lte": 9_i64 } }]);
    }

    #[test]
    fn behind_a_position_lie_the_rest_of_its_number_and_later_numbers() {
        let rising = parts(Direction::Rising, Some((5, &OBJECT)), Some(2), Some(9));
        assert_eq!(
            rising,
            [
                doc! { "o": 1, "k": 5_i64, "_id": { "$gt": id(&OBJECT) } },
                doc! { "o": 1, "k": { "$lte": 9_i64, "$gt": 5_i64 } },
            ]
        );
        let falling = parts(Direction::Falling, Some((5, &[1])), None, None);
        assert_eq!(
            falling,
            [
                doc! { "o": 1, "k": 5_i64, "_id": { "$lt": id(&[1]) } },
                doc! { "o": 1, "k": { "$lt": 5_i64 } },
            ]
        );
    }

    #[test]
    fn a_position_outside_the_range_has_all_or_nothing_behind_it() {
        assert_eq!(
            parts(Direction::Rising, Some((1, &OBJECT)), Some(2), None).len(),
            1
        );
        assert!(parts(Direction::Rising, Some((9, &OBJECT)), None, Some(8)).is_empty());
        assert_eq!(
            parts(Direction::Falling, Some((9, &OBJECT)), None, Some(8)).len(),
            1
        );
        assert!(parts(Direction::Falling, Some((1, &OBJECT)), Some(2), None).is_empty());
    }

    #[test]
    fn ids_of_the_other_type_are_not_passed_over() {
        let later = |way: Direction, after: &[u8]| way.later_ids(after).keys().next().cloned();
        assert_eq!(later(Direction::Rising, &[1]).as_deref(), Some("$not"));
        assert_eq!(later(Direction::Falling, &OBJECT).as_deref(), Some("$not"));
        assert_eq!(later(Direction::Rising, &OBJECT).as_deref(), Some("$gt"));
        assert_eq!(later(Direction::Falling, &[1]).as_deref(), Some("$lt"));
    }
}
