//! Clients that send each booking once and never again, and who asks for `/healthz` meanwhile.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use loadtest::booker::Order;
use loadtest::http::{Connection, request};
use loadtest::tally::Tally;
use parking_lot::Mutex;

/// What the requests share.
pub(crate) struct Clients {
    target: SocketAddr,
    event: String,
    /// A connection for each request.
    fresh: bool,
    idle: Mutex<Vec<Connection>>,
}

/// What became of an open loop.
#[derive(Default)]
pub(crate) struct Rush {
    /// All of it.
    pub(crate) tally: Tally,
    /// Of the accepted ones alone.
    pub(crate) accepted: Tally,
    /// Accepted ones whose answers came before the load ended.
    pub(crate) in_time: u64,
    /// All accepted ones by the second in which their answers came.
    pub(crate) by_second: Vec<u64>,
    /// Those that were not sent, as too many waited.
    pub(crate) not_sent: u64,
}

impl Clients {
    pub(crate) fn new(target: SocketAddr, event: String, fresh: bool) -> Arc<Self> {
        Arc::new(Self {
            target,
            event,
            fresh,
            idle: Mutex::default(),
        })
    }

    /// Books once; answers what came of it.
    pub(crate) async fn book(&self) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
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
                // Linux takes all of 127.0.0.0/8 for its own.
                None => Connection::open_from(
                    Ipv4Addr::new(127, 0, 1, u8::try_from(number % 200).unwrap_or_default()),
                    self.target,
                )
                .await
                .map_err(|_| "no connection")?,
            };
            let answer = connection.send(&order.request()).await;
            Ok::<_, &str>((connection, answer.map_err(|_| "no answer")?.status))
        };
        match asked.await {
            Ok((connection, status)) => {
                if connection.is_open() && !self.fresh {
                    self.idle.lock().push(connection);
                }
                status.to_string()
            }
            Err(what) => what.to_owned(),
        }
    }

    /// Each of so many sends its next booking when the last was answered.
    pub(crate) async fn closed(self: &Arc<Self>, clients: usize, seconds: f64) -> Result<Tally> {
        let begin = Instant::now();
        let end = begin + Duration::from_secs_f64(seconds);
        let all: Vec<_> = (0..clients)
            .map(|_| {
                let clients = Arc::clone(self);
                tokio::spawn(async move {
                    let mut tally = Tally::default();
                    while Instant::now() < end {
                        let begun = Instant::now();
                        let outcome = clients.book().await;
                        tally.note(&outcome, begun.elapsed());
                    }
                    tally
                })
            })
            .collect();
        let mut whole = Tally::default();
        for each in all {
            whole.add(each.await?);
        }
        whole.elapsed = begin.elapsed();
        Ok(whole)
    }

    /// So many a second are due, whatever becomes of those before, but no more than `most` wait for their answer. `meanwhile` is
    /// called four times a second, and `over` at the end, before what is on its way has come in.
    pub(crate) async fn open(
        self: &Arc<Self>,
        rate: f64,
        seconds: f64,
        most: usize,
        mut meanwhile: impl FnMut(),
        over: impl FnOnce(),
    ) -> Rush {
        let rush = Arc::new(Mutex::new(Rush::default()));
        let open = Arc::new(AtomicUsize::new(0));
        let begin = Instant::now();
        let end = begin + Duration::from_secs_f64(seconds);
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        let (mut sent, mut look) = (0_u64, begin);
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
                if open.load(Ordering::Relaxed) >= most {
                    rush.lock().not_sent += 1;
                    continue;
                }
                open.fetch_add(1, Ordering::Relaxed);
                let (clients, rush, open) = (Arc::clone(self), Arc::clone(&rush), Arc::clone(&open));
                tokio::spawn(async move {
                    let outcome = clients.book().await;
                    // From the moment it was due: a stall can't hide what waited for it.
                    let mut rush = rush.lock();
                    if outcome == "201" {
                        rush.in_time += u64::from(Instant::now() <= end);
                        let second = usize::try_from(begin.elapsed().as_secs()).unwrap_or(usize::MAX);
                        if rush.by_second.len() <= second {
                            rush.by_second.resize(second + 1, 0);
                        }
                        rush.by_second[second] += 1;
                        rush.accepted.note(&outcome, at.elapsed());
                    }
                    rush.tally.note(&outcome, at.elapsed());
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
            if look.elapsed() > Duration::from_millis(250) {
                look = Instant::now();
                meanwhile();
            }
        }
        over();
        while open.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::mem::take(&mut *rush.lock())
    }
}

/// Asks for `/healthz` four times a second on connections of their own, for so many seconds: how long each took, none where nothing
/// came.
pub(crate) async fn health(address: SocketAddr, seconds: f64) -> Vec<Option<Duration>> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut asked = Vec::new();
    while Instant::now() < end {
        asked.push(tokio::spawn(async move {
            let begun = Instant::now();
            let answer = Connection::open(address)
                .await
                .ok()?
                .send(&request("GET", "/healthz", &[], b""))
                .await;
            (answer.ok()?.status == 200).then(|| begun.elapsed())
        }));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let mut all = Vec::new();
    for each in asked {
        all.push(each.await.unwrap_or_default());
    }
    all
}
