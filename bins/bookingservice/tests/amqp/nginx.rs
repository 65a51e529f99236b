//! A real nginx before several processes of each service, with the map of paths that ships: it is told which of them to ask
//! while it runs, and its own log says how every request ended.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loadtest::service::ask;
use myevents_servers::install::Tool;
use myevents_servers::ports;
use tempfile::TempDir;

const SHIPPED: &str = include_str!("../../../../deploy/nginx/myevents.conf.template");

/// How a request ended, by nginx's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// The processes that were asked for it, in turn.
    pub(crate) asked: Vec<String>,
    /// Its first line, and what each of them made of it.
    pub(crate) rest: String,
}

impl Told {
    /// Whether whoever asked could see that something was amiss; 499 is an impatient client.
    pub(crate) fn failed(&self) -> bool {
        self.status >= 499 || self.status < 200
    }
}

/// The server; it ends with this value, and with this process.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    services: [(&'static str, Vec<SocketAddr>); 2],
    folder: TempDir,
    program: std::path::PathBuf,
    shell: Child,
}

impl Nginx {
    /// Starts it before these processes. `None` where it is not installed, which is noted.
    pub(crate) async fn start(
        test: &str,
        events: Vec<SocketAddr>,
        bookings: Vec<SocketAddr>,
    ) -> Option<Self> {
        let program = Tool::NGINX.for_test(test).unwrap()?;
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free(1).unwrap()));
        let services = [("eventservice", events), ("bookingservice", bookings)];
        fs::create_dir(folder.path().join("page")).unwrap();
        fs::write(folder.path().join("page/index.html"), "the page").unwrap();
        fs::write(
            folder.path().join("nginx.conf"),
            configuration(folder.path(), address),
        )
        .unwrap();
        fs::write(folder.path().join("upstreams.conf"), upstreams(&services, None)).unwrap();
        // nginx's workers outlive a master that is killed. So a shell asks it to end when its own input ends, which it does
        // with this process however that ends.
        let shell = Command::new("/bin/sh")
            .args([
                "-c",
                r#""$1" -p "$2" -c "$2/nginx.conf" & read -r _; kill -TERM $!; wait $!"#,
                "sh",
            ])
            .arg(&program)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("said")).unwrap())
            .spawn()
            .unwrap();
        let nginx = Self {
            address,
            services,
            folder,
            program,
            shell,
        };
        let start = Instant::now();
        while !ask(address, "GET", "/", None)
            .await
            .is_ok_and(|answer| answer.status == 200)
        {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "nginx does not answer: {}",
                nginx.said()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(nginx)
    }

    /// Asks all processes, but not this one of a service. Answers once no worker is left that could still ask it.
    pub(crate) async fn without(&self, out: Option<SocketAddr>) {
        let old = self.workers();
        fs::write(
            self.folder.path().join("upstreams.conf"),
            upstreams(&self.services, out),
        )
        .unwrap();
        let reloaded = Command::new(&self.program)
            .arg("-p")
            .arg(self.folder.path())
            .arg("-c")
            .arg(self.folder.path().join("nginx.conf"))
            .args(["-s", "reload"])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(reloaded.success(), "nginx does not reload: {}", self.said());
        let start = Instant::now();
        loop {
            let now = self.workers();
            if !now.is_empty() && now.iter().all(|worker| !old.contains(worker)) {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "old workers stay: {}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it noted so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        // The last line may be half there.
        let (whole, _) = log.rsplit_once('\n').unwrap_or_default();
        whole.lines().map(told).collect()
    }

    /// Waits until this process has answered a request that came after the first `seen`: nginx leaves one that was away
    /// alone for a second.
    pub(crate) async fn asks_again(&self, process: SocketAddr, seen: usize) {
        let (process, start) = (process.to_string(), Instant::now());
        while !self.told()[seen..]
            .iter()
            .any(|told| !told.failed() && told.asked.last() == Some(&process))
        {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "{process} is not asked again: {}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn workers(&self) -> Vec<String> {
        let master = fs::read_to_string(self.folder.path().join("nginx.pid")).unwrap();
        let master = master.trim();
        fs::read_to_string(format!("/proc/{master}/task/{master}/children"))
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(mut input) = self.shell.stdin.take() {
            // One that ended by itself was noticed by the test.
            let _told = input.write_all(b"\n");
        }
        let _ended = self.shell.wait();
    }
}

fn configuration(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .collect();
    let page = format!("{folder}/page");
    let listen = address.to_string();
    let mut server = SHIPPED.to_owned();
    for (name, value) in [
        ("EVENTSERVICE", "eventservice"),
        ("BOOKINGSERVICE", "bookingservice"),
        ("PORT", &listen),
        ("RESOLVER", "127.0.0.1"),
        ("PAGE", &page),
    ] {
        server = server.replace(&format!("${{{name}}}"), value);
    }
    // A connection for each request: an idle one that a reload closes is no failed request, and would look like one here.
    format!(
        "user root;\ndaemon off;\nworker_processes 2;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}
http {{
log_format told '$status|$upstream_addr|$request|$upstream_status';
access_log {folder}/access.log told;
keepalive_timeout 0;
{places}
include {folder}/upstreams.conf;
{server}
}}
"
    )
}

/// The groups that the shipped file's variables name.
fn upstreams(services: &[(&'static str, Vec<SocketAddr>)], out: Option<SocketAddr>) -> String {
    let mut text = String::new();
    for (name, addresses) in services {
        writeln!(text, "upstream {name} {{\nzone {name} 64k;").unwrap();
        for address in addresses {
            let down = if out == Some(*address) { " down" } else { "" };
            writeln!(text, "server {address} fail_timeout=1s{down};").unwrap();
        }
        text.push_str("}\n");
    }
    text
}

fn told(line: &str) -> Told {
    let mut fields = line.splitn(3, '|');
    let mut next = || fields.next().unwrap().to_owned();
    let (status, asked, rest) = (next(), next(), next());
    Told {
        status: status.parse().unwrap(),
        asked: asked.split(", ").map(str::to_owned).collect(),
        rest,
    }
}
