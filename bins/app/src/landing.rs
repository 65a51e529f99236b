//! The plain page at `/`, until there is a real one.

use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>MyEvents</title>
<style>body{font:1.1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}</style>
<h1>MyEvents</h1>
<p>The service is running. Events are created and seats are booked through its HTTP interface.</p>
<ul>
<li><a href="docs">The interface, described</a> (and as <a href="openapi.json">OpenAPI document</a>)</li>
<li><a href="events">Events</a>, <a href="locations">locations</a></li>
<li><a href="readme">README</a>: what it is, and a first booking</li>
</ul>
</html>
"#;

const README: &str = include_str!("../../../README.md");

/// `/` and `/readme`.
pub(crate) fn router() -> Router {
    let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/readme", get(async move || (text, README).into_response()))
}
