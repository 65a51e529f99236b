//! The audit log as it is listed. Entries get into it only with the change they tell of, and never leave it.

use crate::domain::{AuditEntry, AuditId, Id, UnixMillis, UnixSeconds};

/// Which entries a list of the audit log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only what was done to this record.
    pub object: Option<Id>,
    /// Made at or after.
    pub since: Option<UnixSeconds>,
    /// Made at or before, the whole second.
    pub until: Option<UnixSeconds>,
}

impl AuditFilter {
    /// The first and the last millisecond of it.
    #[must_use]
    pub fn range(&self) -> (UnixMillis, UnixMillis) {
        let since = self.since.map_or(i64::MIN, |since| since.get() * 1_000);
        let until = self.until.map_or(i64::MAX, |until| until.get() * 1_000 + 999);
        (UnixMillis(since), UnixMillis(until))
    }
}

/// A position in the audit log, which is ordered by (time, id), newest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditCursor {
    /// The time of the entry at this position.
    pub time: UnixMillis,
    /// Its id.
    pub id: AuditId,
}

impl From<&AuditEntry> for AuditCursor {
    fn from(entry: &AuditEntry) -> Self {
        Self {
            time: entry.time,
            id: entry.id.clone(),
        }
    }
}
