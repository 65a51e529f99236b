//! Users, and forgetting a person. A removed user's item stays as a mark, against which every booking of theirs is checked.

use aws_sdk_dynamodb::types::AttributeValue;
use myevents_core::domain::{AuditEntry, BookingId, UserId, UserRecord};
use myevents_core::ports::Inserted;
use myevents_core::{Error, ErrorKind, Result};

use super::client::Query;
use super::codec::{OF_USER, key, user_from_item, user_to_item};
use super::error::malformed;
use super::events::MOST_TRIES;
use super::expression::Expression;
use super::inbox::Changed;
use super::item::{Item, bytes, check_size, get_bytes, get_flag};
use super::names::*;
use super::store::{Shared, too_busy};
use super::transact::{Reason, Verdict, transact};

impl Shared {
    pub(super) async fn add_user(&self, record: UserRecord) -> Result<Inserted<UserRecord>> {
        let item = user_to_item(&record);
        check_size("add user", &item)?;
        let put = Expression::new()
            .when_absent_or_present(ID, REMOVED)
            .put(&self.tables.users, item)?;
        let verdict = transact(&self.clients, "add user", vec![put], self.end_of_patience()).await?;
        let reasons = match verdict {
            Verdict::Applied => return Ok(Inserted::New),
            Verdict::Refused(error) => return Err(error),
            Verdict::Cancelled(reasons) => reasons,
        };
        match reasons.into_iter().next() {
            Some(Reason::Condition(Some(old))) => {
                let stored = user_from_item(&old)?;
                if stored.fingerprint == record.fingerprint {
                    Ok(Inserted::Existing(stored))
                } else {
                    Err(Error::new(
                        ErrorKind::Conflict,
                        "add user",
                        "another user has this id",
                    ))
                }
            }
            Some(Reason::Invalid(error)) => Err(error),
            _ => Err(too_busy("add user")),
        }
    }

    pub(super) async fn find_user(&self, id: &UserId) -> Result<Option<UserRecord>> {
        let item = self
            .clients
            .get("find user", &self.tables.users, key(id.as_bytes()))
            .await?;
        match item {
            Some(item) if !get_flag(&item, REMOVED)? => user_from_item(&item).map(Some),
            _ => Ok(None),
        }
    }

    /// First the mark, so that no booking brings the person back; then the bookings; then what the record says of them. A repeat
    /// after a failure finds the record still there.
    pub(super) async fn remove_user(&self, id: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        let was_there = self.mark_removed(id, audit).await?;
        let mut quiet = 0;
        while quiet < 2 {
            let mut stripped = false;
            for booking in self.indexed_bookings(id).await? {
                stripped |= self.strip_booking(id, &booking).await?;
            }
            // What was booked just before the mark may not be in the index yet.
            if stripped {
                quiet = 0;
            } else {
                quiet += 1;
            }
            if quiet < 2 {
                tokio::time::sleep(self.config.index_patience / 2).await;
            }
        }
        if was_there {
            let change = OF_USER
                .iter()
                .fold(Expression::new(), |change, attribute| change.remove(attribute))
                .when_present(REMOVED);
            self.change("remove user", &self.tables.users, key(id.as_bytes()), &change)
                .await?;
        }
        Ok(was_there)
    }

    /// Sets the mark; answers whether there is a record to remove. The line of the audit log goes with the mark of a record
    /// that is there: whoever finds it marked finishes the removal and adds none.
    async fn mark_removed(&self, id: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        const OPERATION: &str = "remove user";
        let table = &self.tables.users;
        for _ in 0..MOST_TRIES {
            let item = self.clients.get(OPERATION, table, key(id.as_bytes())).await?;
            if let Some(item) = &item
                && get_flag(item, REMOVED)?
            {
                return Ok(holds_record(item));
            }
            let mut mark = Expression::new()
                .set(REMOVED, AttributeValue::Bool(true))
                .when_absent(REMOVED);
            let held = item.as_ref().and_then(|item| {
                let mut attributes = OF_USER.iter();
                attributes.find(|attribute| item.contains_key(**attribute))
            });
            let Some(held) = held else {
                for attribute in OF_USER {
                    mark = mark.when_absent(attribute);
                }
                match self.change(OPERATION, table, key(id.as_bytes()), &mark).await? {
                    Changed::Yes => return Ok(false),
                    Changed::No(_) => continue,
                }
            };
            let mut actions = vec![mark.when_present(held).update(table, key(id.as_bytes()))?];
            actions.extend(self.audit_actions(audit)?);
            let sent = transact(&self.clients, OPERATION, actions, self.end_of_patience()).await?;
            if sent.applied()? {
                return Ok(true);
            }
        }
        Err(too_busy(OPERATION))
    }

    async fn indexed_bookings(&self, user: &UserId) -> Result<Vec<BookingId>> {
        let mut query = Query::new(
            "remove user",
            &self.tables.bookings,
            Some(BY_USER),
            (USER_ID, bytes(user.as_bytes())),
        );
        query.only = Some(&[ID]);
        query
            .all(&self.clients)
            .await?
            .iter()
            .map(|item| {
                BookingId::from_bytes(get_bytes(item, ID)?)
                    .map_err(|_| malformed("the id of a booking is not an id"))
            })
            .collect()
    }
}

fn holds_record(item: &Item) -> bool {
    OF_USER.iter().any(|attribute| item.contains_key(*attribute))
}
