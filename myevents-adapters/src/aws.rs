//! What the clients of AWS have in common: how a failure to connect shows.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::result::ConnectorError;

/// Whether the connection was never made. What is not known to be so counts as sent.
pub(crate) fn was_never_sent(error: &ConnectorError) -> bool {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as Io;
            if matches!(
                io.kind(),
                Io::ConnectionRefused | Io::HostUnreachable | Io::NetworkUnreachable | Io::AddrNotAvailable
            ) {
                return true;
            }
        }
        let words = error.to_string();
        if words.contains("HTTP connect timeout")
            || words.contains("credentials")
            || words.contains("dns error")
        {
            return true;
        }
        source = error.source();
    }
    false
}
