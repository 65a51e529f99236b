//! Over a real broker the example prints the same as over `local`.

use std::process::Command;

use myevents_servers::{Kind, Server};

#[test]
fn it_prints_the_same_over_sqs() {
    let Some(server) = Server::start_or_skip("it_prints_the_same_over_sqs", Kind::Sqs).unwrap() else {
        return;
    };
    let output = Command::new(env!("CARGO_BIN_EXE_example-06-swap-the-broker"))
        .arg("sqs")
        .env("AWS_ENDPOINT_URL_SQS", server.url())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "eu-central-1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said, include_str!("../expected.txt"));
}
