//! The page: served as it should be by the real program, beside the original page's requests, and in a real browser.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use loadtest::http::{Answer, Connection, request};
use loadtest::program::{Program, Running};
use myevents_servers::skip::skip;
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_myevents");

fn frontend() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../frontend")
}

async fn spawn_app(data: &tempfile::TempDir, environment: &[(&str, &str)]) -> (Program, Running) {
    let mut program = Program::new(BINARY, data.path());
    program.environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let running = program.start_ready().await.unwrap();
    (program, running)
}

async fn send(program: &Program, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut connection = Connection::open(program.service.events).await.unwrap();
    let bytes = request(method, path, headers, body.as_bytes());
    connection.send(&bytes).await.unwrap()
}

async fn get(program: &Program, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(program, "GET", path, headers, "").await
}

/// The first file under `/assets/` that the page asks for; none in the placeholder.
fn asset(page: &Answer) -> Option<String> {
    let html = String::from_utf8_lossy(&page.body).into_owned();
    let begin = html.find("/assets/")?;
    let end = html[begin..].find('"')?;
    Some(html[begin..begin + end].to_owned())
}

#[tokio::test]
async fn views_files_and_configuration_are_served_with_what_protects_them() -> Result<()> {
    let data = tempfile::tempdir()?;
    let (program, running) = spawn_app(&data, &[]).await;
    let page = get(&program, "/", &[]).await;
    assert_eq!(page.status, 200);
    for view in [
        "/e/5f2b",
        "/e/5f2b/",
        "/t/abc",
        "/t/abc/",
        "/my",
        "/my/",
        "/organise",
        "/organise/events/new",
        "/organise/a/b/c",
        "/sign-in",
    ] {
        let answer = get(&program, view, &[]).await;
        assert_eq!((answer.status, &answer.body), (200, &page.body), "{view}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'self'; connect-src 'self';"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    // A path that is no view is the API's to answer, as before.
    for unknown in ["/e", "/e/a/b", "/nothing", "/assets/nothing.js", "/index.html.br"] {
        let answer = get(&program, unknown, &[]).await;
        assert_eq!(answer.status, 404, "{unknown}");
        assert_eq!(answer.json()?["type"], "urn:myevents:problem:unknown-path");
    }
    // A browser gets the page, which says that there is nothing.
    let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    for unknown in ["/e", "/e/a/b", "/nothing"] {
        let answer = get(&program, unknown, &[browser]).await;
        assert_eq!((answer.status, &answer.body), (404, &page.body), "{unknown}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.header("vary"), Some("accept"));
        assert!(answer.header("content-security-policy").is_some());
        let sent = send(&program, "POST", unknown, &[browser], "").await;
        assert_eq!(sent.json()?["type"], "urn:myevents:problem:unknown-path");
    }
    let lost = get(&program, "/assets/nothing.js", &[browser]).await;
    assert_eq!(lost.json()?["type"], "urn:myevents:problem:unknown-path");
    let tag = page.header("etag").unwrap().to_owned();
    let again = get(&program, "/my", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let config = get(&program, "/config.json", &[]).await.json()?;
    assert_eq!(
        config["sales"],
        json!({ "refusePastEvents": false, "unknownCapacity": "refuse", "maxSeatsPerBooking": 20, "requestTimeout": 10.0 })
    );
    assert_eq!(config["branding"]["name"], "MyEvents");
    assert_eq!(config["signIn"], json!({ "needed": false }));

    if let Some(asset) = asset(&page) {
        for (accepted, encoding) in [
            ("gzip, deflate, br", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0", None),
        ] {
            let answer = get(&program, &asset, &[("accept-encoding", accepted)]).await;
            assert_eq!(answer.header("content-encoding"), encoding, "{accepted}");
            assert_eq!(
                answer.header("cache-control"),
                Some("public, max-age=31536000, immutable")
            );
            assert_eq!(answer.header("vary"), Some("accept-encoding"));
        }
    } else {
        let html = String::from_utf8_lossy(&page.body).into_owned();
        assert!(html.contains("cargo xtask page"), "{html}");
    }
    running.stop().await
}

#[tokio::test]
async fn settings_and_an_own_configuration_reach_the_page() -> Result<()> {
    let data = tempfile::tempdir()?;
    let file = data.path().join("page.json");
    let own = json!({
        "branding": { "name": "Opera", "colour": "#8a1c3b" },
        "api": { "bookings": "https://bookings.example:8443/v1" },
    });
    std::fs::write(&file, own.to_string())?;
    let environment = [
        ("MYEVENTS_PAGE_CONFIG", file.to_str().unwrap()),
        ("MYEVENTS_REFUSE_PAST_EVENTS", "true"),
        ("MYEVENTS_MAX_SEATS_PER_BOOKING", "8"),
    ];
    let (program, running) = spawn_app(&data, &environment).await;
    let answer = get(&program, "/config.json", &[]).await;
    let config = answer.json()?;
    assert_eq!(
        config["branding"],
        json!({ "name": "Opera", "colour": "#8a1c3b", "logo": "" })
    );
    assert_eq!(config["sales"]["refusePastEvents"], true);
    assert_eq!(config["sales"]["maxSeatsPerBooking"], 8);
    let page = get(&program, "/", &[]).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("connect-src 'self' https://bookings.example:8443;"),
        "{policy}"
    );
    running.stop().await?;

    for (text, fault) in [("[1]", "is not a JSON object"), ("{", "is not JSON")] {
        std::fs::write(&file, text)?;
        let mut running = program.start()?;
        let status = running.wait(std::time::Duration::from_secs(20)).await?;
        assert!(!status.success());
        let log = running.log();
        assert!(log.contains("page_config") && log.contains(fault), "{log}");
    }
    Ok(())
}

#[tokio::test]
async fn settings_of_sign_in_reach_the_page_and_its_policy() -> Result<()> {
    let data = tempfile::tempdir()?;
    let environment = [
        ("MYEVENTS_AUTH", "jwt"),
        ("MYEVENTS_AUTH_ISSUER", "https://id.example/realms/tickets"),
        ("MYEVENTS_AUTH_AUDIENCE", "myevents"),
        ("MYEVENTS_PAGE_CLIENT_ID", "page"),
        ("MYEVENTS_PAGE_SCOPES", "openid,bookings:write,events:write"),
        ("MYEVENTS_PAGE_ORIGINS", "https://tokens.example"),
    ];
    let (program, running) = spawn_app(&data, &environment).await;
    let config = get(&program, "/config.json", &[]).await.json()?;
    assert_eq!(
        config["signIn"],
        json!({
            "needed": true, "issuer": "https://id.example/realms/tickets", "clientId": "page",
            "scopes": ["openid", "bookings:write", "events:write"], "audience": "", "resource": "",
            "origins": ["https://tokens.example"],
        })
    );
    let page = get(&program, "/sign-in?code=x&state=y", &[]).await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    let allowed = "connect-src 'self' https://id.example https://tokens.example;";
    assert!(policy.contains(allowed), "{policy}");
    running.stop().await
}

/// Word for word what the page of 2017 sends: no header but what the browser adds, the body as plain text, from another origin.
#[tokio::test]
async fn the_original_pages_requests_work_beside_it() -> Result<()> {
    let data = tempfile::tempdir()?;
    let (program, running) = spawn_app(&data, &[]).await;
    let event = program.service.new_event("Aida", 10).await?;
    let browser = [
        ("origin", "http://localhost:8383"),
        ("referer", "http://localhost:8383/"),
        ("accept", "*/*"),
    ];
    let list = get(&program, "/events", &browser).await;
    assert_eq!(list.header("access-control-allow-origin"), Some("*"));
    let first = list.json()?[0].clone();
    for field in ["ID", "Name", "StartDate", "EndDate", "Location"] {
        assert!(first.get(field).is_some(), "{field} is not in {first}");
    }
    assert!(first["Location"]["Name"].is_string());
    let one = get(&program, &format!("/events/{event}"), &browser).await;
    assert_eq!(one.json()?["ID"], event.as_str());
    let plain = [&browser[..], &[("content-type", "text/plain;charset=UTF-8")]].concat();
    let path = format!("/events/{event}/bookings");
    let booked = send(&program, "POST", &path, &plain, r#"{"seats":2}"#).await;
    assert_eq!(booked.status, 201);
    assert_eq!(booked.header("access-control-allow-origin"), Some("*"));
    assert_eq!(program.service.availability(&event).await?, (10, 8));
    running.stop().await
}

/// Why the page's own tools can't run here, if they can't.
fn missing(what: &[&str]) -> Option<String> {
    let node = Command::new("node").arg("--version").output();
    if !node.is_ok_and(|output| output.status.success()) {
        return Some("there is no `node`".to_owned());
    }
    what.iter()
        .find(|path| !frontend().join(path).exists())
        .map(|path| format!("{path} is not there (`cargo xtask page` builds the page)"))
}

#[test]
fn the_pages_types_are_those_of_the_interface() {
    if let Some(reason) = missing(&["node_modules/openapi-typescript"]) {
        skip("the page's types of the interface", &reason);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("openapi.json");
    let printed = Command::new(BINARY).arg("openapi").output().unwrap();
    serde_json::from_slice::<Value>(&printed.stdout).unwrap();
    std::fs::write(&document, printed.stdout).unwrap();
    let checked = Command::new("node")
        .current_dir(frontend())
        .args(["scripts/api-types.mjs", "--check"])
        .arg(&document)
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}

/// All that people do with it: see `frontend/e2e`. Its pictures are in `frontend/e2e/shots` afterwards.
#[test]
fn people_use_the_page_in_a_real_browser() {
    let name = "the page in a real browser";
    if let Some(reason) = missing(&[
        "dist/site/index.html",
        "node_modules/playwright-core",
        "node_modules/axe-core",
    ]) {
        skip(name, &reason);
        return;
    }
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !Path::new(&chromium).exists() {
        skip(
            name,
            &format!("there is no browser at {chromium} (`apt-get install chromium`, or CHROMIUM names it)"),
        );
        return;
    }
    let run = Command::new("npm")
        .current_dir(frontend())
        .args(["run", "--silent", "e2e"])
        .env("PAGE_TEST_PROGRAM", BINARY)
        .env("CHROMIUM", chromium)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert!(run.status.success(), "{said}");
}
