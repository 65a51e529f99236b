//! Who may come in on a route: checked from the head alone, before anything of the body is read.
//!
//! Without an [`Authenticator`](crate::rest::Authenticator) nobody signs in and everybody may. With one, public routes
//! take no context at all, and every other comes by one of these. Whose record it is, the use cases check.

use http::request::Parts;

use crate::rest::head;
use crate::rest::problem::Problem;
use crate::rest::settings::RestSettings;
use crate::service::{Caller, RequestContext, Scope};

/// For routes that show or change what belongs to somebody: signed-in callers only.
pub(super) fn signed_in(parts: &Parts, settings: &RestSettings) -> Result<RequestContext, Problem> {
    let context = context(parts);
    if settings.authenticator.is_some() && context.caller == Caller::Anonymous {
        return Err(Problem::sign_in_needed());
    }
    Ok(context)
}

/// Who asks, and the trace they belong to. The layer leaves a [`Caller`] in the extensions where sign-in is on. Nothing
/// else makes a context of a request, so no route can forget to ask who may.
fn context(parts: &Parts) -> RequestContext {
    RequestContext {
        caller: parts.extensions.get::<Caller>().cloned().unwrap_or_default(),
        traceparent: head::traceparent(&parts.headers),
    }
}

/// For routes that need a right.
pub(super) fn allowed(
    parts: &Parts,
    settings: &RestSettings,
    scope: Scope,
) -> Result<RequestContext, Problem> {
    let context = signed_in(parts, settings)?;
    if context.caller.may(scope) {
        Ok(context)
    } else {
        Err(Problem::scope_needed(scope))
    }
}
