//! Faults of the service at the wire, entry by entry, and of the server itself: killed and stopped under load.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use myevents_adapters::sqs::SqsBroker;
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::ports::{DeadLetters as _, EventEmitter as _, EventListener as _};
use myevents_core::{Error, ErrorKind, Result};
use myevents_servers::{Kind, Server};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::common::{eventually, options, server};
use crate::format::{next, wanting};
use crate::layer::{Fault, Layer};

const SEND: &str = "SendMessageBatch";
const RECEIVE: &str = "ReceiveMessage";
const LOOK: &str = "GetQueueUrl";
const DELETE: &str = "DeleteMessageBatch";
const HIDE: &str = "ChangeMessageVisibilityBatch";

fn message(number: usize) -> Envelope {
    Envelope::builder(
        MessageId::new(&format!("m-{number}-{:016x}", rand::random::<u64>())),
        MessageName::from_static("event.created"),
        format!("key-{number}"),
    )
    .body(format!("{number}"))
    .build()
}

fn messages(count: usize) -> Vec<Envelope> {
    (0..count).map(message).collect()
}

fn kinds(results: &[Result<()>]) -> Vec<Option<ErrorKind>> {
    results
        .iter()
        .map(|result| result.as_ref().err().map(Error::kind))
        .collect()
}

fn layered(endpoint: &str, end: &str) -> (Layer, SqsBroker) {
    let layer = Layer::new();
    let broker = SqsBroker::with_client(&layer.client(endpoint), options(end)).unwrap();
    (layer, broker)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_at_the_wire_are_told_entry_by_entry() {
    let Some(server) = server("faults_at_the_wire_are_told_entry_by_entry", Kind::Sqs).await else {
        return;
    };
    let endpoint = server.url();
    requests_are_shared_and_within_their_limits(endpoint).await;
    asking_whether_it_is_there_costs_little(endpoint).await;
    a_batch_that_fails_in_part(endpoint).await;
    a_request_that_fails(endpoint).await;
    a_batch_with_a_culprit(endpoint).await;
    a_key_keeps_its_order(endpoint).await;
    a_receive_that_fails(endpoint, "").await;
    a_receive_that_fails(endpoint, ".fifo").await;
    a_settlement_that_fails(endpoint).await;
    a_letter_whose_answer_is_lost(endpoint).await;
    queues_that_vanish_are_made_again(endpoint).await;
}

async fn requests_are_shared_and_within_their_limits(endpoint: &str) {
    let (layer, broker) = layered(endpoint, "");
    let emitter = broker.emitter();
    emitter.emit(&messages(1)).await.pop().unwrap().unwrap();
    layer.take_seen(SEND);
    for result in emitter.emit(&messages(25)).await {
        result.unwrap();
    }
    let sizes = |seen: &[serde_json::Value]| {
        let mut sizes: Vec<_> = seen
            .iter()
            .map(|body| body["Entries"].as_array().unwrap().len())
            .collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes(&layer.take_seen(SEND)), [5, 10, 10]);
    // A request has at most 1 MiB: five of these.
    let large: Vec<_> = messages(8)
        .iter()
        .map(|small| {
            let builder = Envelope::builder(small.id().clone(), small.name().clone(), small.key());
            builder.body(format!("\"{}\"", "x".repeat(190_000))).build()
        })
        .collect();
    for result in emitter.emit(&large).await {
        result.unwrap();
    }
    assert_eq!(sizes(&layer.take_seen(SEND)), [3, 5]);
    // Many calls of one message each share requests as well.
    let calls = messages(200).into_iter().map(|message| {
        let emitter = Arc::clone(&emitter);
        tokio::spawn(async move { emitter.emit(&[message]).await.pop().unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let requests = layer.take_seen(SEND).len();
    assert!(requests <= 60, "{requests} requests for 200 messages");
}

async fn asking_whether_it_is_there_costs_little(endpoint: &str) {
    let (layer, broker) = layered(endpoint, "");
    let emitter = broker.emitter();
    let looks = async || {
        layer.take_seen(LOOK);
        for _ in 0..5 {
            emitter.ping().await.unwrap();
        }
        layer.take_seen(LOOK).len()
    };
    assert_eq!(looks().await, 1, "an answer is believed for a while");
    emitter.emit(&messages(1)).await.pop().unwrap().unwrap();
    assert_eq!(looks().await, 0);
    let throttled = Fault::Answer {
        status: 403,
        code: "RequestThrottled",
    };
    layer.next(SEND, [throttled.clone()]);
    emitter.emit(&messages(1)).await.pop().unwrap().unwrap_err();
    assert_eq!(looks().await, 1, "a publish failed");
    layer.next(RECEIVE, [throttled]);
    let listener = broker.listener();
    let mut stream = listener.subscribe(wanting("suite", &[])).await.unwrap();
    next(&mut stream).await.ack().await.unwrap();
    assert_eq!(looks().await, 1, "a receive failed");
    listener.close().await.unwrap();
}

async fn a_batch_that_fails_in_part(endpoint: &str) {
    let (layer, broker) = layered(endpoint, "");
    let emitter = broker.emitter();
    let failed = vec![
        (1, "InternalError", false),
        (3, "InvalidMessageContents", true),
        (4, "RequestThrottled", true),
    ];
    layer.next(SEND, [Fault::Entries(failed)]);
    let (unavailable, rejected) = (Some(ErrorKind::Unavailable), Some(ErrorKind::Rejected));
    let sent = messages(6);
    assert_eq!(
        kinds(&emitter.emit(&sent).await),
        [None, unavailable, None, rejected, unavailable, None]
    );
    // Those that were taken are there, and no others.
    let listener = broker.listener();
    let mut stream = listener.subscribe(wanting("suite", &[])).await.unwrap();
    let mut came = Vec::new();
    for _ in 0..3 {
        let delivery = next(&mut stream).await;
        came.push(delivery.envelope.id().clone());
        delivery.ack().await.unwrap();
    }
    came.sort();
    let mut expected = [0, 2, 5].map(|place| sent[place].id().clone());
    expected.sort();
    assert_eq!(came, expected);
    layer.next(SEND, [Fault::Forgotten(1)]);
    assert_eq!(
        kinds(&emitter.emit(&messages(2)).await),
        [None, Some(ErrorKind::OutcomeUnknown)]
    );
    listener.close().await.unwrap();
}

async fn a_request_that_fails(endpoint: &str) {
    let (layer, broker) = layered(endpoint, ".fifo");
    let emitter = broker.emitter();
    emitter.emit(&messages(1)).await.pop().unwrap().unwrap();
    let answer = |status, code| Fault::Answer { status, code };
    let faults = [
        (answer(403, "RequestThrottled"), ErrorKind::Unavailable),
        (answer(400, "ThrottlingException"), ErrorKind::Unavailable),
        (answer(400, "KmsThrottled"), ErrorKind::Unavailable),
        (answer(403, "AccessDeniedException"), ErrorKind::Unavailable),
        (answer(400, "QueueDoesNotExist"), ErrorKind::Unroutable),
        (answer(400, "UnsupportedOperation"), ErrorKind::Unavailable),
        (answer(400, "SomethingNew"), ErrorKind::Unavailable),
        (answer(407, "none"), ErrorKind::Unavailable),
        (answer(503, "ServiceUnavailable"), ErrorKind::OutcomeUnknown),
        (Fault::LostBefore, ErrorKind::OutcomeUnknown),
        (Fault::LostAfter, ErrorKind::OutcomeUnknown),
        (Fault::Never, ErrorKind::OutcomeUnknown),
        (Fault::Garbage, ErrorKind::OutcomeUnknown),
    ];
    for (fault, kind) in faults {
        layer.take_seen(SEND);
        layer.next(SEND, [fault.clone()]);
        let sent = messages(2);
        assert_eq!(kinds(&emitter.emit(&sent).await), [Some(kind); 2], "{fault:?}");
        assert_eq!(
            layer.take_seen(SEND).len(),
            1,
            "{fault:?}: it was sent again by itself"
        );
        // Sent again by whoever published it, it is there once: a FIFO queue absorbs the repeat.
        assert_eq!(kinds(&emitter.emit(&sent).await), [None, None], "{fault:?}");
    }
    let listener = broker.listener();
    let mut stream = listener.subscribe(wanting("suite", &[])).await.unwrap();
    for _ in 0..27 {
        next(&mut stream).await.ack().await.unwrap();
    }
    let more = tokio::time::timeout(Duration::from_millis(500), stream.next()).await;
    assert!(more.is_err(), "a repeat was delivered: {more:?}");
    listener.close().await.unwrap();
}

/// Only who is at fault is refused for good: a batch that is refused for its contents goes again one by one.
async fn a_batch_with_a_culprit(endpoint: &str) {
    let (layer, broker) = layered(endpoint, "");
    let emitter = broker.emitter();
    emitter.emit(&messages(1)).await.pop().unwrap().unwrap();
    let refused = |code| Fault::Answer { status: 400, code };
    for (code, kind) in [
        ("AWS.SimpleQueueService.BatchRequestTooLong", ErrorKind::TooLarge),
        ("InvalidMessageContents", ErrorKind::Rejected),
    ] {
        layer.take_seen(SEND);
        layer.next(SEND, [refused(code), refused(code)]);
        assert_eq!(kinds(&emitter.emit(&messages(3)).await), [Some(kind), None, None]);
        assert_eq!(layer.take_seen(SEND).len(), 4);
    }
}

/// What follows a message of its key that was not taken is not sent; other keys go.
async fn a_key_keeps_its_order(endpoint: &str) {
    let (layer, broker) = layered(endpoint, ".fifo");
    let emitter = broker.emitter();
    let of = |key: &str, number: usize| {
        Envelope::builder(
            MessageId::new(&format!("{key}-{number}")),
            MessageName::from_static("event.created"),
            key,
        )
        .body(number.to_string())
        .build()
    };
    emitter.emit(&[of("first", 0)]).await.pop().unwrap().unwrap();
    let sent = [of("a", 1), of("a", 2), of("b", 1), of("a", 3), of("b", 2)];
    layer.take_seen(SEND);
    layer.next(SEND, [Fault::Entries(vec![(0, "InternalError", false)])]);
    let unavailable = Some(ErrorKind::Unavailable);
    assert_eq!(
        kinds(&emitter.emit(&sent).await),
        [unavailable, unavailable, None, unavailable, None]
    );
    let seen = layer.take_seen(SEND);
    let ids: Vec<Vec<&str>> = seen
        .iter()
        .map(|body| {
            let entries = body["Entries"].as_array().unwrap().iter();
            entries
                .map(|entry| entry["MessageDeduplicationId"].as_str().unwrap())
                .collect()
        })
        .collect();
    assert_eq!(ids, [vec!["a-1", "b-1"], vec!["b-2"]]);
}

async fn a_receive_that_fails(endpoint: &str, end: &str) {
    let (layer, broker) = layered(endpoint, end);
    let sent = message(1);
    let emitter = broker.emitter();
    emitter
        .emit(std::slice::from_ref(&sent))
        .await
        .pop()
        .unwrap()
        .unwrap();
    let faults = [
        Fault::Answer {
            status: 403,
            code: "OverLimit",
        },
        Fault::Answer {
            status: 503,
            code: "ServiceUnavailable",
        },
        Fault::LostBefore,
        Fault::Garbage,
        // The message is taken, and nobody knows.
        Fault::LostAfter,
    ];
    layer.next(RECEIVE, faults);
    let listener = broker.listener();
    let mut stream = listener.subscribe(wanting("suite", &[])).await.unwrap();
    let delivery = next(&mut stream).await;
    assert_eq!(delivery.envelope, sent);
    delivery.ack().await.unwrap();
    if !end.is_empty() {
        let tries = layer.take_seen(RECEIVE);
        let ids: Vec<_> = tries
            .iter()
            .map(|body| &body["ReceiveRequestAttemptId"])
            .collect();
        assert!(ids.iter().all(|id| id.is_string()), "{ids:?}");
        assert!(
            ids.windows(2).any(|pair| pair[0] == pair[1]),
            "a receive whose answer is lost is repeated as the same: {ids:?}"
        );
    }
    listener.close().await.unwrap();
}

async fn a_settlement_that_fails(endpoint: &str) {
    let (layer, broker) = layered(endpoint, "");
    let emitter = broker.emitter();
    let listener = broker.listener();
    let mut stream = listener.subscribe(wanting("suite", &[])).await.unwrap();
    emitter.emit(&messages(1)).await.pop().unwrap().unwrap();
    // Throttles and lost answers are repeated, as deleting twice does no harm.
    layer.next(
        DELETE,
        [
            Fault::Answer {
                status: 400,
                code: "ThrottlingException",
            },
            Fault::LostBefore,
        ],
    );
    next(&mut stream).await.ack().await.unwrap();
    // SQS takes the repeat of a delete that was done, ElasticMQ says that the handle is of no use: it is gone either way.
    emitter.emit(&messages(1)).await.pop().unwrap().unwrap();
    layer.next(DELETE, [Fault::LostAfter]);
    let gone = next(&mut stream).await;
    let id = gone.envelope.id().clone();
    if let Err(error) = gone.ack().await {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    // One that fails is told, and the message comes again when its time is over.
    emitter.emit(&messages(1)).await.pop().unwrap().unwrap();
    layer.next(DELETE, [Fault::Entries(vec![(0, "InternalError", false)])]);
    let delivery = next(&mut stream).await;
    assert_ne!(*delivery.envelope.id(), id, "what was deleted came again");
    let id = delivery.envelope.id().clone();
    assert_eq!(delivery.ack().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let again = next(&mut stream).await;
    assert_eq!((again.envelope.id(), again.attempt), (&id, 2));
    // Giving back that fails likewise.
    layer.next(HIDE, [Fault::Entries(vec![(0, "InternalError", false)])]);
    let refused = again.nack(Duration::ZERO).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    // What is given back, and the answer is lost, comes again before its repeat is answered that the handle is of no use.
    let again = next(&mut stream).await;
    assert_eq!((again.envelope.id(), again.attempt), (&id, 3));
    layer.next(
        HIDE,
        [
            Fault::LostAfter,
            Fault::Answer {
                status: 400,
                code: "ReceiptHandleIsInvalid",
            },
        ],
    );
    again.nack(Duration::ZERO).await.unwrap();
    let last = next(&mut stream).await;
    assert_eq!((last.envelope.id(), last.attempt), (&id, 4));
    last.ack().await.unwrap();
    listener.close().await.unwrap();
}

/// A letter is put again when its answer was lost; a FIFO queue keeps one.
async fn a_letter_whose_answer_is_lost(endpoint: &str) {
    let (layer, broker) = layered(endpoint, ".fifo");
    let letters = broker.dead_letters("suite").unwrap();
    let letter = myevents_core::testkit::fixture::dead_letter("suite", "because");
    layer.next("SendMessage", [Fault::LostAfter]);
    let unknown = letters.put(&letter).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown);
    letters.put(&letter).await.unwrap();
    assert_eq!(letters.count().await.unwrap(), 1);
}

/// The queue and that of its dead letters are deleted by somebody: both come back with the next try.
async fn queues_that_vanish_are_made_again(endpoint: &str) {
    let config = options("");
    let queue = config.queue.clone();
    let broker = crate::common::broker(endpoint, config);
    let emitter = broker.emitter();
    emitter.emit(&messages(1)).await.pop().unwrap().unwrap();
    let raw = crate::common::client(endpoint);
    for name in [queue.clone(), format!("{queue}-dead")] {
        let at = crate::raw::url(&raw, &name).await;
        raw.delete_queue().queue_url(at).send().await.unwrap();
    }
    let sent = messages(1);
    assert_eq!(kinds(&emitter.emit(&sent).await), [Some(ErrorKind::Unroutable)]);
    emitter.emit(&sent).await.pop().unwrap().unwrap();
    let found = crate::raw::take(&raw, &queue).await.unwrap();
    assert_eq!(found.body(), Some("0"));
    crate::raw::url(&raw, &format!("{queue}-dead")).await;
}

/// Does something to the server that takes its time.
async fn with(
    server: Server,
    work: impl FnOnce(&mut Server) -> anyhow::Result<()> + Send + 'static,
) -> Server {
    let work = move || {
        let mut server = server;
        work(&mut server).expect("the server does as told");
        server
    };
    tokio::task::spawn_blocking(work)
        .await
        .expect("a task that only waits")
}

#[allow(clippy::print_stdout, reason = "repeats are counted and shown")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failure_of_the_server_loses_a_message() {
    for end in ["", ".fifo"] {
        let Some(mut server) = server("no_failure_of_the_server_loses_a_message", Kind::Sqs).await else {
            return;
        };
        let broker = SqsBroker::with_client(&crate::common::client(server.url()), options(end)).unwrap();
        let (emitter, listener) = (broker.emitter(), broker.listener());
        let mut stream = listener.subscribe(wanting("suite", &[])).await.unwrap();
        let came: Arc<Mutex<HashMap<MessageId, usize>>> = Arc::default();
        let (counting, stop) = (Arc::clone(&came), CancellationToken::new());
        let consuming = tokio::spawn(async move {
            while let Some(delivery) = stream.next().await {
                *counting.lock().entry(delivery.envelope.id().clone()).or_default() += 1;
                // Lost, it comes again.
                let _ = delivery.ack().await;
            }
        });
        let stopping = stop.clone();
        let publishing = tokio::spawn(async move {
            let (mut sent, mut repeated) = (Vec::new(), 0);
            while !stopping.is_cancelled() {
                let batch = messages(10);
                for message in batch {
                    while let Err(error) = emitter.emit(std::slice::from_ref(&message)).await.pop().unwrap() {
                        assert!(error.is_retryable(), "{error}");
                        repeated += 1;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    sent.push(message.id().clone());
                }
            }
            (sent, repeated)
        });
        let flows = async |more: usize| {
            let from = came.lock().len();
            eventually("the flow", || async { came.lock().len() >= from + more }).await;
        };
        flows(100).await;
        server = with(server, |server| {
            server.kill()?;
            server.restart()
        })
        .await;
        flows(100).await;
        server = with(server, |server| {
            server.stop()?;
            server.restart()
        })
        .await;
        flows(100).await;
        stop.cancel();
        let (sent, repeated) = publishing.await.unwrap();
        eventually("all messages", || async {
            let came = came.lock();
            sent.iter().all(|id| came.contains_key(id))
        })
        .await;
        let repeats: usize = came.lock().values().map(|times| times - 1).sum();
        println!(
            "killed and stopped, queue {end:?}: loss 0 of {}, {repeats} repeats, {repeated} publishes repeated",
            sent.len()
        );
        listener.close().await.unwrap();
        consuming.await.unwrap();
        drop(server);
    }
}
