//! `eventservice` and `bookingservice` as processes joined by RabbitMQ: what a user does, what they keep when they or the
//! broker are killed, when the broker is away for long, and when they are replaced or killed behind nginx.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../common/mod.rs"]
mod common;

mod away;
mod kills;
mod market;
mod nginx;
mod pair;
mod roll;
mod use_it;

/// Held by each test that loads the machine: the times promised are those of a machine that has nothing else to do.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
