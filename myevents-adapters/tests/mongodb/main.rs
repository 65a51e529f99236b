//! The MongoDB store against its server, its protocols and its faults.

mod calls;
mod common;
mod faults;
mod histories;
mod index;
mod opening;
mod original;
mod replica;
mod watch;
mod wire;
