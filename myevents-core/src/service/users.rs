//! Use cases: find and remove users, and the user that a signed-in caller is.

use crate::domain::{Actor, Age, AuditAction, BookingState, Text, User, UserId, UserRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{BookingFilter, BookingOwner};
use crate::service::{BookingService, Caller, RequestContext, Scope, UserDraft};

impl BookingService {
    /// The user that a caller is: one for each issuer and subject, the same in every process of the store; `None` for
    /// nobody.
    #[must_use]
    pub fn user_of(&self, caller: &Caller) -> Option<UserId> {
        match caller {
            Caller::Anonymous => None,
            Caller::Subject { issuer, subject, .. } => {
                let secret = self.store.id_secret();
                Some(UserId::from(secret.derive_id("caller", issuer, subject, "")))
            }
        }
    }

    /// Whether the caller may see what belongs to this user: with sign-in only they and an admin may.
    #[must_use]
    pub fn may_see(&self, context: &RequestContext, owner: Option<&UserId>) -> bool {
        let caller = &context.caller;
        caller.may(Scope::BookingsAdmin) || (owner.is_some() && self.user_of(caller).as_ref() == owner)
    }

    /// Finds a user. One that the caller may not see is not found; the caller's own is always there, blank until their
    /// first booking.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_user(&self, context: &RequestContext, id: &UserId) -> Result<Option<UserRecord>> {
        if !self.may_see(context, Some(id)) {
            return Ok(None);
        }
        let found = self.store.find_user(id).await?;
        Ok(found.or_else(|| (self.user_of(&context.caller).as_ref() == Some(id)).then(|| blank(id))))
    }

    /// Removes a person: the record, and user, name and e-mail address of their bookings, which stay. Answers whether
    /// the record was there and the caller may see it. May be repeated.
    ///
    /// A caller who removes themselves has to cancel their bookings first: limits per person would no longer count those,
    /// and the caller could book as much again.
    ///
    /// # Errors
    /// `Conflict` while a caller who is no admin has a confirmed booking; `Unavailable`, `OutcomeUnknown`.
    pub async fn remove_user(&self, context: &RequestContext, id: &UserId) -> Result<bool> {
        if !self.may_see(context, Some(id)) {
            return Ok(false);
        }
        if !context.caller.may(Scope::BookingsAdmin) {
            let confirmed = BookingFilter {
                state: Some(BookingState::Confirmed),
                ..BookingFilter::all_of(BookingOwner::User(id.clone()))
            };
            if !self
                .store
                .list_bookings(&confirmed, None, 1)
                .await?
                .items
                .is_empty()
            {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "remove user",
                    "cancel your bookings first, or ask an admin",
                ));
            }
        }
        let action = AuditAction::USER_REMOVED;
        let mut audit = self.announcer.audit(context, action, id.into(), None);
        if self.user_of(&context.caller).as_ref() == Some(id) {
            audit.actor = Actor::Oneself;
        }
        self.store.remove_user(id, Some(&audit)).await
    }

    /// Makes the record of a caller who books for the first time.
    pub(super) async fn add_caller(&self, id: &UserId) -> Result<()> {
        match self.store.add_user(&blank(id)).await {
            // Somebody gave the record its content meanwhile: it is there, which is all that counts.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            added => added.map(drop),
        }
    }
}

/// The record of a caller of whom nothing is known but that they are one.
fn blank(id: &UserId) -> UserRecord {
    let draft = UserDraft {
        id: None,
        first: Text::default(),
        last: Text::default(),
        age: Age::default(),
    };
    UserRecord {
        fingerprint: draft.fingerprint(),
        user: User {
            id: id.clone(),
            first: draft.first,
            last: draft.last,
            age: draft.age,
        },
    }
}
