//! What a backend can do, as plain data: the suites choose their cases by it and the docs' matrix is made from it.

/// What a store promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCapabilities {
    /// The backend's one word: `memory`, `sqlite`, `mongodb`, `dynamodb`.
    pub name: &'static str,
    /// Whether an answered write survives the end of the process.
    pub durable: bool,
    /// Whether several processes may serve from one store at once.
    pub shared: bool,
    /// The most requests of one [`book`](super::DatabaseHandler::book) call.
    pub max_batch: usize,
    /// Whether an inbox mark is stored in the same atomic step as the effect.
    pub atomic_inbox: bool,
    /// Whether lists may lag behind writes.
    pub lists_lag: bool,
    /// Whether an online copy of the store can be made.
    pub backup: bool,
}

/// In which order a broker hands out the messages of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageOrder {
    /// As published, over all consumers of a group (Kafka, SQS FIFO, `local`).
    InGroup,
    /// As published, as long as the group has one consumer (AMQP).
    InOneConsumer,
    /// None (SQS standard).
    None,
}

/// What a broker promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerCapabilities {
    /// The backend's one word: `local`, `amqp`, `kafka`, `sqs`.
    pub name: &'static str,
    /// The order of the messages of one key.
    pub order: MessageOrder,
    /// Whether a message survives a restart of the broker once `emit` has answered.
    pub durable: bool,
    /// Whether a group can start from the oldest message or replay from a point (a log).
    pub replay: bool,
    /// Whether consumers in several processes can share a group.
    pub shared: bool,
    /// Whether [`nack`](super::Delivery::nack) can delay the redelivery.
    pub delayed_nack: bool,
    /// Whether the hold on a delivery can be extended.
    pub extend: bool,
    /// Whether a publisher can ask for an error when no queue takes a message.
    pub detects_unroutable: bool,
    /// The largest body in bytes.
    pub max_message_bytes: usize,
}
