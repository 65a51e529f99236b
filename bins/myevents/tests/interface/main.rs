//! schemathesis against `/openapi.json`, which has both services, with and without sign-in: no 5xx, answers as documented, what the
//! document refuses is refused and what it takes is taken.
//!
//! What it asks is the same in every run. MYEVENTS_SCALE=full asks more, in steps that follow each other too. The settings beside
//! this file say what is not checked.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stdout, reason = "what it found is for people")]

#[path = "../sign_in/issuer.rs"]
#[allow(dead_code, reason = "the test of sign-in uses all of it")]
mod issuer;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use issuer::Issuer;
use loadtest::program::{Program, Running};
use loadtest::service;
use myevents_servers::install::Tool;
use myevents_servers::skip::full_scale;

const SCHEMATHESIS: Tool = Tool::Python {
    name: "schemathesis",
    requirements: include_str!("requirements.txt"),
};

/// Its Python; none, and the skip is noted, where it is not installed. It blocks.
async fn python(test: &'static str) -> Option<PathBuf> {
    let found = tokio::task::spawn_blocking(move || SCHEMATHESIS.for_test(test));
    found.await.unwrap().unwrap()
}

async fn start(folder: &Path, settings: &[(&str, &str)]) -> (Program, Running) {
    // Nothing is refused because the machine is slow.
    let patient = [("MYEVENTS_REQUEST_TIMEOUT", "60s"), ("MYEVENTS_DESK_WAIT", "30s")];
    let settings = patient.iter().chain(settings);
    let program = Program {
        environment: settings
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Program::new(env!("CARGO_BIN_EXE_myevents"), folder)
    };
    let running = program.start_ready().await.unwrap();
    (program, running)
}

/// Asks both services all there is, with the token if there is one.
async fn ask(python: &Path, folder: &Path, at: SocketAddr, token: Option<&str>) {
    let answer = service::ask(at, "GET", "/openapi.json", None).await.unwrap();
    let mut document = String::from_utf8(answer.body).unwrap();
    if token.is_some() {
        // Short keys are refused of strangers only, and the document speaks to them.
        assert!(document.contains("[!-~]{16,255}"), "{document}");
        document = document.replace("[!-~]{16,255}", "[!-~]{1,255}");
    }
    let file = folder.join("openapi.json");
    std::fs::write(&file, document).unwrap();

    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interface/schemathesis.toml");
    // Which steps follow each other depends on what was answered before, so those are not the same in every run.
    let (phases, most) = if full_scale() {
        ("examples,coverage,fuzzing,stateful", "200")
    } else {
        ("examples,coverage,fuzzing", "3")
    };
    let mut command = Command::new(python);
    command
        // It leaves what it found beside where it runs.
        .current_dir(folder)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(settings)
        .arg("run")
        .arg(file)
        .args(["--url", &format!("http://{at}"), "--checks", "all"])
        .args(["--phases", phases, "--max-examples", most])
        .args(["--generation-deterministic", "--seed", "1"])
        .args(["--suppress-health-check", "all", "--request-timeout", "120"])
        .args([
            "--no-shrink",
            "--continue-on-failure",
            "--output-sanitize",
            "false",
        ]);
    if let Some(token) = token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last = said.find("== SUMMARY ==").map_or("", |from| &said[from..]);
    println!("{last}");
    assert!(status.success(), "{said}");
    assert!(last.contains("generated"), "nothing was asked: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_services_keep_to_their_document() {
    let Some(python) = python("interface without sign-in").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (program, running) = start(folder.path(), &[]).await;
    ask(&python, folder.path(), program.service.bookings, None).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_services_keep_to_their_document_with_sign_in() {
    let Some(python) = python("interface with sign-in").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start().await;
    let keys = format!("{}/keys", issuer.url);
    let settings = [
        ("MYEVENTS_AUTH", "jwt"),
        ("MYEVENTS_AUTH_JWKS", keys.as_str()),
        ("MYEVENTS_AUTH_ISSUER", issuer.url.as_str()),
        ("MYEVENTS_AUTH_AUDIENCE", "myevents"),
        ("MYEVENTS_RATE_LIMIT_CALLER", "100000"),
    ];
    let (program, running) = start(folder.path(), &settings).await;
    let token = issuer.token("ada", "events:write events:admin bookings:write bookings:admin");
    ask(&python, folder.path(), program.service.bookings, Some(&token)).await;
    running.stop().await.unwrap();
}
