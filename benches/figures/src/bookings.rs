//! Durable bookings a second: one hot event beside one transaction a booking, bare hyper and the disk; then a thousand events.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use loadtest::check::check;
use loadtest::http::Answer;
use loadtest::load::{Plan, Work};
use loadtest::program::Program;

use crate::Figure;
use crate::machine::fsyncs_per_second;
use crate::rounds::{Loop, Settings, paired};
use crate::stats::median;
use crate::yardstick::{self, Kind};

const CONNECTIONS: usize = 64;

pub(crate) async fn measure(settings: &Settings) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (program, running) = settings.start(&folder).await?;
    let hot = Arc::new(vec![program.service.new_event("hot", 2_000_000_000).await?]);
    let many = Arc::new(events(&program, if settings.quick { 50 } else { 1_000 }).await?);
    let plan = |address, events: &Arc<Vec<String>>| Plan {
        address,
        events: Arc::clone(events),
        work: Work::Book { seats: 1..=1 },
        connections: CONNECTIONS,
        duration: settings.duration(),
        rate: None,
        patience: Duration::from_secs(30),
    };
    let address = program.service.bookings;
    let mut figures = Vec::new();

    let one_by_one = yardstick::start(Kind::Commits, folder.path()).await?;
    let (mut ours, mut theirs) = (
        Loop::new(plan(address, &hot)),
        Loop::new(plan(one_by_one.address, &hot)),
    );
    let children = [running.id(), one_by_one.id()];
    let pairs = paired("one hot event", settings, &children, &mut ours, &mut theirs).await?;
    let (ratio, rate) = (pairs.ratio(), median(&pairs.ours));
    drop(one_by_one);
    let findings = check(&program.service, &hot, &ours.tally, Duration::from_secs(1)).await?;
    ensure!(findings.faults.is_empty(), "{:#?}", findings.faults);
    figures.push(Figure {
        what: format!("durable bookings, one hot event, {CONNECTIONS} connections"),
        got: format!(
            "{ratio} × one transaction a booking ({rate:.0}/s); outbox empty after {:?}",
            findings.outbox_empty_after
        ),
        reach: "≥ 4".to_owned(),
        met: ratio.median >= 4.0,
    });

    let answer = Answer {
        status: 201,
        headers: Vec::new(),
        body: b"{\"ID\":\"00\"}".to_vec(),
    };
    let file = folder.path().join("answer.json");
    yardstick::store_answer(&answer, &file)?;
    let bare = yardstick::start(Kind::Hyper, &file).await?;
    let (mut ours, mut theirs) = (
        Loop::new(plan(address, &hot)),
        Loop::new(plan(bare.address, &hot)),
    );
    let pairs = paired(
        "beside bare hyper",
        settings,
        &[running.id(), bare.id()],
        &mut ours,
        &mut theirs,
    )
    .await?;
    drop(bare);
    let fsyncs = fsyncs_per_second(folder.path(), settings.duration().min(Duration::from_secs(2)))?;
    let bound = (0.2 * median(&pairs.yardstick)).min(0.5 * CONNECTIONS as f64 * fsyncs);
    let rate = median(&pairs.ours);
    figures.push(Figure {
        what: "the same beside an empty POST and the disk".to_owned(),
        got: format!(
            "{rate:.0}/s; bare hyper {:.0}/s, {fsyncs:.0} fsyncs/s",
            median(&pairs.yardstick)
        ),
        reach: format!("≥ {bound:.0}/s = min(0.2 × hyper, 0.5 × {CONNECTIONS} × fsyncs)"),
        met: rate >= bound,
    });

    let (mut ours, mut theirs) = (Loop::new(plan(address, &many)), Loop::new(plan(address, &hot)));
    let pairs = paired("many events", settings, &[running.id()], &mut ours, &mut theirs).await?;
    let ratio = pairs.ratio();
    figures.push(Figure {
        what: format!("the same over {} events", many.len()),
        got: format!("{ratio} of the hot one ({:.0}/s)", median(&pairs.ours)),
        reach: "≥ 0.8".to_owned(),
        met: ratio.median >= 0.8,
    });
    running.stop().await?;
    Ok(figures)
}

async fn events(program: &Program, count: usize) -> Result<Vec<String>> {
    let mut events = Vec::new();
    for number in 0..count {
        events.push(
            program
                .service
                .new_event(&format!("one of many {number}"), 1_000_000_000)
                .await?,
        );
    }
    Ok(events)
}
