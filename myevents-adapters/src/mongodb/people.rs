//! Users, and forgetting a person: what is left is a mark that somebody of this id was removed.

use mongodb::bson::doc;
use myevents_core::domain::{AuditEntry, UserId, UserRecord};
use myevents_core::ports::Inserted;
use myevents_core::{Error, ErrorKind, Result};

use super::audit;
use super::bookings::person_fields;
use super::codec::{Fields, id};
use super::link::Link;
use super::records::{user_fields, user_of};
use super::store::Inner;

/// How often a mark is tried that meets others at work.
const MOST_TRIES: u32 = 20;

pub(super) async fn find(link: &Link, user: &UserId) -> Result<Option<UserRecord>> {
    let filter = doc! { "_id": id(user.as_bytes()) };
    // The original kept bookings inside; they may be many.
    let found = link
        .find_one("find user", &link.users, filter, Some(doc! { "bookings": 0 }))
        .await?;
    match found {
        Some(document) => user_of(Fields(&document)),
        None => Ok(None),
    }
}

impl Inner {
    pub(super) async fn add_user(&self, record: &UserRecord) -> Result<Inserted<UserRecord>> {
        const OPERATION: &str = "add user";
        let link = &self.link;
        let own = id(record.user.id.as_bytes());
        let mut document = doc! { "_id": own.clone() };
        document.extend(user_fields(record));
        if link.insert(OPERATION, &link.users, document).await? {
            return Ok(Inserted::New);
        }
        // The mark of a removed person gives way to a new one.
        let marked = doc! { "_id": own, "removed": true };
        let update = doc! { "$set": user_fields(record), "$unset": { "removed": "" } };
        if link.update(OPERATION, &link.users, marked, update).await? {
            return Ok(Inserted::New);
        }
        match find(link, &record.user.id).await? {
            Some(stored) if stored.fingerprint == record.fingerprint => Ok(Inserted::Existing(stored)),
            Some(_) => Err(Error::new(
                ErrorKind::Conflict,
                OPERATION,
                "another user has this id",
            )),
            None => Err(Error::new(
                ErrorKind::Unavailable,
                OPERATION,
                "the user is just being stored or removed; try again",
            )),
        }
    }

    /// Marks first, then takes the person out of the bookings: a booking that is inserted meanwhile looks for the mark.
    pub(super) async fn remove_user(&self, user: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        const OPERATION: &str = "remove user";
        let link = &self.link;
        let was_there = self.mark_removed(user, audit).await?;
        let theirs = doc! { "userid": id(user.as_bytes()) };
        link.update_all(
            OPERATION,
            &link.bookings,
            theirs,
            doc! { "$unset": person_fields() },
            Vec::new(),
        )
        .await?;
        Ok(was_there)
    }

    /// Sets the mark, with the line of the audit log where there is a record; answers whether there is.
    async fn mark_removed(&self, user: &UserId, audit: Option<&AuditEntry>) -> Result<bool> {
        const OPERATION: &str = "remove user";
        let link = &self.link;
        let own = id(user.as_bytes());
        let line = audit.map(audit::element);
        let mut update = doc! {
            "$set": { "removed": true },
            "$unset": { "first": "", "last": "", "age": "", "fingerprint": "", "bookings": "" },
        };
        audit::push(&mut update, line.as_ref());
        for _ in 0..MOST_TRIES {
            let there = doc! { "_id": own.clone(), "removed": { "$ne": true } };
            if link.update(OPERATION, &link.users, there, update.clone()).await? {
                self.move_later(&link.users, user.as_bytes(), line);
                return Ok(true);
            }
            let mark = doc! { "_id": own.clone(), "removed": true };
            if link.insert(OPERATION, &link.users, mark.clone()).await? {
                return Ok(false);
            }
            let marked = link.find_one(OPERATION, &link.users, mark, Some(doc! { "_id": 1 }));
            if marked.await?.is_some() {
                return Ok(false);
            }
            // They were added between the two.
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            OPERATION,
            "the user is just being stored or removed; try again",
        ))
    }
}
