//! Example 02: the booking routes inside your own axum service, under a prefix, beside routes of your own. Links and
//! `Location`s carry the prefix.
//!
//! Run with `cargo run -p example-02-embed-in-your-service`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::get;
use http_body_util::BodyExt as _;
use myevents_core::memory::MemoryStore;
use myevents_core::ports::SystemClock;
use myevents_core::relay::handover;
use myevents_core::rest::{EventRest, RestSettings, event_router};
use myevents_core::service::EventService;
use tower::ServiceExt as _;

#[tokio::main]
async fn main() -> Result<()> {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    // A real service gives the other side to a relay; see example 01.
    let (to_relay, _offered) = handover(1_024);
    let events = EventRest {
        service: Arc::new(EventService::new(store, to_relay)),
        settings: RestSettings::default(),
    };

    // Your service: what was there before, and events under a prefix.
    let app = Router::new()
        .route("/", get(|| async { "the theatre's own page" }))
        .nest("/tickets", event_router(events));

    let page = app
        .clone()
        .oneshot(Request::get("/").body(Body::empty())?)
        .await?;
    println!("{} {}", page.status(), text(page).await?);

    let body = r#"{"name": "opera aida", "startdate": 1924984800, "enddate": 1924992000}"#;
    let created = app
        .clone()
        .oneshot(Request::post("/tickets/events").body(Body::from(body))?)
        .await?;
    let location = created
        .headers()
        .get("location")
        .context("a created event has a Location")?
        .to_str()?
        .to_owned();
    println!(
        "{} under {}",
        created.status(),
        location.rsplit_once('/').context("a path")?.0
    );

    let found = app.oneshot(Request::get(location).body(Body::empty())?).await?;
    let event: serde_json::Value = serde_json::from_str(&text(found).await?)?;
    println!("found {} again", event["Name"]);
    Ok(())
}

async fn text(response: Response<Body>) -> Result<String> {
    Ok(String::from_utf8(
        response.into_body().collect().await?.to_bytes().to_vec(),
    )?)
}
