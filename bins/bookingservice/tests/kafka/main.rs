//! `eventservice` and `bookingservice` as two processes joined by Kafka: what a user and an operator do, a broker that is away
//! for long, a lost copy.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../common/mod.rs"]
mod common;

mod away;
mod pair;
mod rebuild;
mod use_it;
