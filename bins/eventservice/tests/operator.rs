//! The program `eventservice` by itself: what it answers where a broker is not built in, and its other commands.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../../app/testing/single.rs"]
mod single;

use single::Single;

const SERVICE: Single = Single {
    name: "eventservice",
    file: env!("CARGO_BIN_EXE_eventservice"),
    endpoint: "localhost:8181",
    paths: ("/events", "/events/{id}/bookings"),
};

#[test]
fn serving_is_refused_over_a_broker_that_can_not_be() {
    SERVICE.serving_is_refused_over_a_broker_that_can_not_be();
}

#[test]
fn help_and_version_are_there_and_a_wrong_line_is_told() {
    SERVICE.help_and_version_are_there_and_a_wrong_line_is_told();
}

#[test]
fn settings_and_the_document_are_printed() {
    SERVICE.settings_and_the_document_are_printed();
}

#[test]
fn a_store_is_checked_and_a_damaged_one_is_told() {
    let folder = SERVICE.a_store_is_checked_and_a_damaged_one_is_told();
    SERVICE.say(folder.path(), &[(&["dead-letters"], "0 dead letters")]);
    SERVICE.refuses(folder.path(), &["reconcile"], &[], "run this with");
}
