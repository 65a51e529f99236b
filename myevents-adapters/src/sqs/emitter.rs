//! `SqsEmitter`: publishes to the queues of all groups, each answer after SQS took the message.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use myevents_core::contract::Envelope;
use myevents_core::ports::{BrokerCapabilities, EventEmitter, MessageOrder};
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::batch::Batcher;
use super::codec::{self, Outgoing};
use super::config::SqsConfig;
use super::error::closed;
use super::outlet::{self, Outlet};
use super::progress::Progress;

/// Publishes. Made by [`SqsBroker::emitter`](super::SqsBroker::emitter).
///
/// * What many calls publish at once goes in common batches of up to ten messages; each message has its own answer.
/// * With several destinations a message is taken when all of them took it. Emitted again after a failure it goes only to those
///   that did not take it, as far as this emitter remembers (about the last 10,000 such messages); after a restart those that had it get it twice.
/// * On FIFO queues a message waits until the one of its key before it in the same call was taken; where that one fails, the
///   rest of the key in that call is not sent. Calls that are open at once are not in order with each other.
#[derive(Debug)]
pub struct SqsEmitter {
    config: Arc<SqsConfig>,
    outlets: Vec<Destination>,
    most_bytes: usize,
    /// What some of several destinations have.
    progress: Progress,
    /// Calls that are open; closed with the emitter.
    open: TaskTracker,
}

/// Where messages go, and what waits to go there.
type Destination = (Arc<dyn Outlet>, Batcher<Arc<Outgoing>>);

pub(super) fn capabilities(config: &SqsConfig) -> BrokerCapabilities {
    BrokerCapabilities {
        name: "sqs",
        order: if config.is_fifo() {
            MessageOrder::InGroup
        } else {
            MessageOrder::None
        },
        durable: true,
        replay: false,
        shared: true,
        delayed_nack: true,
        extend: true,
        detects_unroutable: false,
        max_message_bytes: config.largest_body(),
    }
}

impl SqsEmitter {
    pub(super) fn new(config: Arc<SqsConfig>, outlets: Vec<Arc<dyn Outlet>>) -> Self {
        let most_bytes = outlets
            .iter()
            .map(|outlet| outlet.most_bytes())
            .min()
            .unwrap_or(0);
        let outlets = outlets.into_iter().map(|outlet| {
            let sending = Arc::clone(&outlet);
            let batcher = Batcher::new(
                "publish",
                outlet.most_bytes(),
                config.open_requests,
                move |batch| {
                    let outlet = Arc::clone(&sending);
                    Box::pin(async move { outlet::send(outlet.as_ref(), &batch).await })
                },
            );
            (outlet, batcher)
        });
        Self {
            outlets: outlets.collect(),
            config,
            most_bytes,
            progress: Progress::default(),
            open: TaskTracker::new(),
        }
    }

    /// Sends these to all destinations that have them not, at once.
    async fn send(&self, messages: &[Envelope], wave: &[(usize, Arc<Outgoing>)], results: &mut [Result<()>]) {
        let count = self.outlets.len();
        let mut taken: Vec<Vec<bool>> = wave
            .iter()
            .map(|(place, _)| match count {
                // Nothing to remember.
                1 => Vec::new(),
                _ => self.progress.of(messages[*place].id(), count),
            })
            .collect();
        let had = &taken;
        let sent = self
            .outlets
            .iter()
            .enumerate()
            .map(|(outlet, (_, batcher))| async move {
                let missing: Vec<usize> = (0..wave.len())
                    .filter(|at| !had[*at].get(outlet).copied().unwrap_or(false))
                    .collect();
                let entries = missing.iter().map(|at| {
                    let (_, message) = &wave[*at];
                    (Arc::clone(message), message.bytes())
                });
                let answers = batcher.submit(entries);
                let answers = join_all(answers.into_iter().map(|answer| batcher.answer(answer))).await;
                (outlet, missing, answers)
            });
        for (outlet, missing, answers) in join_all(sent).await {
            for (at, answer) in missing.into_iter().zip(answers) {
                if let Some(taken) = taken[at].get_mut(outlet) {
                    *taken = answer.is_ok();
                }
                let result = &mut results[wave[at].0];
                if result.is_ok() {
                    *result = answer;
                }
            }
        }
        if count > 1 {
            for ((place, _), taken) in wave.iter().zip(taken) {
                self.progress.note(messages[*place].id(), taken);
            }
        }
    }
}

/// Messages of one group, which go one after the other.
type Line = VecDeque<(usize, Arc<Outgoing>)>;

#[async_trait]
impl EventEmitter for SqsEmitter {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.config)
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        let _open = self.open.token();
        if self.open.is_closed() {
            return messages.iter().map(|_| Err(closed("publish"))).collect();
        }
        let mut results: Vec<Result<()>> = Vec::with_capacity(messages.len());
        let mut lines: Vec<Line> = Vec::new();
        let mut by_group: HashMap<String, usize> = HashMap::new();
        for (place, message) in messages.iter().enumerate() {
            let encoded = codec::encode(message, &self.config, self.most_bytes);
            results.push(encoded.map(|outgoing| {
                let line = match &outgoing.fifo {
                    None => lines.len(),
                    Some(fifo) => *by_group.entry(fifo.group.clone()).or_insert(lines.len()),
                };
                if line == lines.len() {
                    lines.push(Line::new());
                }
                lines[line].push_back((place, Arc::new(outgoing)));
            }));
        }
        while !lines.is_empty() {
            let wave: Vec<_> = lines.iter_mut().filter_map(Line::pop_front).collect();
            self.send(messages, &wave, &mut results).await;
            // What failed stops its line.
            for (line, (place, _)) in lines.iter_mut().zip(&wave) {
                if results[*place].is_err() {
                    for (later, _) in line.drain(..) {
                        results[later] = Err(Error::new(
                            ErrorKind::Unavailable,
                            "publish",
                            "an earlier message of the same key was not taken",
                        ));
                    }
                }
            }
            lines.retain(|line| !line.is_empty());
        }
        results
    }

    async fn ping(&self) -> Result<()> {
        if self.open.is_closed() {
            return Err(closed("ping"));
        }
        for answer in join_all(self.outlets.iter().map(|(outlet, _)| outlet.ping())).await {
            answer?;
        }
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.open.close();
        if timeout(self.config.close_timeout, self.open.wait())
            .await
            .is_err()
        {
            tracing::warn!("SQS did not answer every message before the emitter was closed");
        }
        Ok(())
    }
}
