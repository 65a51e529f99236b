//! The program under load, with its store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use loadtest::program::{Program, Running};
use myevents_core::testkit::FaultProxy;
use myevents_servers::{Kind, Server};
use tempfile::TempDir;

/// Which store the program works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// A file; the processor is the bound.
    Sqlite,
    /// The stand-in for MongoDB, some milliseconds away; it is the bound.
    Mongodb,
}

/// How the program is started.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// The program; without it, the `myevents` that lies beside this one.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Its store.
    #[arg(long, value_enum, default_value_t = Store::Mongodb)]
    store: Store,
    /// Milliseconds that each byte takes to the store, and back.
    #[arg(long, default_value_t = 50)]
    latency: u64,
    /// The processors of the service alone, as `taskset` takes them; start this program itself on others.
    #[arg(long)]
    apart: Option<String>,
}

/// The program with its store. What is dropped ends.
pub(crate) struct Started {
    /// Where both APIs are.
    pub(crate) api: SocketAddr,
    /// Where the metrics are.
    pub(crate) metrics: SocketAddr,
    running: Running,
    _store: Option<(Server, FaultProxy)>,
    _folder: TempDir,
}

impl Started {
    pub(crate) async fn new(start: &Start) -> Result<Self> {
        let folder = TempDir::new()?;
        let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("myevents"));
        let program = start.program.clone().map_or_else(beside, Ok)?;
        let mut program = Program::new(program, folder.path().join("data"));
        if let Some(processors) = &start.apart {
            program.before = format!("taskset -cp {processors} $$ >/dev/null &&");
        }
        let store = match start.store {
            Store::Sqlite => None,
            Store::Mongodb => {
                let server = Server::start_in(Kind::Mongodb, &folder.path().join("server"))?;
                let far = server
                    .url()
                    .trim_start_matches("mongodb://")
                    .trim_end_matches('/');
                let proxy = FaultProxy::start(far.parse().context("the server's address")?).await?;
                proxy.set_latency(Duration::from_millis(start.latency));
                let url = |name| format!("mongodb://{}/{name}", proxy.address());
                let settings = [
                    ("MYEVENTS_DATABASETYPE", "mongodb".to_owned()),
                    ("MYEVENTS_EVENTSERVICE_DBCONNECTION", url("events")),
                    ("MYEVENTS_BOOKINGSERVICE_DBCONNECTION", url("bookings")),
                ];
                program.environment = settings.map(|(name, value)| (name.to_owned(), value)).into();
                Some((server, proxy))
            }
        };
        let running = program.start_ready().await?;
        Ok(Self {
            api: program.service.bookings,
            metrics: program.service.metrics.context("a port for metrics")?,
            running,
            _store: store,
            _folder: folder,
        })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    /// Its memory in MiB.
    pub(crate) fn resident(&self) -> Option<u64> {
        Some(self.running.resident_bytes().ok()? >> 20)
    }
}
