//! Keyset paging: where a page ends is where the next begins, whatever was inserted meanwhile.

use crate::domain::{BookingId, EventId, UnixSeconds};

/// One page of a list and where the next page starts; `next: None` = this was the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf<T, C> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// The position of the last item, if there may be more.
    pub next: Option<C>,
}

impl<T, C> PageOf<T, C> {
    /// A page from up to `limit + 1` items: the surplus one only tells that there are more.
    pub fn from_surplus(mut items: Vec<T>, limit: usize, position: impl Fn(&T) -> C) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(position) } else { None };
        Self { items, next }
    }
}

/// A position in the list of events, which is ordered by (start, id).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// The start of the event at this position.
    pub start: UnixSeconds,
    /// Its id.
    pub id: EventId,
}

/// A position in a list of bookings, which is ordered by (date, id), newest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BookingCursor {
    /// The date of the booking at this position.
    pub date: UnixSeconds,
    /// Its id.
    pub id: BookingId,
}
