//! The projection: what the event service announces, folded into the booking service's own copy and counters.
