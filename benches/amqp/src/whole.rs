//! The whole system: bookings over the time of the run and the drain, by the two services joined by RabbitMQ, beside `myevents` with
//! `local`; and the processor time of our own processes for each booking.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use loadtest::load::{Plan, Progress, Work, run};
use loadtest::service::Service;

use crate::stats::{bootstrap, median};
use crate::{Sizes, line};

const CONNECTIONS: usize = 64;
/// A drain that takes longer is none.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);

/// Bookings a second of run and drain, and milliseconds of processor time a booking.
struct Measure {
    rate: f64,
    cost: f64,
}

/// Milliseconds that these processes have used.
pub(crate) fn used(processes: &[u32]) -> Result<f64> {
    let mut ticks = 0.0;
    for process in processes {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let rest = stat.rsplit_once(')').context("no name in stat")?.1;
        for field in rest.split_whitespace().skip(11).take(2) {
            ticks += field.parse::<f64>()?;
        }
    }
    // The kernel counts in hundredths of a second everywhere we run.
    Ok(ticks * 10.0)
}

/// Books for so long, then waits until `waiting` says that nothing is left to announce.
async fn measure_one(
    service: Service,
    event: &str,
    seconds: f64,
    processes: &[u32],
    waiting: impl Fn() -> Result<u64>,
) -> Result<Measure> {
    let plan = Plan {
        address: service.bookings,
        events: Arc::new(vec![event.to_owned()]),
        work: Work::Book { seats: 1..=1 },
        connections: CONNECTIONS,
        duration: Duration::from_secs_f64(seconds),
        rate: None,
        patience: Duration::from_secs(30),
    };
    let (start, before) = (Instant::now(), used(processes)?);
    let tally = run(plan, Arc::new(Progress::default())).await?;
    let booked = tally.accepted.len() as f64;
    ensure!(
        tally.outcomes.keys().all(|outcome| outcome == "booked"),
        "{:?}",
        tally.outcomes
    );
    while waiting()? > 0 {
        ensure!(start.elapsed() < DRAINED_WITHIN, "the outbox does not run empty");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Measure {
        rate: booked / start.elapsed().as_secs_f64(),
        cost: (used(processes)? - before) / booked,
    })
}

/// How many messages wait, by what the program's own command says.
fn waiting(mut command: Command) -> Result<u64> {
    let output = command.args(["outbox", "depth"]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut sum = 0;
    for line in said.lines() {
        let (_, rest) = line.split_once(": ").with_context(|| said.clone())?;
        let number = rest.split_whitespace().next().with_context(|| said.clone())?;
        sum += number.parse::<u64>()?;
    }
    ensure!(output.status.success() && !said.is_empty(), "{said}");
    Ok(sum)
}

pub(crate) async fn measure(url: &str, sizes: &Sizes) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let [(events, events_running), (bookings, bookings_running)] = sizes.services(url, &folder).await?;
    let (program, running) = sizes.one_program(&folder).await?;
    let joined = Service {
        events: events.address,
        bookings: bookings.address,
        metrics: None,
    };
    let (over_amqp, over_local) = (
        joined.new_event("over RabbitMQ", 2_000_000_000).await?,
        program.service.new_event("local", 2_000_000_000).await?,
    );
    let two = [events_running.id(), bookings_running.id()];
    let rabbit = async || {
        measure_one(joined, &over_amqp, sizes.seconds, &two, || {
            let mut command = Command::new(&bookings.binary);
            command.current_dir(&bookings.folder);
            waiting(command)
        })
        .await
    };
    let local = async || {
        measure_one(
            program.service,
            &over_local,
            sizes.seconds,
            &[running.id()],
            || {
                let mut command = Command::new(&program.binary);
                command.arg("--data").arg(&program.data);
                waiting(command)
            },
        )
        .await
    };
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for round in 0..sizes.rounds {
        let (one, other) = if round % 2 == 0 {
            let one = rabbit().await?;
            (one, local().await?)
        } else {
            let other = local().await?;
            (rabbit().await?, other)
        };
        println!(
            "whole system, round {}: {:.0} bookings/s and {:.3} ms of processor each, beside {:.0}/s and {:.3} ms",
            round + 1,
            one.rate,
            one.cost,
            other.rate,
            other.cost
        );
        ours.push(one);
        beside.push(other);
    }
    bookings_running.stop().await?;
    events_running.stop().await?;
    running.stop().await?;
    let rates = |of: &[Measure]| of.iter().map(|one| one.rate).collect::<Vec<_>>();
    let costs = |of: &[Measure]| of.iter().map(|one| one.cost).collect::<Vec<_>>();
    let more: Vec<f64> = costs(&ours)
        .iter()
        .zip(costs(&beside))
        .map(|(ours, beside)| ours / beside)
        .collect();
    let more = bootstrap(&more);
    let met = if more.median <= 1.3 {
        "reached"
    } else {
        "**missed**"
    };
    Ok(vec![
        line(
            "bookings ÷ (run + drain), one hot event, 64 connections",
            0.4,
            "`local`",
            &rates(&ours),
            &rates(&beside),
        ),
        format!(
            "| processor time of our processes a booking | ≤ 1.3 × `local` | {more}, {:.3} ms beside {:.3} ms | {met} |",
            median(&costs(&ours)),
            median(&costs(&beside))
        ),
    ])
}
