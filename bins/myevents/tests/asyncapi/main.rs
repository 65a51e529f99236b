//! The AsyncAPI document of the real program: the specification's own parser takes it, and what is sent fits its schemas.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::Command;

use myevents_core::contract::{BookingAnnouncement, EventAnnouncement, LocationAnnouncement, Registry};
use myevents_core::domain::Version;
use myevents_core::testkit::fixture;
use myevents_servers::skip::skip;
use serde_json::{Value, json};

const TOOLS: [&str; 3] = ["package.json", "package-lock.json", "check.mjs"];

/// A body of each message as this service sends it, as one of the original system does, and one that is none.
fn bodies() -> Value {
    let mut event = fixture::event_record(fixture::event("Aida"));
    event.version = Version(1);
    let location = fixture::location_record(fixture::location(vec![fixture::hall("Main", 500)]));
    let booking = fixture::booking(&event.event.id, 3);
    let ours = |name: &str| match name.split_once('.').unwrap() {
        (_, "booked") | ("booking", _) => json!(BookingAnnouncement::new(&booking, Version(1))),
        ("event", _) => json!(EventAnnouncement::from(&event)),
        _ => json!(LocationAnnouncement::from(&location)),
    };
    let mut bodies: Vec<Value> = Registry::default()
        .messages()
        .map(|message| json!({ "name": message.name.as_str(), "body": ours(message.name.as_str()), "valid": true }))
        .collect();
    assert_eq!(bodies.len(), 8);
    let dates = json!({ "start_date": "2017-03-08T20:00:00+01:00", "end_date": "2017-03-08T22:00:00+01:00" });
    let mut original = json!({ "id": "58cd7f2a6a8b3c0001a1b2c3", "name": "Aida", "location_id": "" });
    original
        .as_object_mut()
        .unwrap()
        .extend(dates.as_object().unwrap().clone());
    let theirs = [
        ("event.created", original),
        (
            "location.created",
            json!({ "id": "", "name": "Arena", "address": "", "country": "", "halls": null }),
        ),
        (
            "event.booked",
            json!({ "eventId": "58cd7f2a6a8b3c0001a1b2c3", "userId": "someUserID" }),
        ),
    ];
    bodies.extend(theirs.map(|(name, body)| json!({ "name": name, "body": body, "valid": true })));
    bodies.push(json!({ "name": "event.created", "body": { "id": 5 }, "valid": false }));
    json!(bodies)
}

#[test]
fn the_document_is_taken_by_the_specifications_own_parser_and_what_is_sent_fits_it() {
    if Command::new("npm").arg("--version").output().is_err() {
        skip("the AsyncAPI document", "there is no `npm`");
        return;
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asyncapi");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("asyncapi");
    fs::create_dir_all(&folder).unwrap();
    for file in TOOLS {
        fs::copy(sources.join(file), folder.join(file)).unwrap();
    }
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let installed = Command::new("npm")
        .args(install)
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(
        installed.status.success(),
        "{}",
        String::from_utf8_lossy(&installed.stderr)
    );

    let printed = Command::new(env!("CARGO_BIN_EXE_myevents"))
        .arg("asyncapi")
        .output()
        .unwrap();
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    fs::write(folder.join("asyncapi.json"), printed.stdout).unwrap();
    fs::write(folder.join("bodies.json"), bodies().to_string()).unwrap();
    let checked = Command::new("node")
        .args(["check.mjs", "asyncapi.json", "bodies.json"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        checked.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(said.contains("14 operations, 12 bodies checked"), "{said}");
}
