//! What the documents say of sign-in; a test holds it against the routers.

use serde_json::{Value, json};

use super::operations::{BOOKING_AUDIT, EVENT_AUDIT};
use crate::service::Scope;

/// Who may use an operation where sign-in is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody, whatever credentials come along.
    Open,
    /// Everybody, but not with credentials that are no good.
    Public,
    /// Signed-in callers.
    SignedIn,
    /// Signed-in callers with this scope.
    Scope(Scope),
}

impl Access {
    pub(super) fn of(method: &str, tag: &str, path: &str) -> Self {
        match (method, tag, path) {
            (_, "health", _) => Self::Open,
            ("GET", "events" | "locations" | "availability", _) => Self::Public,
            (_, "events" | "locations", _) => Self::Scope(Scope::EventsWrite),
            (_, EVENT_AUDIT, _) => Self::Scope(Scope::EventsAdmin),
            (_, BOOKING_AUDIT, _) => Self::Scope(Scope::BookingsAdmin),
            ("GET", _, "/events/{id}/bookings") | ("POST", "users", _) => Self::Scope(Scope::BookingsAdmin),
            ("GET", ..) => Self::SignedIn,
            _ => Self::Scope(Scope::BookingsWrite),
        }
    }

    /// What the operation asks for, and that it asks for nothing where sign-in is off.
    pub(super) fn security(self) -> Value {
        let nothing = json!({});
        match self {
            Self::Open => json!([]),
            Self::Public => json!([nothing, { "token": [] }]),
            Self::SignedIn => json!([{ "token": [] }, nothing]),
            Self::Scope(scope) => json!([{ "token": [scope.as_str()] }, nothing]),
        }
    }
}

/// The scheme that `security` names.
pub(super) fn token() -> Value {
    let scopes = Scope::ALL.map(Scope::as_str).join(", ");
    json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT, or an API key (mye_…)",
        "description": format!("Where sign-in is on; where it is off nothing is asked for. Scopes: {scopes}."),
    })
}
