//! Real servers as ordinary processes on this machine: found, installed, started, killed and started again.
//!
//! The interface blocks, so that `cargo xtask` and tests use the same one; asynchronous tests call it by `spawn_blocking`.
//!
//! * [`kind`]: which servers there are, their words, the variables that name one that somebody else runs, their URLs.
//! * [`shared`]: the server that all tests of a run use: [`find`] and [`require`] give its URL, `cargo xtask backends` runs it.
//! * [`server`]: one of a test's own, which the test may kill and start again.
//! * [`install`]: fetching what is missing; [`skip`]: saying that a test could not run; [`ports`]: free ones.
//! * `tls` (feature `tls`): an authority with its certificates, and a front that speaks TLS before a server that does not.
//! * `launch`: how each kind starts; `probe`: whether it answers; `process`: ids, signals, waiting for the end.

pub mod install;
pub mod kind;
mod launch;
pub mod ports;
mod probe;
mod process;
pub mod server;
pub mod shared;
pub mod skip;
#[cfg(feature = "tls")]
pub mod tls;

pub use install::NotInstalled;
pub use kind::Kind;
pub use server::Server;
pub use shared::{find, require};
