//! The MongoDB store against its server, its protocols and its faults.
#![allow(clippy::print_stderr, reason = "a test tells what it counted")]

mod audit;
mod calls;
#[allow(dead_code, reason = "shared with the other tests, which use the rest of it")]
mod common;
mod faults;
mod histories;
mod index;
mod opening;
mod original;
mod replica;
mod watch;
mod wire;
