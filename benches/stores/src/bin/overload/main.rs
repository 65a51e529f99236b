//! Bookings at a multiple of what the service can do, whatever becomes of those before: how much is accepted, how fast, and
//! whether it is as before afterwards.
//!
//! A request is sent once and never again. Capacity is measured first, by a closed loop on the same machine. With a store that is
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
    /// Seconds in which the capacity is measured.
    #[arg(long, default_value_t = 15.0)]
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

/// Bookings of others from now on, ten a second for five seconds, each on a connection of its own: the first from which on all took
/// no longer than `calm`.
async fn calm_again(clients: Arc<Clients>, calm: Duration) -> Result<Option<Duration>> {
    let over = Instant::now();
    let mut others = Vec::new();
    for _ in 0..50 {
        let begun = over.elapsed();
        let clients = Arc::clone(&clients);
        others.push(tokio::spawn(async move {
            let outcome = clients.book().await;
            (begun, outcome == "201" && over.elapsed() - begun <= calm)
        }));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut back = None;
    for other in others {
        let (begun, as_before) = other.await?;
        back = back.filter(|_| as_before).or(as_before.then_some(begun));
    }
    Ok(back)
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
    let used = Used::from_now(pid);
    let most = clients.closed(cli.connections, cli.measure).await?;
    let capacity = most.outcomes.get("201").copied().unwrap_or(0) as f64 / most.elapsed.as_secs_f64();
    println!(
        "alone: p99 {:.2} ms; capacity: {capacity:.0} a second over {} connections; memory {:?} MiB; {}",
        alone.millis(99.0),
        cli.connections,
        started.resident(),
        used.told()
    );
    if capacity <= 0.0 {
        bail!("nothing was booked");
    }

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
                let others = Clients::new(target, event, true);
                afterwards = Some(tokio::spawn(calm_again(others, calm)));
            },
        )
        .await;
    let back = match afterwards {
        Some(afterwards) => afterwards.await??,
        None => None,
    };
    let goodput = rush.in_time as f64 / cli.duration;
    println!(
        "{rate:.0} a second were due for {:.0} s; {} of them were not sent, as {} waited",
        cli.duration, rush.not_sent, cli.most
    );
    println!(
        "accepted before its end: {goodput:.0} a second, {:.2} of the capacity",
        goodput / capacity
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
    println!("bookings on new connections that begin {back:?} after it or later take {calm:?} at most");
    for (which, probes) in probes {
        told_health(which, probes).await?;
    }
    Ok(())
}
