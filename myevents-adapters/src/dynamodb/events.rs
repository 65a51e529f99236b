//! Events: adding, replacing, announcing, finding. A change is made to the revision that was read and to nothing else.

use myevents_core::domain::{EventId, EventRecord, Version};
use myevents_core::ports::{Attached, Committed, Inserted};
use myevents_core::{Error, ErrorKind, Result};

use super::attach::{Earlier, mark_lost};
use super::client::Query;
use super::codec::{key, place, rev};
use super::expression::Expression;
use super::inbox::Changed;
use super::item::{Item, bytes, get_bytes, get_flag, number, text};
use super::names::*;
use super::pack::pack;
use super::records::{
    BULKY_OF_EVENT, OPTIONAL_OF_EVENT, event_from_item, event_to_item, indexed_name, start_of_event,
};
use super::store::{Shared, too_busy};
use super::transact::{Reason, Verdict, transact};

/// How often a change begins anew because the record changed under it.
pub(super) const MOST_TRIES: u32 = 30;

/// A record of a table with versions, as adding and replacing see it.
pub(super) trait Versioned: Clone + Send + Sync {
    const WORD: &'static str;
    const OPTIONAL: &'static [&'static str];
    const BULKY: &'static [&'static str];
    fn version(&self) -> Version;
    fn entity(&self) -> String;
    fn same_request(&self, other: &Self) -> bool;
    fn to_item(&self) -> Item;
    fn from_item(item: &Item) -> Result<Self>;
}

impl Versioned for EventRecord {
    const WORD: &'static str = "event";
    const OPTIONAL: &'static [&'static str] = OPTIONAL_OF_EVENT;
    const BULKY: &'static [&'static str] = BULKY_OF_EVENT;

    fn version(&self) -> Version {
        self.version
    }

    fn entity(&self) -> String {
        self.event.id.to_string()
    }

    fn same_request(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    fn to_item(&self) -> Item {
        event_to_item(self)
    }

    fn from_item(item: &Item) -> Result<Self> {
        event_from_item(item)
    }
}

impl Shared {
    /// Adds a record under its id, with its messages.
    pub(super) async fn add<R: Versioned>(
        &self,
        operation: &'static str,
        table: &str,
        record: &R,
        attached: &Attached,
    ) -> Result<Committed<Inserted<R>>> {
        let entity = record.entity();
        let posted = self.post(operation, &attached.messages, &entity, None, Earlier::Gone)?;
        let mut item = pack(operation, record.to_item(), R::BULKY)?;
        item.insert(REV.into(), number(1));
        if let Some(place) = posted.last {
            item.insert(OUTBOX.into(), bytes(&place.to_bytes()));
        }
        let mut actions = vec![Expression::new().when_absent(ID).put(table, item)?];
        if let Some(mark) = &attached.mark {
            actions.push(self.mark_action(mark)?);
        }
        let mark_at = attached.mark.as_ref().map(|_| 1);
        actions.extend(posted.actions);
        actions.extend(self.audit_actions(attached.audit.as_ref())?);
        let verdict = transact(&self.clients, operation, actions, self.end_of_patience()).await?;
        let reasons = match verdict {
            Verdict::Applied => {
                self.note_held(&posted.leased);
                return Ok(Committed {
                    value: Inserted::New,
                    leased: posted.leased,
                });
            }
            Verdict::Refused(error) => return Err(error),
            Verdict::Cancelled(reasons) => reasons,
        };
        let mut existing = None;
        for (position, reason) in reasons.into_iter().enumerate() {
            match reason {
                Reason::Condition(_) if Some(position) == mark_at => return Err(mark_lost()),
                Reason::Condition(Some(old)) if position == 0 => existing = Some(R::from_item(&old)?),
                Reason::Invalid(error) => return Err(error),
                Reason::Condition(_) | Reason::None => {}
            }
        }
        let Some(stored) = existing else {
            return Err(too_busy(operation));
        };
        if !stored.same_request(record) {
            return Err(Error::new(
                ErrorKind::Conflict,
                operation,
                "the id is taken by a record made by another request",
            ));
        }
        if let Some(mark) = &attached.mark {
            self.complete_alone(mark).await?;
        }
        Ok(Committed::quiet(Inserted::Existing(stored)))
    }

    /// Completes the mark of a write that found everything done.
    async fn complete_alone(&self, mark: &myevents_core::ports::InboxToken) -> Result<()> {
        let change = super::inbox::completing(mark, self.now(), true);
        let key = super::inbox::mark_key(mark);
        match self
            .change("complete message", &self.tables.state, key, &change)
            .await?
        {
            Changed::Yes => Ok(()),
            Changed::No(_) => Err(mark_lost()),
        }
    }

    /// Replaces a record of this version, or only announces it again, with its messages.
    pub(super) async fn replace<R: Versioned>(
        &self,
        operation: &'static str,
        table: &str,
        id: &[u8],
        record: Option<&R>,
        expected: Version,
        attached: &Attached,
    ) -> Result<Committed<()>> {
        for _ in 0..MOST_TRIES {
            let Some(stored) = self.clients.get(operation, table, key(id)).await? else {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    operation,
                    "there is no record with this id",
                ));
            };
            let read = R::from_item(&stored)?;
            if read.version() != expected {
                return Err(Error::new(
                    ErrorKind::Precondition,
                    operation,
                    "the stored version is another",
                )
                .with("record", R::WORD)
                .with("stored", read.version())
                .with("expected", expected));
            }
            if record.is_none() && *attached == Attached::nothing() {
                return Ok(Committed::quiet(()));
            }
            let entity = read.entity();
            let last = place(&stored)?;
            let earlier = if attached.messages.is_empty() {
                Earlier::Gone
            } else {
                self.earlier(last, &entity).await?
            };
            let posted = self.post(operation, &attached.messages, &entity, last, earlier)?;
            let mut change = Expression::new()
                .add(REV, 1)
                .when_present(ID)
                .when_is(REV, rev(&stored)?);
            if let Some(record) = record {
                let item = pack(operation, record.to_item(), R::BULKY)?;
                change = change.become_item(item, &[ID], R::OPTIONAL);
            }
            if let Some(place) = posted.last {
                change = change.set(OUTBOX, bytes(&place.to_bytes()));
            }
            let mut actions = vec![change.update(table, key(id))?];
            if let Some(mark) = &attached.mark {
                actions.push(self.mark_action(mark)?);
            }
            let mark_at = attached.mark.as_ref().map(|_| 1);
            actions.extend(posted.actions);
            actions.extend(self.audit_actions(attached.audit.as_ref())?);
            match transact(&self.clients, operation, actions, self.end_of_patience()).await? {
                Verdict::Applied => {
                    self.note_held(&posted.leased);
                    return Ok(Committed {
                        value: (),
                        leased: posted.leased,
                    });
                }
                Verdict::Refused(error) => return Err(error),
                Verdict::Cancelled(reasons) => {
                    for (position, reason) in reasons.into_iter().enumerate() {
                        match reason {
                            Reason::Condition(_) if Some(position) == mark_at => return Err(mark_lost()),
                            Reason::Invalid(error) => return Err(error),
                            Reason::Condition(_) | Reason::None => {}
                        }
                    }
                }
            }
        }
        Err(too_busy(operation))
    }

    pub(super) async fn find_event(&self, id: &EventId) -> Result<Option<EventRecord>> {
        let item = self
            .clients
            .get("find event", &self.tables.events, key(id.as_bytes()))
            .await?;
        item.as_ref().map(event_from_item).transpose()
    }

    /// The earliest of a name. The index tells who may have it; whether they do is read from the table.
    pub(super) async fn find_event_by_name(&self, name: &str) -> Result<Option<EventRecord>> {
        let Some(indexed) = indexed_name(name) else {
            return Ok(None);
        };
        let query = Query::new(
            "find event by name",
            &self.tables.events,
            Some(BY_NAME),
            (EVENT_NAME, text(indexed)),
        );
        let mut candidates = Vec::new();
        for item in query.all(&self.clients).await? {
            // An index made by us holds the position, one of the original holds everything.
            let position = match super::item::opt_text(&item, LIST_KEY)? {
                Some(position) => position.to_owned(),
                None => super::codec::list_key(start_of_event(&item)?, get_bytes(&item, ID)?),
            };
            if !get_flag(&item, "Cancelled")? {
                candidates.push((position, get_bytes(&item, ID)?.to_vec()));
            }
        }
        candidates.sort_unstable();
        for (_, id) in candidates {
            let found = self
                .clients
                .get("find event by name", &self.tables.events, key(&id))
                .await?;
            let found = found.as_ref().map(event_from_item).transpose()?;
            if let Some(found) =
                found.filter(|found| !found.event.cancelled && found.event.name.as_str() == name)
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
