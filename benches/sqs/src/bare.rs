//! The yardstick: the SDK's own calls, each with ten messages or with one; as many open at once as ours has, or one after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use futures_util::stream::{TryStreamExt as _, iter};
use myevents_adapters::sqs::aws_sdk_sqs::Client;
use myevents_adapters::sqs::aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use myevents_core::contract::Envelope;

pub(crate) struct Bare {
    client: Client,
    url: String,
    fifo: bool,
    /// Messages a request: 10 or 1.
    batch: usize,
    /// Requests of a kind at once.
    open: usize,
}

fn text(value: &str) -> Result<MessageAttributeValue> {
    Ok(MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()?)
}

impl Bare {
    pub(crate) async fn new(client: Client, queue: &str, batch: usize, open: usize) -> Result<Self> {
        let fifo = queue.ends_with(".fifo");
        let mut request = client.create_queue().queue_name(queue);
        if fifo {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        let url = request.send().await?.queue_url.unwrap_or_default();
        Ok(Self {
            client,
            url,
            fifo,
            batch,
            open,
        })
    }

    /// Seconds for sending all, and for receiving and deleting all.
    pub(crate) async fn round(&self, messages: Vec<Envelope>) -> Result<(f64, f64)> {
        let start = Instant::now();
        iter(messages.chunks(self.batch).map(Ok::<_, anyhow::Error>))
            .try_for_each_concurrent(self.open, |batch| self.send(batch))
            .await?;
        let sent = start.elapsed();
        let left = Arc::new(AtomicUsize::new(messages.len()));
        let start = Instant::now();
        try_join_all((0..self.open).map(|_| self.take(Arc::clone(&left)))).await?;
        Ok((sent.as_secs_f64(), start.elapsed().as_secs_f64()))
    }

    async fn send(&self, batch: &[Envelope]) -> Result<()> {
        // What a consumer needs to know travels with either side.
        let headers = |message: &Envelope| {
            format!(
                r#"{{"id":"{}","partitionkey":"{}","source":"/bookingservice","specversion":"1.0","type":"{}"}}"#,
                message.id(),
                message.key(),
                message.name()
            )
        };
        if let [message] = batch {
            let mut request = self
                .client
                .send_message()
                .queue_url(&self.url)
                .message_body(String::from_utf8_lossy(message.body()))
                .message_attributes("event_name", text(message.name().as_str())?)
                .message_attributes("headers", text(&headers(message))?);
            if self.fifo {
                request = request
                    .message_group_id(message.key())
                    .message_deduplication_id(message.id().as_str());
            }
            request.send().await?;
            return Ok(());
        }
        let entries = batch.iter().enumerate().map(|(place, message)| {
            let mut entry = SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(String::from_utf8_lossy(message.body()))
                .message_attributes("event_name", text(message.name().as_str())?)
                .message_attributes("headers", text(&headers(message))?);
            if self.fifo {
                entry = entry
                    .message_group_id(message.key())
                    .message_deduplication_id(message.id().as_str());
            }
            Ok(entry.build()?)
        });
        let request = self.client.send_message_batch().queue_url(&self.url);
        let sent = request
            .set_entries(Some(entries.collect::<Result<_>>()?))
            .send()
            .await?;
        ensure!(sent.failed().is_empty(), "{:?}", sent.failed());
        Ok(())
    }

    async fn take(&self, left: Arc<AtomicUsize>) -> Result<()> {
        while left.load(Ordering::SeqCst) > 0 {
            let received = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(i32::try_from(self.batch)?)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                tokio::task::yield_now().await;
                continue;
            }
            self.delete(&messages).await?;
            left.fetch_sub(messages.len(), Ordering::SeqCst);
        }
        Ok(())
    }

    async fn delete(&self, messages: &[Message]) -> Result<()> {
        let handle = |message: &Message| message.receipt_handle().unwrap_or_default().to_owned();
        if let [message] = messages {
            let request = self.client.delete_message().queue_url(&self.url);
            request.receipt_handle(handle(message)).send().await?;
            return Ok(());
        }
        let entries = messages.iter().enumerate().map(|(place, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
            Ok(entry.receipt_handle(handle(message)).build()?)
        });
        let request = self.client.delete_message_batch().queue_url(&self.url);
        let done = request
            .set_entries(Some(entries.collect::<Result<_>>()?))
            .send()
            .await?;
        ensure!(done.failed().is_empty(), "{:?}", done.failed());
        Ok(())
    }
}
