//! The OpenAPI document against the routers.

use std::io::Read;

use flate2::read::GzDecoder;
use http::StatusCode;
use myevents_core::rest::openapi;
use serde_json::{Value, json};

use crate::app::App;

#[tokio::test]
async fn every_documented_operation_is_routed() {
    let app = App::new();
    let operations = openapi::operations();
    assert!(operations.len() > 20);
    for (method, path) in operations {
        let path = path.replace("{id}", "00ff").replace("{name}", "x");
        let answered = app.ask(method, &path, &[], "").await;
        assert_ne!(answered.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        if answered.status == StatusCode::NOT_FOUND {
            assert_eq!(answered.problem(), "not-found", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_document_is_whole_and_its_references_hold() {
    let app = App::new();
    let document = app.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"], json!([{"url": "/"}]));
    assert!(document["paths"]["/events/{id}/bookings"]["post"]["responses"]["409"].is_object());
    for limit in ["MaxSeatsPerPerson", "MaxBookingsPerPerson"] {
        let described = &document["components"]["schemas"]["Event"]["properties"][limit];
        assert!(described["description"].is_string(), "{limit}: {described}");
    }
    for document in [
        document,
        serde_json::to_value(openapi::event_document()).unwrap(),
        serde_json::to_value(openapi::booking_document()).unwrap(),
    ] {
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let target = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(target).is_some(), "{reference}");
        }
    }
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_brings_its_own_parts() {
    let app = App::new();
    let page = app.get("/docs").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let page = String::from_utf8(page.body).unwrap();
    assert!(!page.contains("//cdn") && !page.contains("https://"));
    for file in [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
    ] {
        assert!(page.contains(file));
        let path = format!("/docs/{file}");
        let plain = app.get(&path).await;
        assert_eq!(plain.status, StatusCode::OK, "{file}");
        assert_eq!(plain.headers.get("content-encoding"), None, "{file}");
        assert!(String::from_utf8(plain.body.clone()).unwrap().contains("swagger"));
        let packed = app
            .ask("GET", &path, &[("accept-encoding", "br, gzip;q=0.5")], "")
            .await;
        assert_eq!(packed.header("content-encoding"), "gzip", "{file}");
        assert_eq!(packed.header("content-type"), plain.header("content-type"));
        let mut unpacked = Vec::new();
        GzDecoder::new(packed.body.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain.body, "{file}");
        assert!(packed.body.len() * 3 < plain.body.len(), "{file}");
        let refused = app
            .ask("GET", &path, &[("accept-encoding", "gzip;q=0")], "")
            .await;
        assert_eq!(refused.headers.get("content-encoding"), None, "{file}");
    }
    assert_eq!(app.get("/docs/nothing.js").await.problem(), "unknown-path");
}
