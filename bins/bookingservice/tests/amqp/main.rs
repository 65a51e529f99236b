//! `eventservice` and `bookingservice` as two processes joined by RabbitMQ: what a user does, and what they keep when they
//! or the broker are killed.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod kills;
mod pair;
mod use_it;
