//! `cargo xtask run`: the whole product, built and started.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::page;
use crate::shell;

/// Build `myevents` if needed and start it with some demo events; Ctrl-C stops it.
///
/// Both services run in one process on SQLite; nothing else has to be installed. With Node the page is built first.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,

    /// Where its files go.
    #[arg(long, default_value = "./myevents-data")]
    data: String,

    /// Passed on to `myevents serve`.
    #[arg(last = true)]
    rest: Vec<String>,

    /// Wait until the service at `--listen` is ready, print its addresses, and end.
    #[arg(long, hide = true)]
    announce: bool,
}

impl Run {
    pub(crate) fn run(self) -> Result<()> {
        if self.announce {
            self.announce();
            return Ok(());
        }
        page::ensure_built()?;
        shell::run(shell::cargo(&["build", "--release", "-p", "myevents"]))?;

        // A second process prints the addresses once they answer, so that this one can become the service itself:
        // Ctrl-C and the exit status then need nobody in between.
        Command::new(std::env::current_exe()?)
            .args(["run", "--announce", "--listen", &self.listen])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the announcer")?;
        let program = shell::target().join("release/myevents");
        let failure = Command::new(&program)
            .args(["serve", "--demo", "--listen", &self.listen, "--data", &self.data])
            .args(&self.rest)
            .exec();
        Err(failure).with_context(|| format!("cannot start {}", program.display()))
    }

    fn announce(&self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            if ready(&self.listen) {
                println!("{}", addresses(&self.listen));
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Whether `/readyz` answers 200.
fn ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    let asked = stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .and_then(|()| {
            write!(
                stream,
                "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
            )
        });
    let mut start = [0; 12];
    asked.is_ok() && stream.read_exact(&mut start).is_ok() && start.ends_with(b" 200")
}

fn addresses(listen: &str) -> String {
    format!(
        "
  MyEvents is ready (Ctrl-C stops it)

    the page           http://{listen}/
    for organisers     http://{listen}/organise
    API documents      http://{listen}/docs
    events             http://{listen}/events
    event service      http://127.0.0.1:8181
    booking service    http://127.0.0.1:8282
    metrics            http://127.0.0.1:9100/metrics

  Book two seats of the first event:

    ID=$(curl -s http://{listen}/events?limit=1 | grep -o '\"ID\":\"[0-9a-f]*' | head -1 | cut -d'\"' -f4)
    curl -i http://{listen}/events/$ID/bookings -H 'content-type: application/json' -d '{{\"seats\": 2}}'
"
    )
}
