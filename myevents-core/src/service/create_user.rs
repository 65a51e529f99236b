//! Use case: create a user.

use crate::domain::{User, UserId, UserRecord};
use crate::error::{ErrorKind, Result};
use crate::ports::Inserted;
use crate::service::events::key_reused;
use crate::service::{BookingService, Created, IdempotencyKey, RequestContext, UserDraft};

impl BookingService {
    /// Creates a user: under the id they bring, else under one derived from `key`, else under a new one. Asking again
    /// with the same id or key and the same content answers the user as stored.
    ///
    /// # Errors
    /// `KeyReused` for a key used for another request; `Conflict` when the id is taken; `Unavailable`,
    /// `OutcomeUnknown`.
    pub async fn create_user(
        &self,
        context: &RequestContext,
        key: Option<&IdempotencyKey>,
        draft: UserDraft,
    ) -> Result<Created<UserRecord>> {
        let fingerprint = draft.fingerprint();
        let key = key.filter(|_| draft.id.is_none());
        let id = draft
            .id
            .clone()
            .unwrap_or_else(|| UserId::from(self.new_id("user", key, context)));
        let user = User {
            id,
            first: draft.first,
            last: draft.last,
            age: draft.age,
        };
        let record = UserRecord { user, fingerprint };
        match self.store.add_user(&record).await {
            Ok(Inserted::New) => Ok(Created {
                record,
                replayed: false,
            }),
            Ok(Inserted::Existing(record)) => Ok(Created {
                record,
                replayed: true,
            }),
            Err(error) if error.kind() == ErrorKind::Conflict && key.is_some() => Err(key_reused()),
            Err(error) => Err(error),
        }
    }
}
