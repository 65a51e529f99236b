//! Bookings at a multiple of what the service can do, whatever becomes of those before: how much is accepted, how fast, and
//! whether it is as before afterwards.
//!
//! A request is sent once and never again. Capacity is measured first, by a closed loop on the same machine. With a store that is
//! some way off, that is the bound, as it is with a real one; with a file the processor is, which this program takes its share of.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "the report goes to standard output, and shares are shown with two digits"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use loadtest::booker::Order;
use loadtest::http::Connection;
use loadtest::load::{Plan, Progress, Work, run};
use loadtest::program::{Program, Running};
use loadtest::service::Service;
use loadtest::tally::Tally;
use myevents_core::testkit::FaultProxy;
use myevents_servers::{Kind, Server};
use parking_lot::Mutex;
use tempfile::TempDir;

/// Which store the program works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    /// A file; the processor is the bound.
    Sqlite,
    /// The stand-in for MongoDB, some milliseconds away; it is the bound.
    Mongodb,
}

#[derive(Debug, Parser)]
struct Cli {
    /// The program; without it, the `myevents` that lies beside this one.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Its store.
    #[arg(long, value_enum, default_value_t = Store::Mongodb)]
    store: Store,
    /// Milliseconds that each byte takes to the store, and back.
    #[arg(long, default_value_t = 50)]
    latency: u64,
    /// How many times its capacity.
    #[arg(long, default_value_t = 3.0)]
    times: f64,
    /// Seconds of it.
    #[arg(long, default_value_t = 60.0)]
    duration: f64,
    /// Seconds in which the capacity is measured.
    #[arg(long, default_value_t = 15.0)]
    measure: f64,
    /// Connections of the measurement of the capacity: some batches full, and not so many that the wait for a turn is up.
    #[arg(long, default_value_t = 200)]
    connections: usize,
    /// Requests that wait for their answer at most; what is due beyond counts as not sent.
    #[arg(long, default_value_t = 15_000)]
    most: usize,
}

/// The program with its store. What is dropped ends.
struct Started {
    address: SocketAddr,
    running: Running,
    _store: Option<(Server, FaultProxy)>,
    _folder: TempDir,
}

impl Started {
    async fn new(cli: &Cli) -> Result<Self> {
        let folder = TempDir::new()?;
        let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("myevents"));
        let program = cli.program.clone().map_or_else(beside, Ok)?;
        let mut program = Program::new(program, folder.path().join("data"));
        let store = match cli.store {
            Store::Sqlite => None,
            Store::Mongodb => {
                let server = Server::start_in(Kind::Mongodb, &folder.path().join("server"))?;
                let far = server
                    .url()
                    .trim_start_matches("mongodb://")
                    .trim_end_matches('/');
                let proxy = FaultProxy::start(far.parse().context("the server's address")?).await?;
                proxy.set_latency(Duration::from_millis(cli.latency));
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
            address: program.service.bookings,
            running,
            _store: store,
            _folder: folder,
        })
    }
}

/// What the requests of the overload share.
struct Clients {
    target: SocketAddr,
    event: String,
    idle: Mutex<Vec<Connection>>,
    tally: Mutex<Tally>,
    /// Of the accepted ones alone.
    accepted: Mutex<Tally>,
    /// Accepted ones whose answers came before the load ended.
    in_time: AtomicU64,
    open: AtomicUsize,
}

impl Clients {
    /// Books once; answers what came of it.
    async fn book(&self, number: u64) -> String {
        let order = Order {
            event: self.event.clone(),
            seats: 1,
            key: format!("overload-{number:020}"),
            ..Order::default()
        };
        let kept = self.idle.lock().pop();
        let asked = async {
            let mut connection = match kept {
                Some(kept) => kept,
                None => Connection::open(self.target).await?,
            };
            let answer = connection.send(&order.request()).await?;
            anyhow::Ok((connection, answer.status))
        };
        match asked.await {
            Ok((connection, status)) => {
                if connection.is_open() {
                    self.idle.lock().push(connection);
                }
                status.to_string()
            }
            Err(_) => "no answer".to_owned(),
        }
    }
}

fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? >> 10)
}

/// The processor time that a process has used, in seconds; Linux counts it in hundredths.
fn processor_time(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / 100.0)
}

/// How many processors were at work for it in these seconds.
fn processors(before: Option<f64>, pid: u32, seconds: f64) -> String {
    match (before, processor_time(pid)) {
        (Some(before), Some(after)) => format!("{:.2}", (after - before) / seconds),
        _ => "?".to_owned(),
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let started = Started::new(&cli).await?;
    let (target, pid) = (started.address, started.running.id());
    let service = Service {
        events: target,
        bookings: target,
        metrics: None,
    };
    let event = service.new_event("Overload", 2_000_000_000).await?;
    let closed = async |connections, seconds| {
        let plan = Plan {
            address: target,
            events: Arc::new(vec![event.clone()]),
            work: Work::Book { seats: 1..=1 },
            connections,
            duration: Duration::from_secs_f64(seconds),
            rate: None,
            patience: Duration::from_secs(60),
        };
        run(plan, Arc::new(Progress::default())).await
    };
    let own = std::process::id();
    let alone = closed(1, 3.0).await?;
    let (ours, theirs) = (processor_time(own), processor_time(pid));
    let most = closed(cli.connections, cli.measure).await?;
    let capacity = most.per_second();
    println!(
        "alone: p99 {:.2} ms; capacity: {capacity:.0} a second over {} connections; memory {:?} MiB",
        alone.millis(99.0),
        cli.connections,
        resident(pid)
    );
    println!(
        "processors at work for the service: {}, for the client: {}",
        processors(theirs, pid, cli.measure),
        processors(ours, own, cli.measure)
    );
    if capacity <= 0.0 {
        bail!("nothing was booked");
    }

    let clients = Arc::new(Clients {
        target,
        event: event.clone(),
        idle: Mutex::default(),
        tally: Mutex::default(),
        accepted: Mutex::default(),
        in_time: AtomicU64::new(0),
        open: AtomicUsize::new(0),
    });
    let rate = capacity * cli.times;
    let (mut sent, mut peak, mut not_sent) = (0_u64, resident(pid), 0_u64);
    let (ours, theirs) = (processor_time(own), processor_time(pid));
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(cli.duration);
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    let mut look = begin;
    while Instant::now() < end {
        ticks.tick().await;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count far below 2^53"
        )]
        let due = (begin.elapsed().as_secs_f64() * rate) as u64;
        while sent < due {
            let at = begin + Duration::from_secs_f64(sent as f64 / rate);
            sent += 1;
            if clients.open.load(Ordering::Relaxed) >= cli.most {
                not_sent += 1;
                continue;
            }
            clients.open.fetch_add(1, Ordering::Relaxed);
            let clients = Arc::clone(&clients);
            tokio::spawn(async move {
                let outcome = clients.book(sent).await;
                clients.open.fetch_sub(1, Ordering::Relaxed);
                // From the moment it was due: a stall can't hide what waited for it.
                if outcome == "201" {
                    if Instant::now() <= end {
                        clients.in_time.fetch_add(1, Ordering::Relaxed);
                    }
                    clients.accepted.lock().note(&outcome, at.elapsed());
                }
                clients.tally.lock().note(&outcome, at.elapsed());
            });
        }
        if look.elapsed() > Duration::from_millis(250) {
            look = Instant::now();
            peak = peak.max(resident(pid));
        }
    }
    let over = Instant::now();
    println!(
        "under load: processors at work for the service: {}, for the client: {}",
        processors(theirs, pid, cli.duration),
        processors(ours, own, cli.duration)
    );
    // What is on its way still comes in; these are somebody else's.
    let mut others = Vec::new();
    for number in 0..50 {
        let order = Order {
            event: event.clone(),
            seats: 1,
            key: format!("afterwards-{number:020}"),
            ..Order::default()
        };
        let begun = over.elapsed();
        others.push(tokio::spawn(async move {
            let asked = async { Connection::open(target).await?.send(&order.request()).await };
            let answered = asked.await;
            (
                begun,
                answered.map(|answer| (answer.status, over.elapsed() - begun)),
            )
        }));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // From the first one on that is served as one alone, and so are all later ones.
    let calm = Duration::from_secs_f64(1.5 * alone.millis(99.0) / 1_000.0);
    let mut back = None;
    for other in others {
        let (begun, answered) = other.await?;
        let as_before = matches!(answered, Ok((201, took)) if took <= calm);
        back = back.filter(|_| as_before).or(as_before.then_some(begun));
    }
    while clients.open.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (tally, taken) = (clients.tally.lock(), clients.accepted.lock());
    let goodput = clients.in_time.load(Ordering::Relaxed) as f64 / cli.duration;
    println!(
        "{rate:.0} a second were due for {:.0} s; {sent} in all, {not_sent} of them not sent, as {} waited",
        cli.duration, cli.most
    );
    println!(
        "accepted before its end: {goodput:.0} a second, {:.2} of the capacity",
        goodput / capacity
    );
    for (outcome, count) in &tally.outcomes {
        println!("{count:>9}  {outcome}");
    }
    println!(
        "accepted ones from when they were due: p50 {:.0} ms, p99 {:.0} ms; memory {peak:?} MiB at most; bookings that begin {back:?} after it or later take what one alone takes",
        taken.millis(50.0),
        taken.millis(99.0)
    );
    Ok(())
}
