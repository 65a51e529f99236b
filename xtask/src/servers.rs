//! The servers that tests share, for the time of one `cargo xtask test`.

use std::time::Instant;

use myevents_servers::{Kind, Server, find, install};

use crate::skips;

/// Those that were started for this run. They end with this value, however the run goes.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    started: Vec<Server>,
}

impl Servers {
    /// Starts what the tests need and nobody runs yet, and says what. One that cannot start is not the end of the run: its tests say so.
    pub(crate) fn start() -> Self {
        let mut servers = Self::default();
        for kind in Kind::NEEDED {
            let shared = Kind::SHARED.contains(&kind);
            if let Some(url) = find(kind).filter(|_| shared) {
                println!("--- {kind}: using {url}");
                continue;
            }
            if skips::required()
                && let Err(error) = install::install(kind, &|line| println!("--- {line}"))
            {
                println!("--- {error:#}");
                continue;
            }
            if let Err(reason) = install::check(kind) {
                println!("--- {reason}");
                continue;
            }
            if !shared {
                continue;
            }
            let start = Instant::now();
            match Server::start(kind) {
                Ok(server) => {
                    let took = start.elapsed().as_secs_f64();
                    println!(
                        "--- {kind}: {} started at {} in {took:.1} s",
                        install::product(kind),
                        server.url()
                    );
                    servers.started.push(server);
                }
                Err(error) => println!("--- {error:#}"),
            }
        }
        servers
    }

    /// How the tests find them.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.started
            .iter()
            .map(|server| (server.kind().environment(), server.url()))
    }

    /// Asks each to end, and says of one that died on the way.
    pub(crate) fn stop(self) {
        for mut server in self.started {
            let kind = server.kind();
            if !server.is_running() {
                println!("--- {kind}: died during the tests");
            }
            match server.stop() {
                Ok(()) => println!("--- {kind}: stopped"),
                Err(error) => println!("--- {kind}: {error:#}"),
            }
        }
    }
}
