//! SNS before SQS: messages are published once, to a topic, which hands them to the queues of all groups.
#![doc = include_str!("docs.md")]

mod broker;
pub(crate) mod connect;
mod topic;

pub use aws_sdk_sns;
pub use broker::{SnsTopic, connect, with_clients};
