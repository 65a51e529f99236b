//! TLS to the mail server, signing in there, and what happens where either is wrong; passwords are seen nowhere.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use loadtest::program::{Program, Running};
use myevents_servers::tls::{Authority, Front};
use serde_json::json;

use crate::post::{PATIENCE, Post, book, counted, log_is_discreet, new_event};

const PASSWORD: &str = "the box-office's secret";

/// A server that wants STARTTLS and a sign-in, and its authority.
async fn guarded(test: &'static str) -> Option<(Post, Authority)> {
    let authority = Authority::new("the mail server's").unwrap();
    let pair = authority.issue("mail").unwrap();
    let post = Post::open(test, move |folder| {
        pair.write(folder, "server").unwrap();
        fs::write(folder.join("sign-in"), format!("box\n{PASSWORD}\n")).unwrap();
    });
    let post = post.await?;
    authority.write(post.folder(), "right").unwrap();
    Authority::new("another")
        .unwrap()
        .write(post.folder(), "wrong")
        .unwrap();
    fs::write(post.folder().join("password"), format!("{PASSWORD}\n")).unwrap();
    fs::write(post.folder().join("other-password"), "guessed").unwrap();
    Some((post, authority))
}

fn program(post: &Post, url: &str, ca: &str, password: Option<&str>) -> Program {
    let path = |name: &str| post.folder().join(name).display().to_string();
    let ca = path(ca);
    let mut settings = vec![("MYEVENTS_SMTP_TLS_CA", ca.as_str())];
    let password = password.map(path);
    if let Some(password) = &password {
        settings.push(("MYEVENTS_SMTP_USER", "box"));
        settings.push(("MYEVENTS_SMTP_PASSWORD_FILE", password));
    }
    post.program(url, &settings)
}

/// Books, and waits until the log says why no mail goes out.
async fn is_refused(program: &Program, why: &str) -> Running {
    let running = program.start_ready().await.unwrap();
    let event = new_event(program, "Aida").await;
    book(program, &event, &json!({"email": "a@example.net"})).await;
    let start = Instant::now();
    while !running.log().contains(why) {
        assert!(
            start.elapsed() < PATIENCE,
            "`{why}` is not in the log:\n{}",
            running.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(counted(program, "event.booked", "retried").await > 0);
    assert_eq!(counted(program, "event.booked", "sent").await, 0);
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_proven_server_gets_password_and_mails_by_starttls() {
    let Some((post, _)) = guarded("mail::tls::starttls").await else {
        return;
    };
    let url = format!("starttls://127.0.0.1:{}", post.port());
    let running = is_refused(
        &program(&post, &url, "wrong.pem", Some("password")),
        "invalid peer certificate",
    )
    .await;
    log_is_discreet(&running, &[PASSWORD]);
    running.stop().await.unwrap();
    let running = is_refused(
        &program(&post, &url, "right.pem", Some("other-password")),
        "refuses smtp_user and smtp_password_file",
    )
    .await;
    log_is_discreet(&running, &["guessed"]);
    running.stop().await.unwrap();
    assert_eq!(post.mails().len(), 0);

    // What could not be sent comes when the settings are right.
    let good = program(&post, &url, "right.pem", Some("password"));
    let running = good.start_ready().await.unwrap();
    let mails = post.count(&running, 2).await;
    for mail in &mails {
        assert_eq!(
            (mail["tls"].as_bool(), mail["user"].as_str()),
            (Some(true), Some("box")),
            "{mail}"
        );
    }
    log_is_discreet(&running, &[PASSWORD]);
    running.stop().await.unwrap();
    let shown = tokio::task::spawn_blocking(move || good.command(&["check-config"]))
        .await
        .unwrap();
    let (well, shown) = shown.unwrap();
    assert!(
        well && shown.contains("smtp_user") && !shown.contains(PASSWORD),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_from_the_first_byte_and_a_server_that_has_none() {
    let Some(post) = Post::open("mail::tls::smtps", |_| {}).await else {
        return;
    };
    fs::write(post.folder().join("password"), PASSWORD).unwrap();
    let authority = Authority::new("the mail server's").unwrap();
    authority.write(post.folder(), "right").unwrap();
    Authority::new("another")
        .unwrap()
        .write(post.folder(), "wrong")
        .unwrap();
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, post.port()));
    let front = Front::start(server, authority.server(None).unwrap()).unwrap();
    let url = format!("smtps://127.0.0.1:{}", front.address().port());
    let running = is_refused(
        &program(&post, &url, "wrong.pem", None),
        "invalid peer certificate",
    )
    .await;
    running.stop().await.unwrap();
    // One that offers no sign-in is told from one that refuses it.
    let signing = program(&post, &url, "right.pem", Some("password"));
    let running = is_refused(&signing, "offers no sign-in by PLAIN or LOGIN").await;
    running.stop().await.unwrap();
    // A server without TLS is not spoken to where TLS is set, and no password goes there.
    let without = format!("starttls://127.0.0.1:{}", post.port());
    let signing = program(&post, &without, "right.pem", Some("password"));
    let running = is_refused(&signing, "offers no STARTTLS").await;
    log_is_discreet(&running, &[PASSWORD]);
    running.stop().await.unwrap();
    assert_eq!(post.mails().len(), 0);
    let running = program(&post, &url, "right.pem", None)
        .start_ready()
        .await
        .unwrap();
    post.count(&running, 3).await;
    assert!(front.connections() > 0);
    running.stop().await.unwrap();
}

#[test]
fn settings_that_can_not_be_are_told_without_what_they_hide() {
    let folder = tempfile::tempdir().unwrap();
    let with = |settings: &[(&str, &str)]| {
        let program = Program {
            environment: settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Program::new(env!("CARGO_BIN_EXE_myevents"), folder.path())
        };
        program.command(&["check-config"]).unwrap()
    };
    let (well, said) = with(&[
        ("MYEVENTS_SMTP_URL", "smtps://me:hidden@host"),
        ("MYEVENTS_SMTP_FROM", "a@b"),
    ]);
    assert!(
        !well && said.contains("smtp_password_file") && !said.contains("hidden"),
        "{said}"
    );
    let (well, said) = with(&[
        ("MYEVENTS_SMTP_URL", "smtp://mail.example.org"),
        ("MYEVENTS_SMTP_FROM", "no address"),
        ("MYEVENTS_SMTP_USER", "me"),
        ("MYEVENTS_PUBLIC_URL", "tickets"),
    ]);
    for key in ["smtp_from", "smtp_password_file", "smtp_user", "public_url"] {
        assert!(!well && said.contains(key), "{key}: {said}");
    }
    // What only a look at the files shows: which setting, which file.
    fs::write(folder.path().join("garbage.pem"), "no certificate").unwrap();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (garbage, nowhere, empty) = (path("garbage.pem"), path("nowhere"), path("empty"));
    for (key, file, why) in [
        ("MYEVENTS_SMTP_TLS_CA", &garbage, "no `BEGIN CERTIFICATE`"),
        ("MYEVENTS_SMTP_TLS_CA", &nowhere, "can't be read"),
        (
            "MYEVENTS_SMTP_PASSWORD_FILE",
            &nowhere,
            "has to be there, and readable",
        ),
        ("MYEVENTS_SMTP_PASSWORD_FILE", &empty, "no password in the file"),
    ] {
        let mut settings = vec![
            ("MYEVENTS_SMTP_URL", "smtps://mail.example.org"),
            ("MYEVENTS_SMTP_FROM", "a@example.org"),
            (key, file.as_str()),
        ];
        if key.ends_with("PASSWORD_FILE") {
            settings.push(("MYEVENTS_SMTP_USER", "box"));
        }
        let (well, said) = with(&settings);
        let setting = key.trim_start_matches("MYEVENTS_").to_lowercase();
        let names = said.lines().any(|line| {
            line.starts_with("error:")
                && [setting.as_str(), file.as_str(), why, "holders can't be mailed"]
                    .iter()
                    .all(|part| line.contains(part))
        });
        assert!(!well && names, "{key} = {file}: {said}");
    }
    let (well, said) = with(&[("MYEVENTS_SMTP_FROM", "a@b")]);
    assert!(!well && said.contains("smtp_url"), "{said}");
}
