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
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

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
    let patient = [
        ("MYEVENTS_REQUEST_TIMEOUT", "60s"),
        ("MYEVENTS_DESK_WAIT", "30s"),
        ("MYEVENTS_HEADER_TIMEOUT", "60s"),
        ("MYEVENTS_BODY_TIMEOUT", "60s"),
    ];
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

/// One of the two services as this test calls it itself.
struct Caller {
    client: reqwest::Client,
    at: SocketAddr,
    token: Option<String>,
}

impl Caller {
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, String) {
        let mut request = self.client.request(method, format!("http://{}{path}", self.at));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// What has to be there.
    async fn find(&self, path: &str) -> Value {
        let (status, said) = self.send(Method::GET, path, None).await;
        assert!(status.is_success(), "{path}: {status} {said}");
        serde_json::from_str(&said).unwrap()
    }

    /// The id of what is made.
    async fn make(&self, path: &str, body: &Value) -> String {
        let (status, said) = self.send(Method::POST, path, Some(body)).await;
        assert!(status.is_success(), "{path}: {status} {said}");
        id_in(&said)
    }

    /// A booking of an event that nothing else is done to.
    async fn book(&self) -> String {
        let event = self.make("/events", &service::event_body("Booked", 5)).await;
        let path = format!("/events/{event}/bookings");
        let begin = std::time::Instant::now();
        loop {
            let (status, said) = self.send(Method::POST, &path, Some(&json!({"seats": 1}))).await;
            if status == StatusCode::CREATED {
                return id_in(&said);
            }
            assert!(begin.elapsed().as_secs() < 120, "{status} {said}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

fn id_in(said: &str) -> String {
    let made: Value = serde_json::from_str(said).unwrap();
    made["ID"].as_str().unwrap().to_owned()
}

/// The document with ids of what is there, by the beginnings of the paths, so that not every id is of nothing.
fn with_examples(document: &str, examples: &[(&str, &str)]) -> String {
    let mut document: Value = serde_json::from_str(document).unwrap();
    for (path, operations) in document["paths"].as_object_mut().unwrap() {
        let Some((_, id)) = examples.iter().find(|(beginning, _)| path.starts_with(beginning)) else {
            continue;
        };
        for operation in operations.as_object_mut().unwrap().values_mut() {
            let parameters = operation["parameters"].as_array_mut();
            for parameter in parameters.into_iter().flatten() {
                if parameter["in"] == "path" && parameter["name"] == "id" {
                    parameter["example"] = json!(id);
                }
            }
        }
    }
    document.to_string()
}

/// Asks both services all there is, with the token if there is one.
async fn ask(python: &Path, folder: &Path, at: SocketAddr, token: Option<&str>) {
    let caller = Caller {
        client: reqwest::Client::new(),
        at,
        token: token.map(ToOwned::to_owned),
    };
    let event = caller.make("/events", &service::event_body("Found", 5)).await;
    let user = caller
        .make("/users", &json!({"first": "A", "last": "B", "age": 30}))
        .await;
    let booking = caller.book().await;
    let answer = service::ask(at, "GET", "/openapi.json", None).await.unwrap();
    let document = String::from_utf8(answer.body).unwrap();
    let examples = [
        ("/events/{id}", event.as_str()),
        ("/users/{id}", user.as_str()),
        ("/bookings/{id}", booking.as_str()),
    ];
    let mut document = with_examples(&document, &examples);
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
        // Every check is on where the settings don't switch it off; `--checks all` would win over them.
        .args(["--url", &format!("http://{at}")])
        .args(["--phases", phases, "--max-examples", most])
        .args(["--generation-deterministic", "--seed", "1"])
        .args(["--suppress-health-check", "all"])
        .args(["--request-timeout", "120", "--request-retries", "3"])
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
    let booking = caller.find(&format!("/bookings/{booking}")).await;
    assert_eq!(
        booking["State"], "cancelled",
        "no known booking was cancelled: {booking}"
    );
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
