//! Reading: one event, and a list of a thousand, beside bare hyper that sends the same bytes with the same headers.

use std::sync::Arc;

use anyhow::{Result, ensure};
use loadtest::http::{Connection, request};
use loadtest::load::{Plan, Work};
use loadtest::service::{ask, event_body};
use std::time::Duration;

use crate::Figure;
use crate::rounds::{Loop, Settings, paired};
use crate::yardstick::{self, Kind};

const CONNECTIONS: usize = 64;

pub(crate) async fn measure(settings: &Settings) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (program, running) = settings.start(&folder).await?;
    let mut last = String::new();
    for number in 0..1_000 {
        let body = event_body(&format!("Evening {number}"), 500);
        let answer = ask(program.service.events, "POST", "/events", Some(&body)).await?;
        last = answer.json()?["ID"].as_str().unwrap_or_default().to_owned();
    }

    let mut figures = Vec::new();
    let cases = [
        ("`GET /events/{id}`", format!("/events/{last}"), 0.9),
        ("`GET /events`", "/events".to_owned(), 0.5),
    ];
    for (what, path, reach) in cases {
        let answer = ask(program.service.events, "GET", &path, None).await?;
        ensure!(answer.status == 200, "{path} answered {}", answer.status);
        let file = folder.path().join("answer.json");
        yardstick::store_answer(&answer, &file)?;
        let bare = yardstick::start(Kind::Hyper, &file).await?;
        let plan = |address| Plan {
            address,
            events: Arc::new(Vec::new()),
            work: Work::Raw(request("GET", &path, &[], b"")),
            connections: CONNECTIONS,
            duration: settings.duration(),
            rate: None,
            patience: Duration::from_secs(10),
        };
        let (mut ours, mut theirs) = (
            Loop::new(plan(program.service.events)),
            Loop::new(plan(bare.address)),
        );
        let pairs = paired(what, settings, &[running.id(), bare.id()], &mut ours, &mut theirs).await?;
        let ratio = pairs.ratio();
        figures.push(Figure {
            what: format!(
                "{what}, {CONNECTIONS} connections, 1,000 events stored, {} bytes",
                answer.body.len()
            ),
            got: format!(
                "{ratio} of bare hyper ({:.0}/s)",
                crate::stats::median(&pairs.ours)
            ),
            reach: format!("≥ {reach}"),
            met: ratio.median >= reach,
        });
        figures.extend(unchanged(program.service.events, what, &path, &answer).await?);
    }
    running.stop().await?;
    Ok(figures)
}

/// Whether a client that has the answer already is told so.
async fn unchanged(
    address: std::net::SocketAddr,
    what: &str,
    path: &str,
    answer: &loadtest::http::Answer,
) -> Result<Option<Figure>> {
    let etag = answer.header("etag").unwrap_or("");
    let mut connection = Connection::open(address).await?;
    let again = connection
        .send(&request("GET", path, &[("if-none-match", etag)], b""))
        .await?;
    Ok(Some(Figure {
        what: format!("{what} again with `If-None-Match`"),
        got: format!("{}", again.status),
        reach: "304".to_owned(),
        met: again.status == 304,
    }))
}
