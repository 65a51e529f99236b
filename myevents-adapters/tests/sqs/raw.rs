//! A foreign client: what it puts into a queue, and what it finds there.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use myevents_adapters::sqs::aws_sdk_sqs;

/// Where the queue of this name is.
pub(crate) async fn url(client: &Client, queue: &str) -> String {
    let found = client.get_queue_url().queue_name(queue).send().await;
    found.unwrap().queue_url.unwrap()
}

/// The next message, which is deleted.
pub(crate) async fn take(client: &Client, queue: &str) -> Option<Message> {
    let url = url(client, queue).await;
    let received = client
        .receive_message()
        .queue_url(&url)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .wait_time_seconds(1)
        .send()
        .await
        .unwrap();
    let message = received.messages.unwrap_or_default().pop()?;
    client
        .delete_message()
        .queue_url(url)
        .receipt_handle(message.receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
    Some(message)
}

/// An attribute as the original services send them.
pub(crate) fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .unwrap()
}

/// Puts a message into a queue; a FIFO queue gets a group of its own for each.
pub(crate) async fn put(
    client: &Client,
    queue: &str,
    body: &str,
    attributes: &[(&str, MessageAttributeValue)],
) {
    let mut request = client
        .send_message()
        .queue_url(url(client, queue).await)
        .message_body(body);
    for (name, value) in attributes {
        request = request.message_attributes(*name, value.clone());
    }
    if queue.ends_with(".fifo") {
        let own = format!("{:016x}", rand::random::<u64>());
        request = request.message_group_id(&own).message_deduplication_id(own);
    }
    request.send().await.unwrap();
}
