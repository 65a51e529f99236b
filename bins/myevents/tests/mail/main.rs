//! Mail to holders by the real program, to a real mail server that the test starts.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod broken;
mod post;
mod said;
mod tls;
