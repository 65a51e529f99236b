//! The program `bookingservice` by itself: what it answers where a broker is not built in, and its other commands.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../../app/testing/single.rs"]
mod single;

use single::Single;

const SERVICE: Single = Single {
    name: "bookingservice",
    file: env!("CARGO_BIN_EXE_bookingservice"),
    endpoint: "localhost:8282",
    paths: ("/events/{id}/bookings", "/events"),
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
    // Dead letters are kept by the broker, which is not there.
    let nowhere = [("AMQP_URL", "amqp://me:geheim@127.0.0.1:1")];
    let (output, said) = SERVICE.run(folder.path(), &["dead-letters"], &nowhere);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("127.0.0.1:1") && !said.contains("geheim"), "{said}");
    SERVICE.refuses(folder.path(), &["republish"], &[], "run this with");
}
