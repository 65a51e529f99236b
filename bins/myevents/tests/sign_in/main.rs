//! Sign-in through the front door: the real program, tokens of a real library, an issuer over HTTP.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod api_keys;
mod attacks;
mod budget;
mod issuer;
mod keys;
mod table;

use loadtest::http::{Answer, Connection, request};
use loadtest::program::Program;
use serde_json::Value;

/// The program on a folder of its own, with these settings.
fn program(folder: &tempfile::TempDir, settings: &[(&str, &str)]) -> Program {
    let environment = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Program {
        environment: environment.collect(),
        ..Program::new(env!("CARGO_BIN_EXE_myevents"), folder.path())
    }
}

/// One request on a connection of its own, with the token if there is one.
async fn ask(program: &Program, token: Option<&str>, method: &str, path: &str, body: &Value) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = authorization
        .iter()
        .map(|value| ("authorization", value.as_str()))
        .collect();
    ask_with(program, &headers, method, path, body).await
}

async fn ask_with(
    program: &Program,
    headers: &[(&str, &str)],
    method: &str,
    path: &str,
    body: &Value,
) -> Answer {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    connection
        .send(&request(method, path, headers, body.as_bytes()))
        .await
        .unwrap()
}

/// The last word of a problem's type; `-` for what is none.
fn problem(answer: &Answer) -> String {
    let found = || {
        let body = answer.json().ok()?;
        let word = body["type"].as_str()?.strip_prefix("urn:myevents:problem:")?;
        Some(word.to_owned())
    };
    found().unwrap_or_else(|| "-".to_owned())
}
