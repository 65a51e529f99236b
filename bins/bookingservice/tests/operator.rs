//! The program `bookingservice` by itself: what it answers where a broker is not built in, and its other commands.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::ports::SystemClock;

/// Runs the program in a folder, with no settings but those given.
fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bookingservice"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(folder)
        .output()
        .unwrap();
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    (output, String::from_utf8(said).unwrap())
}

#[test]
fn serving_is_refused_over_a_broker_that_can_not_be() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["serve"][..], &[]] {
        let (output, said) = run(folder.path(), arguments, &[("SQS_QUEUE", "no queue")]);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let expected = ": open SQS: the name of a queue";
        assert!(said.contains(expected), "{expected} is not in\n{said}");
        assert!(output.stdout.is_empty(), "what is wrong goes to standard error");
    }
    let (output, said) = run(
        folder.path(),
        &["serve"],
        &[("MYEVENTS_MESSAGE_BROKER_TYPE", "local")],
    );
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("`local` joins services inside one process only"),
        "{said}"
    );
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "a start that is refused leaves no files");
}

#[test]
fn help_and_version_are_there_and_a_wrong_line_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (output, said) = run(folder.path(), &["--version"], &[]);
    assert!(output.status.success());
    assert_eq!(
        said.trim_end(),
        concat!("bookingservice ", env!("CARGO_PKG_VERSION"))
    );
    let (output, said) = run(folder.path(), &["--help"], &[]);
    assert!(output.status.success());
    for part in [
        "Usage: bookingservice",
        "serve",
        "health",
        "check-config",
        "check-store",
        "openapi",
        "dead-letters",
        "outbox",
        "rebuild",
        "reconcile",
        "republish",
        "backup",
        "restore",
        "dev-cert",
        "--conf",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    let (output, said) = run(folder.path(), &["no-such-command"], &[]);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no-such-command"), "{said}");
}

#[test]
fn settings_and_the_document_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (output, said) = run(
        folder.path(),
        &["check-config"],
        &[("AMQP_URL", "amqp://me:geheim@broker")],
    );
    assert!(output.status.success(), "{said}");
    for line in [
        "databasetype = sqlite  (default)",
        "restfulapi_endpoint = localhost:8282  (default)",
        "amqp_message_broker = amqp://me:***@broker  (environment AMQP_URL)",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
    let (output, said) = run(folder.path(), &["check-config"], &[("MYEVENTS_NO_SUCH", "1")]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("MYEVENTS_NO_SUCH"), "{said}");

    let (output, said) = run(folder.path(), &["openapi"], &[]);
    assert!(output.status.success(), "{said}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/events/{id}/bookings"].is_object(), "{said}");
    assert!(document["paths"]["/events"].is_null(), "{said}");
}

#[test]
fn a_store_is_checked_and_a_damaged_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bookingservice.db");
    std::fs::write(
        &file,
        "this is no database, and long enough to be looked at: ".repeat(100),
    )
    .unwrap();
    let (output, said) = run(folder.path(), &["check-store"], &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("bookingservice.db"), "{said}");

    std::fs::remove_file(&file).unwrap();
    let (output, said) = run(folder.path(), &["check-store"], &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no database is here") && !file.exists(), "{said}");

    let config = SqliteConfig::service(&file, "bookingservice");
    drop(SqliteStore::open(config, Arc::new(SystemClock)).unwrap());
    let (output, said) = run(folder.path(), &["check-store"], &[]);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.trim_end(), "bookingservice: sound: 0 counters checked");
    for (command, expected) in [
        (&["outbox"][..], "bookingservice: 0 waiting"),
        (&["backup", "copy"], "bookingservice.db"),
        (&["restore", "copy"], "bookingservice.db"),
    ] {
        let (output, said) = run(folder.path(), command, &[]);
        assert!(
            output.status.success() && said.contains(expected),
            "{command:?}: {said}"
        );
    }
    // Dead letters are kept by the broker, which is not there.
    let nowhere = [("AMQP_URL", "amqp://me:geheim@127.0.0.1:1")];
    let (output, said) = run(folder.path(), &["dead-letters"], &nowhere);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("127.0.0.1:1") && !said.contains("geheim"), "{said}");
    let (output, said) = run(folder.path(), &["republish"], &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("run this with"), "{said}");
}
