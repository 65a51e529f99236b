//! The stores on a server, each beside the bare driver: bookings of one hot event, reads, and the relay's rate.
//!
//! Both sides run in this process against the same server, in alternating rounds, so that the ratio says what the protocol is
//! worth there. The server is a stand-in for development (see docs/testing.md): absolute numbers say nothing about a real one.
#![allow(
    clippy::print_stdout,
    reason = "a command line tool talks through its standard output"
)]

mod dynamodb;
mod mongodb;
mod relay;
mod rounds;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use myevents_core::domain::EventId;
use myevents_core::ports::{Store, SystemClock};
use myevents_core::relay::{HandoverReceiver, handover};
use myevents_core::service::{BookingDraft, BookingService, BookingSettings, RequestContext};
use myevents_core::testkit::fixture;
use myevents_servers::{Kind, Server};

use rounds::{Rounds, rate};

/// Measures stores beside the bare driver on the same server.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Rounds of each figure.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each side of a round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Messages in the outbox that the relay works off, each time in a new store.
    #[arg(long, default_value_t = 20_000)]
    messages: usize,
    /// Only these figures: bookings, reads, relay.
    #[arg(long, value_delimiter = ',')]
    figures: Vec<String>,
    /// Only these stores: mongodb, dynamodb.
    only: Vec<String>,
}

/// Connections of the hot event and of the reads.
pub(crate) const CALLERS: usize = 64;

/// The least that an honest program does with the bare driver.
pub(crate) trait Bare: Send + Sync + 'static {
    /// Books one seat durably, never more than there are, under a new id.
    fn book(&self) -> impl Future<Output = Result<()>> + Send;

    /// Reads the event that our store was given.
    fn read(&self) -> impl Future<Output = Result<()>> + Send;

    /// Stores `count` records that wait, then holds and takes off all of them, the least that a relay writes that shares its
    /// outbox with others; answers how many a second. `None` where nothing is compared.
    fn relay(&self, count: usize) -> impl Future<Output = Result<Option<f64>>> + Send;

    /// A store of ours on the same server that nothing was written to yet.
    fn new_store(&self, number: usize) -> impl Future<Output = Result<Arc<dyn Store>>> + Send;
}

impl Cli {
    fn wants(&self, figure: &str) -> bool {
        self.figures.is_empty() || self.figures.iter().any(|wanted| wanted == figure)
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let wanted = |kind: Kind| cli.only.is_empty() || cli.only.iter().any(|word| word == kind.word());
    println!("| store | what | reach | measured | ours | bare driver |\n|---|---|---|---|---|---|");
    if wanted(Kind::Mongodb) {
        let server = Server::start(Kind::Mongodb)?;
        runtime.block_on(async {
            let (store, event) = prepared(mongodb::store(server.url()).await?).await?;
            book(&service(&store).0, event.clone()).await?;
            let bare = Arc::new(mongodb::Direct::new(server.url(), &event).await?);
            measure(&cli, "mongodb", store, event, bare).await
        })?;
    }
    if wanted(Kind::Dynamodb) {
        let server = Server::start(Kind::Dynamodb)?;
        runtime.block_on(async {
            let client = dynamodb::client(server.url());
            let (store, event) = prepared(dynamodb::store(&client).await?).await?;
            book(&service(&store).0, event.clone()).await?;
            let bare = Arc::new(dynamodb::Direct::new(client, &event).await?);
            measure(&cli, "dynamodb", store, event, bare).await
        })?;
    }
    Ok(())
}

/// A store that knows one event with more seats than will be asked for.
async fn prepared(store: Arc<dyn Store>) -> Result<(Arc<dyn Store>, EventId)> {
    let event = fixture::event("hot");
    let id = event.id.clone();
    let projection = fixture::projection(fixture::event_record(event), 1, Some(2_000_000_000));
    let applied = store.project_event(&projection).await?;
    ensure!(applied.copy && applied.counter, "the event was not taken");
    Ok((store, id))
}

async fn measure<B: Bare>(
    cli: &Cli,
    name: &str,
    store: Arc<dyn Store>,
    event: EventId,
    bare: Arc<B>,
) -> Result<()> {
    let time = Duration::from_secs_f64(cli.seconds);
    let (service, _receiver) = service(&store);
    let line = |what: &str, reach: &str, rounds: &Rounds| {
        println!(
            "| `{name}` | {what} | {reach} | {} | {:.0}/s | {:.0}/s |",
            rounds.ratio(),
            rounds.ours(),
            rounds.bare()
        );
    };

    if cli.wants("bookings") {
        let mut booked = Rounds::default();
        for round in 0..cli.rounds {
            let ours = async {
                let (service, event) = (Arc::clone(&service), event.clone());
                rate(CALLERS, time, move || {
                    let (service, event) = (Arc::clone(&service), event.clone());
                    async move { book(&service, event).await }
                })
                .await
            };
            let theirs = async {
                let bare = Arc::clone(&bare);
                rate(CALLERS, time, move || {
                    let bare = Arc::clone(&bare);
                    async move { bare.book().await }
                })
                .await
            };
            booked.add(round, ours, theirs).await?;
        }
        line("bookings, one hot event, 64 callers", "≥ 5 × one by one", &booked);
        let found = store
            .reconcile(&event, false)
            .await?
            .context("the counter is gone")?;
        ensure!(found.drift == 0, "{found:?}");
    }

    if cli.wants("reads") {
        let mut read = Rounds::default();
        for round in 0..cli.rounds {
            let ours = async {
                let (store, event) = (Arc::clone(&store), event.clone());
                rate(CALLERS, time, move || {
                    let (store, event) = (Arc::clone(&store), event.clone());
                    async move { store.find_event(&event).await?.map(drop).context("no event") }
                })
                .await
            };
            let theirs = async {
                let bare = Arc::clone(&bare);
                rate(CALLERS, time, move || {
                    let bare = Arc::clone(&bare);
                    async move { bare.read().await }
                })
                .await
            };
            read.add(round, ours, theirs).await?;
        }
        line("an event by id, 64 callers", "≥ 0.8 × a bare read", &read);
    }

    if cli.wants("relay") {
        relayed(cli, name, &bare).await?;
    }
    store.close().await?;
    Ok(())
}

/// The relay beside the bare driver's same writes, each round in a store of its own: without an index the stand-in looks
/// through whatever rounds before left.
async fn relayed<B: Bare>(cli: &Cli, name: &str, bare: &Arc<B>) -> Result<()> {
    let mut rounds = Rounds::default();
    let mut alone = Vec::new();
    for round in 0..cli.rounds {
        let (store, event) = prepared(bare.new_store(round).await?).await?;
        let ours = relay::rate(&store, &event, cli.messages).await?;
        store.close().await?;
        alone.push(ours);
        if let Some(theirs) = bare.relay(cli.messages).await? {
            rounds
                .add(round, async { Ok(ours) }, async { Ok(theirs) })
                .await?;
        }
    }
    alone.sort_by(f64::total_cmp);
    let (low, high) = (
        alone.first().copied().unwrap_or_default(),
        alone.last().copied().unwrap_or_default(),
    );
    let (ratio, theirs) = if rounds.is_empty() {
        (String::from("–"), String::from("–"))
    } else {
        (rounds.ratio(), format!("{:.0}/s", rounds.bare()))
    };
    println!(
        "| `{name}` | relay, {} messages, `local` | ≥ 5,000/s (`mongodb`) | {ratio} | {:.0}/s [{low:.0}, {high:.0}] | {theirs} |",
        cli.messages,
        rounds::middle(&alone),
    );
    Ok(())
}

fn service(store: &Arc<dyn Store>) -> (Arc<BookingService>, HandoverReceiver) {
    let (handover, receiver) = handover(16);
    let settings = BookingSettings::default();
    (
        Arc::new(BookingService::new(
            Arc::<dyn Store>::clone(store),
            handover,
            settings,
        )),
        receiver,
    )
}

async fn book(service: &BookingService, event: EventId) -> Result<()> {
    let draft = BookingDraft {
        id: None,
        event,
        user: None,
        name: None,
        email: None,
        seats: fixture::seats(1),
    };
    let outcome = service
        .book_event(&RequestContext::default(), None, draft)
        .await?;
    ensure!(
        matches!(outcome, myevents_core::ports::Outcome::Booked(_)),
        "{outcome:?}"
    );
    Ok(())
}

/// The clock of stores.
pub(crate) fn clock() -> Arc<SystemClock> {
    Arc::new(SystemClock)
}
