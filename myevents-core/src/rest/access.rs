//! Who may come in on a route: checked from the head alone, before anything of the body is read.
//!
//! Without an [`Authenticator`](crate::rest::Authenticator) nobody signs in and everybody may. With one, public routes
//! take no context at all, and every other comes by one of these. Whose record it is, the use cases check.

use http::HeaderValue;
use http::request::Parts;

use crate::rest::head;
use crate::rest::nearby::is_of_this_machine;
use crate::rest::problem::Problem;
use crate::rest::settings::{OrganiserList, RestSettings};
use crate::service::{Caller, RequestContext, Scope};

/// The id that the layer gave the request, or took from its head.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) HeaderValue);

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
        request_id: parts
            .extensions
            .get::<RequestId>()
            .and_then(|id| id.0.to_str().ok().map(str::to_owned)),
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

/// For lists that are the organiser's alone: admins with `scope`, and without sign-in only where nobody but the organiser
/// gets to them.
pub(super) fn organiser(parts: &Parts, settings: &RestSettings, scope: Scope) -> Result<(), Problem> {
    allowed(parts, settings, scope)?;
    let open = match settings.organiser_list {
        _ if settings.authenticator.is_some() => true,
        OrganiserList::Open => true,
        OrganiserList::ThisMachine => is_of_this_machine(parts),
        OrganiserList::Closed => false,
    };
    if open {
        return Ok(());
    }
    Err(Problem::of(
        "forbidden",
        "the organiser's lists answer only requests of this machine while the service listens on loopback, everybody with \
         organiser_open, and admins with sign-in",
    ))
}
