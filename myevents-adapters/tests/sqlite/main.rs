//! The SQLite store against its ports, its files and its faults.

mod common;
mod faults;
mod files;
mod records;
mod relay;
mod transfer;

#[path = "../common/transfer/mod.rs"]
mod kit;
