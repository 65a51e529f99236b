//! Settings: one table of keys, read in layers, all faults told at once.

mod auth;
mod keys;
mod layers;
mod limits;
mod mail;
mod otel;
mod page;
mod reference;
mod secrets;
mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod value;
mod values;
mod warnings;

pub use keys::{Fallback, KEYS, Key, Kind, Program, Scope, ServiceName, find};
pub use layers::{ConfigFaults, Fault, FlagValue, Inputs};
pub use mail::{MailSecurity, MailSettings};
pub use otel::OtelSettings;
pub use page::PageSignIn;
pub use reference::reference;
pub use settings::{InForce, ServiceSettings, Settings};
pub use tls::{TlsFiles, Trust};
pub use value::{ListenAddress, Secret, redact};
