//! Which paths go where: the same twenty through the nginx of the page, through the Ingress, and through `myevents` itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use myevents_servers::ports;
use serde_json::Value;

use super::process::Running;
use super::{files, http, tools};
use crate::shell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Event,
    Booking,
    Page,
}

use Target::{Booking, Event, Page};

const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";

/// `{}` stands for an id.
const PATHS: [(&str, Target); 22] = [
    ("/events", Event),
    ("/events?limit=1", Event),
    ("/events/", Event),
    ("/events/{}", Event),
    ("/events/id/{}", Event),
    ("/events/NAME/opera%20aida", Event),
    // An event of that name, not the bookings of an event whose id is `name`.
    ("/events/name/bookings", Event),
    ("/events/Id/availability", Event),
    ("/locations", Event),
    ("/locations/{}", Event),
    ("/events/{}/bookings", Booking),
    ("/events/{}/bookings?limit=1", Booking),
    ("/events/{}/availability", Booking),
    ("/bookings/{}", Booking),
    ("/users/{}", Booking),
    ("/users/{}/bookings", Booking),
    ("/availability?ids={}", Booking),
    ("/", Page),
    ("/my", Page),
    ("/e/{}", Page),
    ("/t/{}", Page),
    ("/organise/new", Page),
];

/// Asks all of them, each way.
///
/// # Errors
/// With the first that goes elsewhere.
pub(super) fn check(program: &Path) -> Result<()> {
    let folder = shell::target().join("deploy/routes");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("page"))?;
    fs::write(folder.join("page/index.html"), "<title>the page</title>")?;
    let first = ports::free(6)?;
    let ways = Ways {
        event: first,
        booking: first + 1,
        own: first + 2,
        page: first + 3,
        folder,
    };

    let mut service = Command::new(program);
    // Through a proxy the organiser's list is closed else, and would not say who answered.
    service
        .env_clear()
        .env("MYEVENTS_ORGANISER_OPEN", "true")
        .args(["serve", "--metrics-listen", "none"]);
    for (flag, port) in [
        ("--listen", ways.own),
        ("--event-listen", ways.event),
        ("--booking-listen", ways.booking),
    ] {
        service.args([flag, &format!("127.0.0.1:{port}")]);
    }
    service.arg("--data").arg(ways.folder.join("data"));
    let _service = Running::start(service, &ways.folder.join("myevents.log"), ways.own, "/readyz")?;

    ways.own_origin()?;
    // Each at a port of its own, so that neither can answer for the other.
    let configurations = [
        ("nginx", first + 4, ways.shipped(first + 4)?),
        ("the Ingress", first + 5, ways.ingress(first + 5)?),
    ];
    for (name, nginx, configuration) in configurations {
        let _nginx = ways.nginx(&configuration, nginx)?;
        for (path, target) in paths() {
            ways.through(nginx, &path, target)
                .with_context(|| format!("{name}: {path}"))?;
        }
        println!("{} paths through {name}", PATHS.len());
    }
    Ok(())
}

fn paths() -> impl Iterator<Item = (String, Target)> {
    PATHS
        .iter()
        .map(|(path, target)| (path.replace("{}", ID), *target))
}

/// Who listens where.
struct Ways {
    event: u16,
    booking: u16,
    own: u16,
    page: u16,
    folder: PathBuf,
}

impl Ways {
    /// The origin of `myevents` answers as the service does whose path it is.
    fn own_origin(&self) -> Result<()> {
        for (path, target) in paths() {
            let got = http::get(self.own, &path)?;
            let as_expected = match target {
                Page => got.status == 200 && got.body.contains("<html"),
                Event => same(&got, &http::get(self.event, &path)?),
                Booking => same(&got, &http::get(self.booking, &path)?),
            };
            ensure!(as_expected, "myevents: {path}: {} {}", got.status, got.body);
        }
        println!("{} paths through myevents", PATHS.len());
        Ok(())
    }

    /// What nginx says it asked, and that the answer is the whole answer.
    fn through(&self, nginx: u16, path: &str, target: Target) -> Result<()> {
        let got = http::get(nginx, path)?;
        let asked = got.header("x-upstream").unwrap_or_default();
        match target {
            Page => {
                ensure!(
                    got.status == 200 && got.body.contains("the page"),
                    "{} {}",
                    got.status,
                    got.body
                );
                ensure!(
                    asked.is_empty() || asked.ends_with(&self.page.to_string()),
                    "went to {asked}"
                );
            }
            Event | Booking => {
                let port = if target == Event { self.event } else { self.booking };
                ensure!(
                    asked == format!("127.0.0.1:{port}"),
                    "went to `{asked}`, wanted {target:?}"
                );
                ensure!(same(&got, &http::get(port, path)?), "{} {}", got.status, got.body);
            }
        }
        Ok(())
    }

    /// The file that the page's image carries, filled in as its entry point does.
    fn shipped(&self, port: u16) -> Result<String> {
        let mut text = files::read(&files::path("nginx/myevents.conf.template"))?;
        for (name, value) in [
            ("EVENTSERVICE", format!("127.0.0.1:{}", self.event)),
            ("BOOKINGSERVICE", format!("127.0.0.1:{}", self.booking)),
            ("PORT", format!("127.0.0.1:{port}")),
            ("RESOLVER", "127.0.0.1".to_owned()),
            ("PAGE", self.folder.join("page").display().to_string()),
        ] {
            let mark = format!("${{{name}}}");
            ensure!(text.contains(&mark), "no {mark} in the template");
            text = text.replace(&mark, &value);
        }
        ensure!(!text.contains("${"), "a variable that nobody fills in");
        Ok(text)
    }

    /// The Ingress as ingress-nginx writes it down: every path a regular expression for any case, the longest one first.
    fn ingress(&self, port: u16) -> Result<String> {
        let documents = files::yaml(&files::path("k8s/ingress.yaml"))?;
        let mut locations = Vec::new();
        for paths in documents
            .iter()
            .flat_map(|document| files::all(document, "paths"))
        {
            for path in paths.as_array().context("paths are no list")? {
                let pattern = path["path"].as_str().context("no path")?;
                let service = path["backend"]["service"]["name"]
                    .as_str()
                    .context("no service")?;
                let upstream = match service {
                    "myevents-eventservice" => self.event,
                    "myevents-bookingservice" => self.booking,
                    "myevents-page" => self.page,
                    other => bail!("the Ingress names {other}"),
                };
                locations.push((pattern.to_owned(), upstream));
            }
        }
        ensure!(locations.len() >= 5, "only {locations:?}");
        locations.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        let locations: String = locations
            .iter()
            .map(|(pattern, upstream)| {
                format!("location ~* \"^{pattern}\" {{ proxy_pass http://127.0.0.1:{upstream}; }}\n")
            })
            .collect();
        let page = self.folder.join("page");
        Ok(format!(
            "server {{ listen 127.0.0.1:{port};\n{locations}}}
server {{ listen 127.0.0.1:{}; root {}; location / {{ try_files $uri /index.html; }} }}",
            self.page,
            page.display()
        ))
    }

    /// One process, so that none outlives the check and answers in the next one's place.
    fn nginx(&self, servers: &str, port: u16) -> Result<Running> {
        let folder = self.folder.display();
        let file = self.folder.join("nginx.conf");
        let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
            .collect();
        fs::write(
            &file,
            format!(
                "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}
http {{\naccess_log off;\nadd_header X-Upstream $upstream_addr always;\n{places}\n{servers}\n}}\n"
            ),
        )?;
        let mut command = tools::command(tools::NGINX)?;
        // Root's nginx would hand its work to a user who may not read these files.
        command
            .args(["-g", "user root;", "-p"])
            .arg(&self.folder)
            .arg("-c")
            .arg(file);
        Running::start(command, &self.folder.join("nginx.log"), port, "/my")
    }
}

/// Whether two answers are the same but for what is new in each.
fn same(one: &http::Answer, other: &http::Answer) -> bool {
    let content = |answer: &http::Answer| {
        let mut body: Value =
            serde_json::from_str(&answer.body).unwrap_or_else(|_| answer.body.clone().into());
        if let Some(members) = body.as_object_mut() {
            members.remove("requestId");
        }
        (answer.status, body)
    };
    content(one) == content(other)
}
