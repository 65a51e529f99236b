//! Bookings at a multiple of what the service can do, whatever becomes of those before: how much is accepted, how fast, and
//! whether it is as before afterwards.
//!
//! A request is sent once and never again. Capacity is measured by a closed loop on the same machine, before it and after it: a store
//! gets slower as it grows, and a machine that others use is not always as fast. With a store that is
//! some way off, that is the bound, as it is with a real one; with a file the processor is.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "the report goes to standard output, and shares are shown with two digits"
)]

mod clients;
mod started;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser;
use loadtest::service::Service;
use tokio::task::JoinHandle;

use clients::{Clients, health};
use started::{Start, Started};

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    start: Start,
    /// How many times its capacity.
    #[arg(long, default_value_t = 3.0)]
    times: f64,
    /// Seconds of it.
    #[arg(long, default_value_t = 60.0)]
    duration: f64,
    /// Seconds in which the capacity is measured, before and again afterwards.
    #[arg(long, default_value_t = 60.0)]
    measure: f64,
    /// Connections of the measurement of the capacity: some batches full, and not so many that the wait for a turn is up.
    #[arg(long, default_value_t = 200)]
    connections: usize,
    /// Requests that wait for their answer at most; what is due beyond counts as not sent.
    #[arg(long, default_value_t = 15_000)]
    most: usize,
    /// A connection of its own for each request, as browsers have them; else those that are free are used again, as a proxy does.
    #[arg(long)]
    fresh: bool,
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

/// Processor time from here on, of the service and of this program.
struct Used {
    pids: [u32; 2],
    before: [Option<f64>; 2],
    begun: Instant,
}

impl Used {
    fn from_now(service: u32) -> Self {
        let pids = [service, std::process::id()];
        Self {
            pids,
            before: pids.map(processor_time),
            begun: Instant::now(),
        }
    }

    /// How many processors were at work.
    fn told(&self) -> String {
        let seconds = self.begun.elapsed().as_secs_f64();
        let [service, client] =
            [0, 1].map(
                |which| match (self.before[which], processor_time(self.pids[which])) {
                    (Some(before), Some(after)) => format!("{:.2}", (after - before) / seconds),
                    _ => "?".to_owned(),
                },
            );
        format!("processors at work for the service: {service}, for the client: {client}")
    }
}

/// The most bookings a second.
async fn capacity_of(when: &str, clients: &Arc<Clients>, cli: &Cli, service: u32) -> Result<f64> {
    let used = Used::from_now(service);
    let most = clients.closed(cli.connections, cli.measure).await?;
    let capacity = most.outcomes.get("201").copied().unwrap_or(0) as f64 / most.elapsed.as_secs_f64();
    println!(
        "capacity {when}: {capacity:.0} a second over {} connections; {}",
        cli.connections,
        used.told()
    );
    if capacity <= 0.0 {
        bail!("nothing was booked");
    }
    Ok(capacity)
}

/// When each began after the load, and how long it took where it was accepted.
type Others = Vec<(Duration, Option<Duration>)>;

/// Bookings of others from now on, ten a second for five seconds, each on a connection of its own.
async fn others_of(clients: Arc<Clients>) -> Result<Others> {
    let over = Instant::now();
    let mut asked = Vec::new();
    for _ in 0..50 {
        let begun = over.elapsed();
        let clients = Arc::clone(&clients);
        asked.push(tokio::spawn(async move {
            let outcome = clients.book().await;
            (begun, (outcome == "201").then(|| over.elapsed() - begun))
        }));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut all = Vec::new();
    for each in asked {
        all.push(each.await?);
    }
    Ok(all)
}

/// From when on all took no longer than `calm`, and those that did.
fn told_others(others: &Others, calm: Duration) {
    let slow: Vec<_> = others
        .iter()
        .filter(|(_, took)| took.is_none_or(|took| took > calm))
        .collect();
    let from = match slow.last() {
        Some((last, _)) => others.iter().map(|(begun, _)| begun).find(|begun| *begun > last),
        None => others.first().map(|(begun, _)| begun),
    };
    println!(
        "bookings on new connections that begin {from:?} after it or later take {calm:?} at most; slower before: {slow:?}"
    );
}

async fn told_health(which: &str, probes: JoinHandle<Vec<Option<Duration>>>) -> Result<()> {
    let all = probes.await?;
    let answered: Vec<_> = all.iter().flatten().collect();
    println!(
        "/healthz at the port of {which}, on new connections: {} of {} answered, the slowest after {:?}",
        answered.len(),
        all.len(),
        answered.iter().max()
    );
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let started = Started::new(&cli.start).await?;
    let (target, pid) = (started.api, started.id());
    let service = Service {
        events: target,
        bookings: target,
        metrics: None,
    };
    let event = service.new_event("Overload", 2_000_000_000).await?;
    let clients = Clients::new(target, event.clone(), cli.fresh);
    let alone = clients.closed(1, 3.0).await?;
    println!(
        "alone: p99 {:.2} ms; memory {:?} MiB",
        alone.millis(99.0),
        started.resident()
    );
    let capacity = capacity_of("before", &clients, &cli, pid).await?;

    let rate = capacity * cli.times;
    let probes = [("the APIs", started.api), ("metrics", started.metrics)]
        .map(|(which, address)| (which, tokio::spawn(health(address, cli.duration))));
    let calm = Duration::from_secs_f64(5.0 * alone.millis(99.0) / 1_000.0);
    let (mut peak, mut afterwards) = (started.resident(), None);
    let used = Used::from_now(pid);
    let rush = clients
        .open(
            rate,
            cli.duration,
            cli.most,
            || peak = peak.max(started.resident()),
            || {
                println!("under load: {}", used.told());
                let strangers = Clients::new(target, event.clone(), true);
                afterwards = Some(tokio::spawn(others_of(strangers)));
            },
        )
        .await;
    let others = match afterwards {
        Some(afterwards) => afterwards.await??,
        None => Others::new(),
    };
    let goodput = rush.in_time as f64 / cli.duration;
    println!(
        "{rate:.0} a second were due for {:.0} s; {} of them were not sent, as {} waited",
        cli.duration, rush.not_sent, cli.most
    );
    println!("accepted second by second: {:?}", rush.by_second);
    for (outcome, count) in &rush.tally.outcomes {
        println!("{count:>9}  {outcome}");
    }
    println!(
        "accepted ones from when they were due: p50 {:.0} ms, p99 {:.0} ms; memory {peak:?} MiB at most",
        rush.accepted.millis(50.0),
        rush.accepted.millis(99.0)
    );
    told_others(&others, calm);
    for (which, probes) in probes {
        told_health(which, probes).await?;
    }
    // The connections of the crowd end first.
    drop(clients);
    let clients = Clients::new(target, event, cli.fresh);
    let later = capacity_of("afterwards", &clients, &cli, pid).await?;
    println!(
        "accepted before its end: {goodput:.0} a second, {:.2} of the capacity before and {:.2} of that afterwards, {:.2} of their mean",
        goodput / capacity,
        goodput / later,
        goodput / f64::midpoint(capacity, later)
    );
    Ok(())
}
