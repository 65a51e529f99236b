//! What the cases share: a mail server of the test's own, the program beside it, and the mails that came.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use loadtest::program::{Program, Running};
use loadtest::service::ask;
use myevents_servers::{Kind, NotInstalled, Server, skip};
use serde_json::{Value, json};

/// How long anything may take on a busy machine; all waits end as soon as it is there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A mail server in a folder of its own, where the program's files are too.
pub(crate) struct Post {
    pub(crate) server: Option<Server>,
    folder: tempfile::TempDir,
}

impl Post {
    /// None, and the skip is noted, where the server is not installed. `prepare` puts files into the server's folder.
    pub(crate) async fn open(
        test: &'static str,
        prepare: impl FnOnce(&Path) + Send + 'static,
    ) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("server");
        let started = tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&place).unwrap();
            prepare(&place);
            Server::start_in(Kind::Smtp, &place)
        });
        match started.await.unwrap() {
            Ok(server) => Some(Self {
                server: Some(server),
                folder,
            }),
            Err(error) if error.downcast_ref::<NotInstalled>().is_some() => {
                skip::skip(test, &error.to_string());
                None
            }
            Err(error) => panic!("the mail server does not start: {error:#}"),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.as_ref().unwrap().port()
    }

    /// The program with mail by this URL and these settings.
    pub(crate) fn program(&self, url: &str, settings: &[(&str, &str)]) -> Program {
        let base = [
            ("MYEVENTS_SMTP_URL", url),
            ("MYEVENTS_SMTP_FROM", "The Box Office <tickets@example.org>"),
        ];
        let all = base.iter().chain(settings);
        Program {
            environment: all
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Program::new(env!("CARGO_BIN_EXE_myevents"), self.data())
        }
    }

    /// The program with mail to this server without TLS.
    pub(crate) fn plain(&self, settings: &[(&str, &str)]) -> Program {
        self.program(&format!("smtp://127.0.0.1:{}", self.port()), settings)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Every mail that the server took, as it took it apart.
    pub(crate) fn mails(&self) -> Vec<Value> {
        let file = self.folder.path().join("server/mails.jsonl");
        let text = fs::read_to_string(file).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until the mails are as wanted.
    pub(crate) async fn until(
        &self,
        running: &Running,
        what: &str,
        wanted: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let mails = self.mails();
            if wanted(&mails) {
                return mails;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}; there are {:?}; the program's log:\n{}",
                mails.iter().map(summary).collect::<Vec<_>>(),
                running.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for this many mails.
    pub(crate) async fn count(&self, running: &Running, count: usize) -> Vec<Value> {
        self.until(running, &format!("{count} mails"), |mails| mails.len() >= count)
            .await
    }
}

/// Recipient and subject.
pub(crate) fn summary(mail: &Value) -> (String, String) {
    let to = mail["recipients"][0].as_str().unwrap_or_default();
    (to.to_owned(), header(mail, "Subject"))
}

/// A header's value; a mail that has it not once is a fault.
pub(crate) fn header(mail: &Value, name: &str) -> String {
    let all = mail["headers"].as_array().unwrap().iter();
    let found: Vec<_> = all
        .filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name))
        .collect();
    assert_eq!(found.len(), 1, "{name} in {mail}");
    found[0][1].as_str().unwrap().to_owned()
}

/// How many mails each recipient got, and that all mails to one of one subject are one by their id.
pub(crate) fn by_recipient(mails: &[Value]) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for mail in mails {
        let id = header(mail, "Message-ID");
        let before = ids.entry(summary(mail)).or_insert_with(|| id.clone());
        assert_eq!(
            *before,
            id,
            "two mails that say the same have two ids: {:?}",
            summary(mail)
        );
        *counts.entry(summary(mail).0).or_insert(0) += 1;
    }
    counts
}

/// Makes an event and waits until it can be booked.
pub(crate) async fn new_event(program: &Program, name: &str) -> String {
    let body = json!({
        "name": name, "startdate": 4_000_000_000_u64, "enddate": 4_000_007_200_u64,
        "location": {"name": "Opera, House", "address": "1 West Street", "country": "Austria",
                     "timezone": "Europe/Vienna", "Hall": {"name": "hall", "capacity": 1_000}},
    });
    let made = ask(program.service.events, "POST", "/events", Some(&body))
        .await
        .unwrap();
    assert_eq!(made.status, 201, "{:?}", made.json());
    let id = made.json().unwrap()["ID"].as_str().unwrap().to_owned();
    program.service.wait_bookable(&id, 1_000).await.unwrap();
    id
}

/// Books two seats; the booking's id.
pub(crate) async fn book(program: &Program, event: &str, holder: &Value) -> String {
    let mut body = holder.clone();
    body["seats"] = 2.into();
    let path = format!("/events/{event}/bookings");
    let booked = ask(program.service.bookings, "POST", &path, Some(&body))
        .await
        .unwrap();
    assert_eq!(booked.status, 201, "{:?}", booked.json());
    booked.json().unwrap()["ID"].as_str().unwrap().to_owned()
}

/// A DELETE that succeeds.
pub(crate) async fn delete(program: &Program, path: &str) {
    let answer = ask(program.service.bookings, "DELETE", path, None).await.unwrap();
    assert_eq!(answer.status, 204, "{path}: {:?}", answer.json());
}

/// What the counter of mails says; nothing where it has not counted any.
pub(crate) async fn counted(program: &Program, about: &str, outcome: &str) -> u64 {
    let metrics = program.service.metrics.unwrap();
    let answer = ask(metrics, "GET", "/metrics", None).await.unwrap();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let series = format!("myevents_mails_total{{about=\"{about}\",outcome=\"{outcome}\"}} ");
    let found = text.lines().find_map(|line| line.strip_prefix(&series));
    found.map_or(0, |number| number.parse().unwrap())
}

/// Nothing that was logged names a holder or a secret.
pub(crate) fn log_is_discreet(running: &Running, secrets: &[&str]) {
    let log = running.log();
    for secret in secrets.iter().chain(&["@example.net"]) {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
