//! Dispatch: name → handler, with order per key, retries, dead letters and the inbox.
