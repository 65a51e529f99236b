//! Every query of the dashboards and every rule, on a real Prometheus that scrapes a `myevents` under load.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use myevents_servers::ports;
use serde_json::{Value, json};

use super::process::Running;
use super::{files, http, monitoring, tools};
use crate::shell;

/// How long it may take until nothing is empty any more: rates need two scrapes, rules their turn after them.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs them until none is empty.
///
/// # Errors
/// With those that stay empty or that Prometheus refuses, and with alerts that fire though nothing is wrong.
pub(super) fn check(program: &Path) -> Result<()> {
    let folder = shell::target().join("deploy/metrics");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let first = ports::free(3)?;
    let (api, metrics, prometheus) = (first, first + 1, first + 2);

    let mut service = std::process::Command::new(program);
    service
        .env_clear()
        .args([
            "serve",
            "--demo",
            "--event-listen",
            "none",
            "--booking-listen",
            "none",
        ])
        .args(["--listen", &format!("127.0.0.1:{api}")])
        .args(["--metrics-listen", &format!("127.0.0.1:{metrics}")])
        .arg("--data")
        .arg(folder.join("data"));
    let _service = Running::start(service, &folder.join("myevents.log"), api, "/readyz")?;
    let scraper = Running::start(
        scraper(&folder, metrics, prometheus)?,
        &folder.join("prometheus.log"),
        prometheus,
        "/-/ready",
    )?;

    let mut customers = Customers::new(api)?;
    let questions = questions()?;
    let start = Instant::now();
    loop {
        customers.round()?;
        let empty: Vec<&String> = questions
            .iter()
            .map(|question| Ok((question, answers(prometheus, question)?)))
            .filter_map(|asked: Result<_>| match asked {
                Ok((_, true)) => None,
                Ok((question, false)) => Some(Ok(question)),
                Err(error) => Some(Err(error)),
            })
            .collect::<Result<_>>()?;
        if empty.is_empty() {
            break;
        }
        ensure!(
            start.elapsed() < PATIENCE,
            "empty after {PATIENCE:?} of load:\n{empty:#?}\n{}",
            scraper.said()
        );
    }
    println!(
        "{} queries answered after {:.0} s and {} requests",
        questions.len(),
        start.elapsed().as_secs_f64(),
        customers.requests
    );
    variables(prometheus)?;
    rules_are_well(prometheus)
}

/// Prometheus with the configuration and the targets that are shipped, except for addresses and times.
fn scraper(folder: &Path, metrics: u16, own: u16) -> Result<std::process::Command> {
    let rules = format!("[{}]", files::path("monitoring/rules/*.yaml").display());
    let own_port = format!("127.0.0.1:{own}");
    let file = shipped(
        folder,
        "prometheus.yaml",
        &[
            ("localhost:9090", &own_port),
            ("interval: 15s", "interval: 1s"),
            ("[rules/*.yaml]", &rules),
        ],
    )?;
    fs::create_dir_all(folder.join("targets"))?;
    let target = format!("127.0.0.1:{metrics}");
    for (name, there) in [
        (
            "targets/services.yaml",
            &["eventservice:9100", "bookingservice:9101"][..],
        ),
        ("targets/sqlite.yaml", &["myevents:9100"]),
    ] {
        let moved: Vec<_> = there.iter().map(|address| (*address, target.as_str())).collect();
        shipped(folder, name, &moved)?;
    }
    let mut command = tools::command(tools::PROMETHEUS)?;
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{own}"));
    Ok(command)
}

/// A file of `deploy/monitoring` in this folder, with some words of it replaced.
fn shipped(folder: &Path, name: &str, changes: &[(&str, &str)]) -> Result<std::path::PathBuf> {
    let mut text = files::read(&files::path("monitoring").join(name))?;
    for (there, here) in changes {
        ensure!(text.contains(there), "no `{there}` in {name}");
        text = text.replace(there, here);
    }
    let file = folder.join(name);
    fs::write(&file, text)?;
    Ok(file)
}

/// Every query of the dashboards as Grafana would send it, and every recorded series.
fn questions() -> Result<Vec<String>> {
    let shown = monitoring::queries()?.into_iter().map(|(_, query)| {
        query
            .replace("$job", ".*")
            .replace("$instance", ".*")
            .replace("$__rate_interval", "10s")
    });
    let recorded = monitoring::rules()?.into_iter().filter_map(|rule| rule.record);
    Ok(shown.chain(recorded).collect())
}

/// Whether the answer holds a number.
fn answers(prometheus: u16, question: &str) -> Result<bool> {
    ensure!(
        !question.contains('$'),
        "a variable that nothing fills: {question}"
    );
    let found = ask(
        prometheus,
        &format!("/api/v1/query?query={}", http::escaped(question)),
    )
    .with_context(|| question.to_owned())?;
    let samples = found["result"].as_array().context("no result")?;
    Ok(samples
        .iter()
        .any(|sample| sample["value"][1].as_str().is_some_and(|value| value != "NaN")))
}

fn ask(prometheus: u16, path: &str) -> Result<Value> {
    let answer = http::get(prometheus, path)?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
    Ok(serde_json::from_str::<Value>(&answer.body)?["data"].take())
}

/// What the dashboards offer for choice is not empty either.
fn variables(prometheus: u16) -> Result<()> {
    for file in files::list("monitoring/dashboards", ".json")? {
        let dashboard: Value = serde_json::from_str(&files::read(&file)?)?;
        let variables = dashboard["templating"]["list"]
            .as_array()
            .context("no variables")?;
        for variable in variables.iter().filter(|variable| variable["type"] == "query") {
            let query = variable["query"]["query"].as_str().context("no query")?;
            let (series, label) = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')')?.rsplit_once(", "))
                .with_context(|| format!("not a list of label values: {query}"))?;
            let series = http::escaped(&series.replace("$job", ".*"));
            let values = ask(
                prometheus,
                &format!("/api/v1/label/{label}/values?match[]={series}"),
            )?;
            ensure!(
                values.as_array().is_some_and(|values| !values.is_empty()),
                "{}: nothing to choose from: {query}",
                file.display()
            );
        }
    }
    Ok(())
}

/// Every rule was evaluated without fault, and no alert fires.
fn rules_are_well(prometheus: u16) -> Result<()> {
    let found = ask(prometheus, "/api/v1/rules")?;
    let mut seen = 0;
    for rule in files::all(&found, "rules")
        .into_iter()
        .flat_map(|rules| rules.as_array().into_iter().flatten())
    {
        ensure!(rule["health"] == "ok", "{}: {}", rule["name"], rule["lastError"]);
        ensure!(
            rule["state"] != "firing",
            "{} fires: {}",
            rule["name"],
            rule["alerts"]
        );
        seen += 1;
    }
    ensure!(
        seen == monitoring::rules()?.len(),
        "Prometheus knows {seen} rules only"
    );
    println!("{seen} rules evaluated, no alert fires");
    Ok(())
}

/// People who look, book, cancel and are refused.
struct Customers {
    port: u16,
    event: String,
    small: String,
    requests: u32,
}

impl Customers {
    fn new(port: u16) -> Result<Self> {
        let mut customers = Self {
            port,
            event: String::new(),
            small: String::new(),
            requests: 0,
        };
        customers.event = customers.make("large", 1_000_000)?;
        Ok(customers)
    }

    fn make(&mut self, name: &str, capacity: u32) -> Result<String> {
        let event = json!({
            "name": name, "startdate": 4_000_000_000_u64, "enddate": 4_000_003_600_u64,
            "location": {"name": name, "Hall": {"name": "hall", "capacity": capacity}},
        });
        let stored = self.ask("POST", "/events", &event.to_string(), &[201])?;
        id(&stored)
    }

    /// A handful of each.
    fn round(&mut self) -> Result<()> {
        // A new one each time, so that there are messages to handle.
        self.small = self.make("small", 1)?;
        for seats in 1..=5 {
            let (event, small) = (self.event.clone(), self.small.clone());
            self.ask("GET", &format!("/events/{event}"), "", &[200])?;
            self.ask("GET", &format!("/events/{event}/availability"), "", &[200])?;
            // Until the booking service knows the event, it answers 404.
            let body = json!({ "seats": seats }).to_string();
            let booked = self.ask("POST", &format!("/events/{event}/bookings"), &body, &[201, 404])?;
            if let Ok(booking) = id(&booked) {
                self.ask("DELETE", &format!("/bookings/{booking}"), "", &[204])?;
            }
            let refused = [201, 404, 409];
            self.ask(
                "POST",
                &format!("/events/{small}/bookings"),
                r#"{"seats": 1}"#,
                &refused,
            )?;
        }
        Ok(())
    }

    fn ask(&mut self, method: &str, path: &str, body: &str, expected: &[u16]) -> Result<String> {
        let answer = http::ask(self.port, method, path, body)?;
        self.requests += 1;
        ensure!(
            expected.contains(&answer.status),
            "{method} {path}: {} {}",
            answer.status,
            answer.body
        );
        Ok(answer.body)
    }
}

fn id(stored: &str) -> Result<String> {
    let stored: Value = serde_json::from_str(stored)?;
    let id = ["ID", "id"].iter().find_map(|key| stored[*key].as_str());
    Ok(id.context("no ID in the answer")?.to_owned())
}
