//! A list of destinations of which one fails: a message is taken when all of them have it, and none goes without.

use aws_sdk_sqs::types::QueueAttributeName;
use myevents_adapters::sqs::aws_sdk_sqs;
use myevents_core::ErrorKind;
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::ports::EventEmitter as _;

use crate::common::{broker, client, patient, unique};
use crate::raw::take;

async fn make(client: &aws_sdk_sqs::Client, queue: &str) {
    let mut request = client.create_queue().queue_name(queue);
    if queue.ends_with(".fifo") {
        request = request.attributes(QueueAttributeName::FifoQueue, "true");
    }
    request.send().await.unwrap();
}

/// How often each of the messages lies in the queue, which is emptied.
async fn count(client: &aws_sdk_sqs::Client, queue: &str) -> [usize; 2] {
    let mut counts = [0; 2];
    while let Some(message) = take(client, queue).await {
        let body = message.body().unwrap();
        counts[usize::from(body.contains("second"))] += 1;
    }
    counts
}

pub(crate) async fn one_that_fails_holds_a_message_up_and_loses_none(endpoint: &str, end: &str) {
    let raw = client(endpoint);
    let (sound, missing) = (unique(end), unique(end));
    make(&raw, &sound).await;
    let mut config = patient(end);
    config.create_queues = false;
    config.destinations = vec![sound.clone(), missing.clone()];
    let emitter = broker(endpoint, config).emitter();
    let messages = ["first", "second"].map(|text| {
        let name = MessageName::from_static("event.created");
        Envelope::builder(MessageId::new(text), name, text)
            .body(format!(r#"{{"text":"{text}"}}"#))
            .build()
    });
    for answer in emitter.emit(&messages).await {
        // So they stay in the outbox, and the relay comes again.
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unroutable, "{error}");
        assert!(error.to_string().contains(&missing), "{error}");
    }
    // The sound one has them all the same: whoever listens there does not wait for the other.
    assert_eq!(count(&raw, &sound).await, [1, 1]);
    make(&raw, &missing).await;
    for answer in emitter.emit(&messages).await {
        answer.unwrap();
    }
    assert_eq!(count(&raw, &missing).await, [1, 1]);
    assert_eq!(
        count(&raw, &sound).await,
        [0, 0],
        "what it has is not sent to it again"
    );
    // Once all have them they are forgotten: whoever emits them again means it.
    for answer in emitter.emit(&messages).await {
        answer.unwrap();
    }
    let again = usize::from(!end.ends_with(".fifo"));
    for queue in [&sound, &missing] {
        assert_eq!(
            count(&raw, queue).await,
            [again, again],
            "a FIFO queue absorbs the repeat"
        );
    }
}
