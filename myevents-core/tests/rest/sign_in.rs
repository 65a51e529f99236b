//! Sign-in with an authenticator of one's own: what comes through to the routes, and what the document says of it.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, StatusCode};
use myevents_core::rest::{Authenticator, OrganiserList, RestSettings, openapi};
use myevents_core::service::{Caller, Scopes};
use myevents_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::app::{Answered, App};

/// Takes the word of a header, as behind a proxy that signs people in: a name, then their scopes.
#[derive(Debug)]
pub(crate) struct ByProxy;

#[async_trait]
impl Authenticator for ByProxy {
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller> {
        let Some(value) = headers.get("x-user") else {
            return Ok(Caller::Anonymous);
        };
        let mut words = value.to_str().unwrap_or_default().split(' ');
        match words.next().unwrap_or_default() {
            "" => Err(Error::new(
                ErrorKind::Unauthenticated,
                "sign in",
                "the \"name\" is empty",
            )),
            "away" => Err(Error::new(
                ErrorKind::Unavailable,
                "sign in",
                "the directory is away",
            )),
            "broken" => panic!("the authenticator broke"),
            name => Ok(Caller::Subject {
                issuer: "proxy".to_owned(),
                subject: name.to_owned(),
                scopes: Scopes::of_words(words),
            }),
        }
    }
}

fn app() -> App {
    App::with(RestSettings {
        authenticator: Some(Arc::new(ByProxy)),
        // Without effect where callers sign in.
        organiser_list: OrganiserList::Open,
        ..RestSettings::default()
    })
}

impl App {
    async fn ask_as(&self, user: &str, method: &str, path: &str, body: &Value) -> Answered {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.ask(method, path, &[("x-user", user)], body).await
    }
}

#[tokio::test]
async fn refusals_of_the_authenticator_come_before_every_route() {
    let app = app();
    for (method, path) in openapi::operations() {
        let open = path == "/healthz" || path == "/readyz";
        let path = path.replace("{id}", "00ff").replace("{name}", "x");
        for (user, status, problem) in [
            ("", StatusCode::UNAUTHORIZED, "unauthenticated"),
            ("away", StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ("broken", StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        ] {
            let answered = app.ask_as(user, method, &path, &Value::Null).await;
            if open {
                assert_eq!(answered.status, StatusCode::OK, "{method} {path}");
            } else {
                assert_eq!(
                    (answered.status, answered.problem().as_str()),
                    (status, problem),
                    "{method} {path}"
                );
            }
        }
    }
    for path in ["/openapi.json", "/docs"] {
        assert_eq!(
            app.ask_as("", "GET", path, &Value::Null).await.status,
            StatusCode::OK
        );
    }
    assert_eq!(
        app.ask_as("", "GET", "/nothing", &Value::Null).await.problem(),
        "unknown-path"
    );
    let challenged = app.ask_as("", "GET", "/events", &Value::Null).await;
    // What could not stand in quotes is left out of the header, and is in the body.
    assert_eq!(
        challenged.header("www-authenticate"),
        "Bearer realm=\"myevents\", error=\"invalid_token\""
    );
    assert_eq!(challenged.json()["detail"], "the \"name\" is empty");
}

#[tokio::test]
async fn a_preflight_needs_no_sign_in() {
    let headers = [
        ("x-user", ""),
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
    ];
    let answered = app().ask("OPTIONS", "/events", &headers, "").await;
    assert_eq!(answered.status, StatusCode::NO_CONTENT);
    assert!(
        answered
            .header("access-control-allow-headers")
            .contains("authorization")
    );
}

/// Every operation is asked without credentials, with none of its scopes, and with all of them: that is what its
/// `security` says.
#[tokio::test]
async fn the_document_says_what_the_routes_ask() {
    let app = app();
    let document = app.get("/openapi.json").await.json();
    assert_eq!(
        document["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
    for (method, path) in openapi::operations() {
        let operation = &document["paths"][path][method.to_ascii_lowercase()];
        let asked = path.replace("{id}", "00ff").replace("{name}", "x");
        let nobody = app.ask(method, &asked, &[], "").await.status;
        let somebody = app.ask_as("ann", method, &asked, &Value::Null).await.status;
        let security = &operation["security"];
        let wanted = match security[0]["token"].as_array() {
            None => (false, false),
            Some(scopes) => (true, !scopes.is_empty()),
        };
        let found = (
            nobody == StatusCode::UNAUTHORIZED,
            somebody == StatusCode::FORBIDDEN,
        );
        assert_eq!(found, wanted, "{method} {path}: {security}");
        if let Some(scope) = security[0]["token"][0].as_str() {
            let user = format!("ann {scope}");
            let status = app.ask_as(&user, method, &asked, &Value::Null).await.status;
            assert_ne!(status, StatusCode::FORBIDDEN, "{method} {path} with {scope}");
        }
        for status in ["401", "403"] {
            let described = operation["responses"][status].is_object();
            let possible = match status {
                "401" => security != &json!([]),
                _ => wanted.1,
            };
            assert_eq!(described, possible, "{method} {path} {status}");
        }
    }
}

#[tokio::test]
async fn a_caller_is_a_user_from_the_first_booking_on() {
    let app = app();
    let event = app.bookable(Some(10)).await;
    let (ann, bob) = ("ann bookings:write", "bob bookings:write");
    let blank = app.ask_as(ann, "GET", "/users/me", &Value::Null).await;
    assert_eq!(blank.status, StatusCode::OK);
    let own = blank.json()["ID"].as_str().unwrap().to_owned();
    assert_ne!(
        app.ask_as(bob, "GET", "/users/me", &Value::Null).await.json()["ID"],
        own.as_str()
    );

    let path = format!("/events/{event}/bookings");
    let booked = app.ask_as(ann, "POST", &path, &json!({"seats": 2})).await;
    assert_eq!(booked.status, StatusCode::CREATED);
    assert_eq!(booked.json()["UserID"], own.as_str());
    let named = app
        .ask_as(ann, "POST", &path, &json!({"seats": 1, "userId": own}))
        .await;
    assert_eq!(named.status, StatusCode::CREATED);
    let foreign = app
        .ask_as(bob, "POST", &path, &json!({"seats": 1, "userId": own}))
        .await;
    assert_eq!(
        (foreign.status, foreign.problem().as_str()),
        (StatusCode::FORBIDDEN, "forbidden")
    );

    let list = app
        .ask_as(ann, "GET", "/users/me/bookings", &Value::Null)
        .await
        .json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(
        app.ask_as(ann, "GET", "/users/me", &Value::Null).await.json()["Bookings"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        app.ask_as(bob, "GET", "/users/me/bookings", &Value::Null)
            .await
            .json(),
        json!([])
    );

    // Limits per person could not count bookings of nobody: they are cancelled first.
    let refused = app.ask_as(ann, "DELETE", "/users/me", &Value::Null).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (StatusCode::CONFLICT, "conflict")
    );
    for booking in list.as_array().unwrap() {
        let path = format!("/bookings/{}", booking["ID"].as_str().unwrap());
        let cancelled = app.ask_as(ann, "DELETE", &path, &Value::Null).await;
        assert_eq!(cancelled.status, StatusCode::NO_CONTENT);
    }
    // Gone with everything that names them; a new booking makes them anew, under the same id.
    let removed = app.ask_as(ann, "DELETE", "/users/me", &Value::Null).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    let list = app.ask_as(ann, "GET", "/users/me/bookings", &Value::Null).await;
    assert_eq!(list.json(), json!([]));
    assert_eq!(list.header("cache-control"), "no-store");
    let again = app.ask_as(ann, "POST", &path, &json!({"seats": 1})).await;
    assert_eq!(again.json()["UserID"], own.as_str());
    // Nobody signs in without an authenticator, so nobody is "me".
    assert_eq!(App::new().get("/users/me").await.problem(), "not-found");
}

#[tokio::test]
async fn limits_count_the_caller_whatever_the_body_says() {
    let app = app();
    let limited = app
        .bookable_as(Some(100), |event| event.person_limits.seats = Some(3))
        .await;
    let path = format!("/events/{limited}/bookings");
    let book = async |user: &str, seats: u32, email: &str| {
        let body = json!({"seats": seats, "email": email});
        app.ask_as(user, "POST", &path, &body).await
    };
    let (ann, bob) = ("ann bookings:write", "bob bookings:write");
    assert_eq!(book(ann, 2, "a@x.example").await.status, StatusCode::CREATED);
    let past = book(ann, 2, "b@x.example").await;
    assert_eq!(
        (past.status, past.problem().as_str()),
        (StatusCode::CONFLICT, "limit-reached")
    );
    // Others are others, with the same address too, and with more rights the same person is still the same.
    assert_eq!(book(bob, 3, "a@x.example").await.status, StatusCode::CREATED);
    assert_eq!(
        book("ann bookings:admin", 2, "c@x.example").await.problem(),
        "limit-reached"
    );
    assert_eq!(book(ann, 1, "a@x.example").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_key_means_what_its_caller_did_with_it() {
    let app = app();
    let event = app.bookable(Some(10)).await;
    let path = format!("/events/{event}/bookings");
    let book = async |user: &str| {
        let headers = [("x-user", user), ("idempotency-key", "1")];
        let booked = app.ask("POST", &path, &headers, r#"{"seats":1}"#).await;
        assert_eq!(booked.status, StatusCode::CREATED);
        let replayed = booked.headers.contains_key("idempotency-replayed");
        (booked.json()["ID"].as_str().unwrap().to_owned(), replayed)
    };
    let (anns, _) = book("ann bookings:write").await;
    assert_eq!(book("ann bookings:write").await, (anns.clone(), true));
    let (bobs, replayed) = book("bob bookings:write").await;
    assert!(!replayed && bobs != anns);
    // An id of one's own choice that another has: taken, and nothing else is said.
    let body = format!(r#"{{"seats":1,"id":"{anns}"}}"#);
    let taken = app
        .ask("POST", &path, &[("x-user", "bob bookings:write")], body)
        .await;
    assert_eq!(
        (taken.status, taken.problem().as_str()),
        (StatusCode::CONFLICT, "conflict")
    );
}
