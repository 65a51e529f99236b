//! Mounted under a prefix, behind a proxy that cuts one off, and the health routes.

use axum::Router;
use http::StatusCode;
use myevents_core::rest::RestSettings;

use crate::app::App;

#[tokio::test]
async fn links_hold_under_a_prefix() {
    let mut app = App::new();
    app.router = Router::new().nest("/shop/api", app.router);
    let answered = app.post("/shop/api/events", r#"{"name":"a"}"#).await;
    let location = answered.header("location").to_owned();
    assert!(location.starts_with("/shop/api/events/"), "{location}");
    assert_eq!(app.get(&location).await.json(), answered.json());
    app.post("/shop/api/events", r#"{"name":"b"}"#).await;
    let link = app.get("/shop/api/events?limit=1").await;
    assert!(
        link.header("link")
            .starts_with("</shop/api/events?limit=1&cursor=")
    );
    let document = app.get("/shop/api/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], "/shop/api");
    let page = app.get("/shop/api/docs").await;
    assert!(String::from_utf8_lossy(&page.body).contains("/shop/api/docs/swagger-ui-bundle.js"));
    assert_eq!(
        app.get("/shop/api/docs/swagger-ui-bundle.js").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn links_hold_behind_a_proxy_that_cuts_the_prefix_off() {
    let app = App::with(RestSettings {
        prefix: "/api/".to_owned(),
        ..RestSettings::default()
    });
    let answered = app.post("/events", r#"{"name":"a"}"#).await;
    assert!(answered.header("location").starts_with("/api/events/"));
}

#[tokio::test]
async fn readiness_follows_the_store_and_stopping_but_not_the_broker() {
    let app = App::new();
    assert_eq!(app.get("/healthz").await.status, StatusCode::OK);
    let ready = app.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json()["broker"]),
        (StatusCode::OK, &"connected".into())
    );
    app.readiness.set_broker("eventservice", false);
    let away = app.get("/readyz").await;
    assert_eq!(
        (away.status, &away.json()["broker"]),
        (StatusCode::OK, &"away".into())
    );
    app.readiness.stop();
    let stopping = app.get("/readyz").await;
    assert_eq!(stopping.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stopping.json()["status"], "stopping");
    assert_eq!(app.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn readiness_is_503_while_the_store_is_away() {
    use myevents_core::ports::DatabaseHandler;
    let app = App::new();
    app.bookings.close().await.unwrap();
    let answered = app.get("/readyz").await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered.json()["stores"]["bookingservice"], "away");
    assert_eq!(answered.json()["stores"]["eventservice"], "connected");
}
