//! The one table from what RabbitMQ and its client report to the kind of error a caller can act on.

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use myevents_core::{Error, ErrorKind};

const AWAY: &str = "RabbitMQ can't be reached, or the connection was lost";

/// The kind, and in plain words what happened and what helps.
fn meaning(error: &lapin::ErrorKind) -> (ErrorKind, &'static str) {
    use lapin::ErrorKind as Client;
    match error {
        Client::InvalidChannel(_)
        | Client::InvalidChannelState(..)
        | Client::InvalidConnectionState(_)
        | Client::IOError(_)
        | Client::RuntimeShutdownError(_) => (ErrorKind::Unavailable, AWAY),
        Client::MissingHeartbeatError => (
            ErrorKind::Unavailable,
            "RabbitMQ was silent for too long; the connection is given up",
        ),
        Client::ChannelsLimitReached => (
            ErrorKind::Unavailable,
            "the connection has no channel left; raise `channel_max` or use fewer subscriptions",
        ),
        Client::InvalidProtocolVersion(_) => (
            ErrorKind::Unavailable,
            "what answers does not speak AMQP 0.9.1; check host and port",
        ),
        Client::ParsingError(_) => (
            ErrorKind::Unavailable,
            "RabbitMQ sent what this client can't read, such as a property that is not UTF-8; the connection is given up",
        ),
        Client::AuthProviderError(_) => (
            ErrorKind::Forbidden,
            "RabbitMQ offers no way to sign in that fits",
        ),
        Client::ProtocolError(said) => match said.kind() {
            AMQPErrorKind::Soft(soft) => of_channel(soft),
            AMQPErrorKind::Hard(hard) => of_connection(hard),
        },
        _ => (ErrorKind::Internal, "the AMQP client was used in a wrong way"),
    }
}

/// Errors that end a channel.
fn of_channel(error: &AMQPSoftError) -> (ErrorKind, &'static str) {
    match error {
        AMQPSoftError::CONTENTTOOLARGE => (ErrorKind::TooLarge, "RabbitMQ takes no message of this size"),
        AMQPSoftError::NOROUTE | AMQPSoftError::NOCONSUMERS => {
            (ErrorKind::Unroutable, "no queue takes this message")
        }
        AMQPSoftError::ACCESSREFUSED => (
            ErrorKind::Forbidden,
            "RabbitMQ refuses this user; check user, password and permissions",
        ),
        AMQPSoftError::NOTFOUND => (ErrorKind::NotFound, "the exchange or queue is not there"),
        AMQPSoftError::RESOURCELOCKED => (
            ErrorKind::Unavailable,
            "another connection has the queue for itself; it is tried again",
        ),
        AMQPSoftError::PRECONDITIONFAILED => (
            ErrorKind::Conflict,
            "the exchange or queue is there with other properties, or a delivery was held for too long",
        ),
    }
}

/// Errors that end a connection.
fn of_connection(error: &AMQPHardError) -> (ErrorKind, &'static str) {
    match error {
        AMQPHardError::CONNECTIONFORCED => (
            ErrorKind::Unavailable,
            "RabbitMQ ended the connection: it stops, or somebody asked it to",
        ),
        AMQPHardError::RESOURCEERROR | AMQPHardError::INTERNALERROR => (
            ErrorKind::Unavailable,
            "RabbitMQ can't do it now: see its own log",
        ),
        AMQPHardError::NOTALLOWED | AMQPHardError::INVALIDPATH => (
            ErrorKind::Forbidden,
            "RabbitMQ has no such virtual host, or this user may not use it",
        ),
        _ => (
            ErrorKind::Internal,
            "RabbitMQ and this client do not understand each other",
        ),
    }
}

/// What `source`, met during `operation`, means to the caller.
pub(super) fn fault(operation: &'static str, source: lapin::Error) -> Error {
    let (kind, message) = meaning(source.kind());
    Error::new(kind, operation, message).caused_by(source)
}

/// Whether the client ended the connection because it could not read what came.
pub(super) fn is_unreadable(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    let client = source.and_then(|source| source.downcast_ref::<lapin::Error>());
    client.is_some_and(|client| matches!(client.kind(), lapin::ErrorKind::ParsingError(_)))
}

/// A message whose frames did not all leave: the broker can't have it.
pub(super) fn not_sent(source: lapin::Error) -> Error {
    let (kind, message) = meaning(source.kind());
    let kind = match kind {
        ErrorKind::Internal | ErrorKind::Conflict => ErrorKind::Unavailable,
        ErrorKind::NotFound => ErrorKind::Unroutable,
        other => other,
    };
    Error::new(kind, "publish", message).caused_by(source)
}

/// A message that was sent and whose confirm will not come.
pub(super) fn not_confirmed(source: lapin::Error) -> Error {
    match meaning(source.kind()) {
        // The broker ends a channel with these before it takes the message.
        (ErrorKind::NotFound, _) => Error::new(ErrorKind::Unroutable, "publish", "the exchange is not there"),
        (kind @ (ErrorKind::Forbidden | ErrorKind::TooLarge), message) => {
            Error::new(kind, "publish", message)
        }
        (_, message) => Error::new(ErrorKind::OutcomeUnknown, "publish", message),
    }
    .caused_by(source)
}

/// The broker as a whole does not do its part now.
pub(super) fn away(operation: &'static str, why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Unavailable, operation, why)
}

/// The port was closed before the call.
pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "this side of the broker was closed")
}

#[cfg(test)]
mod tests {
    use std::io;

    use lapin::protocol::AMQPError;
    use lapin::{ChannelState, ConnectionState, ErrorKind as Client};

    use super::*;

    fn soft(error: AMQPSoftError) -> lapin::Error {
        Client::ProtocolError(AMQPError::new(error.into(), "why".into())).into()
    }

    fn hard(error: AMQPHardError) -> lapin::Error {
        Client::ProtocolError(AMQPError::new(error.into(), "why".into())).into()
    }

    #[test]
    fn every_row_of_the_table_has_its_kind() {
        let table: Vec<(lapin::Error, ErrorKind)> = vec![
            (Client::ChannelsLimitReached.into(), ErrorKind::Unavailable),
            (Client::InvalidChannel(1).into(), ErrorKind::Unavailable),
            (
                Client::InvalidChannelState(ChannelState::Closed, "test").into(),
                ErrorKind::Unavailable,
            ),
            (
                Client::InvalidConnectionState(ConnectionState::Closed).into(),
                ErrorKind::Unavailable,
            ),
            (
                io::Error::from(io::ErrorKind::ConnectionReset).into(),
                ErrorKind::Unavailable,
            ),
            (Client::MissingHeartbeatError.into(), ErrorKind::Unavailable),
            (
                Client::AuthProviderError("none".into()).into(),
                ErrorKind::Forbidden,
            ),
            (Client::FutureCompleted.into(), ErrorKind::Internal),
            (Client::NoDefaultRuntime.into(), ErrorKind::Internal),
            (soft(AMQPSoftError::CONTENTTOOLARGE), ErrorKind::TooLarge),
            (soft(AMQPSoftError::NOROUTE), ErrorKind::Unroutable),
            (soft(AMQPSoftError::NOCONSUMERS), ErrorKind::Unroutable),
            (soft(AMQPSoftError::ACCESSREFUSED), ErrorKind::Forbidden),
            (soft(AMQPSoftError::NOTFOUND), ErrorKind::NotFound),
            (soft(AMQPSoftError::RESOURCELOCKED), ErrorKind::Unavailable),
            (soft(AMQPSoftError::PRECONDITIONFAILED), ErrorKind::Conflict),
            (hard(AMQPHardError::CONNECTIONFORCED), ErrorKind::Unavailable),
            (hard(AMQPHardError::RESOURCEERROR), ErrorKind::Unavailable),
            (hard(AMQPHardError::INTERNALERROR), ErrorKind::Unavailable),
            (hard(AMQPHardError::NOTALLOWED), ErrorKind::Forbidden),
            (hard(AMQPHardError::INVALIDPATH), ErrorKind::Forbidden),
            (hard(AMQPHardError::FRAMEERROR), ErrorKind::Internal),
            (hard(AMQPHardError::SYNTAXERROR), ErrorKind::Internal),
        ];
        for (source, kind) in table {
            let error = fault("test", source.clone());
            assert_eq!(error.kind(), kind, "{source}: {error}");
        }
    }

    #[test]
    fn what_left_is_unknown_and_what_did_not_is_not_taken() {
        let lost = || lapin::Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(not_sent(lost()).kind(), ErrorKind::Unavailable);
        assert_eq!(not_confirmed(lost()).kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(
            not_confirmed(Client::MissingHeartbeatError.into()).kind(),
            ErrorKind::OutcomeUnknown
        );
        let conflict = || soft(AMQPSoftError::PRECONDITIONFAILED);
        assert_eq!(not_sent(conflict()).kind(), ErrorKind::Unavailable);
        assert_eq!(
            not_sent(soft(AMQPSoftError::NOTFOUND)).kind(),
            ErrorKind::Unroutable
        );
        assert_eq!(not_confirmed(conflict()).kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(
            not_confirmed(soft(AMQPSoftError::NOTFOUND)).kind(),
            ErrorKind::Unroutable
        );
        assert_eq!(
            not_confirmed(soft(AMQPSoftError::ACCESSREFUSED)).kind(),
            ErrorKind::Forbidden
        );
    }
}
