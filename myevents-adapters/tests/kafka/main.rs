//! Kafka's own tests on a real one: what lies on the wire, rebalances, dead letters, replay, faults, a foreign reader.

mod cloudevents;
mod common;
mod dead_letters;
mod emitter;
mod faults;
mod header;
#[path = "../common/once.rs"]
mod killed;
mod once;
mod rebalance;
mod replay;
mod wire;
