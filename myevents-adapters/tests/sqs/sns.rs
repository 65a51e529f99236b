//! SNS before the queues, on moto: one publish reaches the queue of each group, raw; what else was allowed stays so.

use myevents_adapters::sns::{SnsTopic, with_clients};
use myevents_adapters::sqs::aws_sdk_sqs::types::QueueAttributeName;
use myevents_core::ErrorKind;
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::ports::{EventEmitter as _, EventListener as _};
use myevents_servers::Kind;
use serde_json::{Value, json};

use crate::common::{client, options, queue_of, server, topic as fresh, topics};
use crate::format::{next, wanting};
use crate::raw::url;

fn message(id: &str, body: &str) -> Envelope {
    Envelope::builder(MessageId::new(id), MessageName::from_static("event.created"), "k")
        .header("traceparent", "00-aa-bb-01")
        .body(body.to_owned())
        .build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_publish_reaches_every_group() {
    let Some(server) = server("one_publish_reaches_every_group", Kind::Sns).await else {
        return;
    };
    let (sns, sqs) = (topics(server.url()), client(server.url()));
    for end in ["", ".fifo"] {
        let config = options(end);
        let queue = queue_of(&config, "first");
        // Somebody made a group's queue before, and allowed something else.
        let mut made = sqs.create_queue().queue_name(&queue);
        if !end.is_empty() {
            made = made.attributes(QueueAttributeName::FifoQueue, "true");
        }
        let theirs = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "theirs", "Effect": "Allow", "Principal": "*", "Action": "sqs:GetQueueUrl", "Resource": "*"},
        ]});
        made.attributes(QueueAttributeName::Policy, theirs.to_string())
            .send()
            .await
            .unwrap();
        let topic = fresh(end);
        let broker = with_clients(&sns, &sqs, topic.clone(), config.clone()).unwrap();
        let (emitter, listener) = (broker.emitter(), broker.listener());
        emitter.ping().await.unwrap();
        // Nobody is subscribed: what somebody has to hear is not thrown away, other messages are.
        let other = Envelope::builder(MessageId::new("o"), MessageName::from_static("event.booked"), "o");
        let results = emitter
            .emit(&[message("early", "{}"), other.body("{}").build()])
            .await;
        assert_eq!(results[0].as_ref().unwrap_err().kind(), ErrorKind::Unroutable);
        assert!(results[1].is_ok(), "{results:?}");
        let mut first = listener.subscribe(wanting("first", &[])).await.unwrap();
        let mut second = listener.subscribe(wanting("second", &[])).await.unwrap();
        let sent = message("m-1", r#"{"id": "5a"}"#);
        emitter
            .emit(std::slice::from_ref(&sent))
            .await
            .pop()
            .unwrap()
            .unwrap();
        for stream in [&mut first, &mut second] {
            let delivery = next(stream).await;
            assert_eq!(delivery.envelope, sent, "raw, as it was published");
            delivery.ack().await.unwrap();
        }
        let found = sqs
            .get_queue_attributes()
            .queue_url(url(&sqs, &queue).await)
            .attribute_names(QueueAttributeName::Policy)
            .send()
            .await
            .unwrap();
        let policy: Value =
            serde_json::from_str(&found.attributes().unwrap()[&QueueAttributeName::Policy]).unwrap();
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!(statements.len(), 2, "{policy}");
        assert!(
            statements.iter().any(|statement| statement["Sid"] == "theirs"),
            "{policy}"
        );
        let too_large = message("m-2", &format!("\"{}\"", "x".repeat(190_000)));
        let refused = emitter.emit(&[too_large]).await.pop().unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooLarge, "SNS takes less than SQS");
        listener.close().await.unwrap();
        // A topic that is not there and is not made is told; one that is there is found.
        let mut found = topic.clone();
        found.create = false;
        let mut missing = fresh(end);
        missing.create = false;
        let answer = async |topic: SnsTopic| {
            let broker = with_clients(&sns, &sqs, topic, config.clone()).unwrap();
            let answer = broker
                .emitter()
                .emit(&[message("m-3", "{}")])
                .await
                .pop()
                .unwrap();
            answer.map_err(|error| error.kind())
        };
        assert_eq!(answer(found).await, Ok(()));
        assert_eq!(answer(missing).await, Err(ErrorKind::Unroutable));
        // A topic that somebody deletes is made anew, and what has to be heard is not thrown away though it was heard before.
        let found = sns.list_topics().send().await.unwrap();
        let found = found.topics().iter().filter_map(|found| found.topic_arn());
        for arn in found.filter(|arn| arn.ends_with(&format!(":{}", topic.name))) {
            sns.delete_topic().topic_arn(arn).send().await.unwrap();
        }
        for _ in 0..2 {
            let result = emitter.emit(std::slice::from_ref(&sent)).await.pop().unwrap();
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Unroutable);
        }
    }
}
