//! Routes of users: create, find, their bookings, remove.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;

use crate::contract::UserWire;
use crate::domain::UserId;
use crate::ports::{BookingFilter, BookingOwner};
use crate::rest::answer::{self, Answer, ResponseExt};
use crate::rest::events::carried_through;
use crate::rest::head::{self, PathText};
use crate::rest::problem::Problem;
use crate::rest::{BookingRest, access, body, bookings, lenient};
use crate::service::{RequestContext, Scope};

type Bookings = State<Arc<BookingRest>>;

/// How many bookings a user's record carries.
const NEWEST: usize = 100;

fn unknown() -> Problem {
    Problem::unknown("user")
}

/// The user that the path names; `me` is the signed-in caller.
fn named(rest: &BookingRest, context: &RequestContext, path: &PathText) -> Result<UserId, Problem> {
    let own = match path.text() {
        Some("me") => rest.service.user_of(&context.caller),
        _ => path.id(UserId::parse),
    };
    own.ok_or_else(unknown)
}

/// `POST /users`
pub(super) async fn create(State(rest): Bookings, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    // With sign-in people are users by themselves; a record for somebody else is made by an admin.
    let context = access::allowed(&parts, &rest.settings, Scope::BookingsAdmin)?;
    let key = head::idempotency_key(&parts.headers, &context.caller)?;
    let draft = lenient::user(&body::read(&parts, body, &rest.settings).await?)?;

    let service = Arc::clone(&rest.service);
    let created =
        carried_through(async move { service.create_user(&context, key.as_ref(), draft).await }).await?;
    let user = &created.record.user;
    let prefix = head::prefix(&parts, &rest.settings);
    Ok(answer::json(StatusCode::CREATED, &UserWire::new(user, &[]))?
        .with_location(format!("{prefix}/users/{}", user.id))
        .replayed(created.replayed))
}

/// `GET /users/{id}`: with the newest bookings.
pub(super) async fn find(State(rest): Bookings, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let context = access::signed_in(&parts, &rest.settings)?;
    let id = named(&rest, &context, &path)?;
    let found = rest.service.find_user(&context, &id).await?;
    let record = found.ok_or_else(unknown)?;
    let filter = BookingFilter::all_of(BookingOwner::User(id));
    let bookings = rest.service.list_bookings(&filter, None, NEWEST).await?;
    answer::json(StatusCode::OK, &UserWire::new(&record.user, &bookings.items))
}

/// `GET /users/{id}/bookings`
pub(super) async fn bookings(State(rest): Bookings, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let context = access::signed_in(&parts, &rest.settings)?;
    let id = named(&rest, &context, &path)?;
    let found = rest.service.find_user(&context, &id).await?;
    found.ok_or_else(unknown)?;
    let here = format!("/users/{id}/bookings");
    bookings::page(&rest, &parts, BookingOwner::User(id), &here).await
}

/// `DELETE /users/{id}`
pub(super) async fn remove(State(rest): Bookings, path: PathText, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let context = access::allowed(&parts, &rest.settings, Scope::BookingsWrite)?;
    let id = named(&rest, &context, &path)?;
    let service = Arc::clone(&rest.service);
    let removed = carried_through(async move { service.remove_user(&context, &id).await }).await?;
    if removed {
        Ok(answer::empty(StatusCode::NO_CONTENT))
    } else {
        Err(unknown())
    }
}
