//! RabbitMQ beyond the suite: what is on the wire, dead letters, and what happens when the broker itself fails.

mod common;
