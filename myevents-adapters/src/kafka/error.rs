//! From librdkafka's errors to ours: one table for publishes, whose outcome may be unknown, one for everything else.

use myevents_core::{Error, ErrorKind};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// A publish. What is not here may have been applied.
const PUBLISH: &[(Code, ErrorKind)] = &[
    // The time ran out, perhaps after it was sent.
    (Code::MessageTimedOut, ErrorKind::OutcomeUnknown),
    (Code::RequestTimedOut, ErrorKind::OutcomeUnknown),
    (Code::NetworkException, ErrorKind::OutcomeUnknown),
    (Code::BrokerTransportFailure, ErrorKind::OutcomeUnknown),
    (Code::NotEnoughReplicasAfterAppend, ErrorKind::OutcomeUnknown),
    (Code::PurgeInflight, ErrorKind::OutcomeUnknown),
    // The producer can't go on: another is made.
    (Code::Fatal, ErrorKind::OutcomeUnknown),
    (Code::OutOfOrderSequenceNumber, ErrorKind::OutcomeUnknown),
    (Code::InvalidProducerEpoch, ErrorKind::OutcomeUnknown),
    (Code::UnknownProducerId, ErrorKind::OutcomeUnknown),
    // It never left.
    (Code::QueueFull, ErrorKind::Unavailable),
    (Code::TimedOutQueue, ErrorKind::Unavailable),
    (Code::PurgeQueue, ErrorKind::Unavailable),
    // The brokers refuse it until somebody sets them up otherwise: the message is sound.
    (Code::TopicAuthorizationFailed, ErrorKind::Unavailable),
    (Code::ClusterAuthorizationFailed, ErrorKind::Unavailable),
    (Code::Authentication, ErrorKind::Unavailable),
    (Code::SaslAuthenticationFailed, ErrorKind::Unavailable),
    (Code::UnsupportedForMessageFormat, ErrorKind::Unavailable),
    (Code::NotEnoughReplicas, ErrorKind::Unavailable),
    (Code::KafkaStorageError, ErrorKind::Unavailable),
    // There is no such place.
    (Code::UnknownTopic, ErrorKind::Unroutable),
    (Code::UnknownPartition, ErrorKind::Unroutable),
    (Code::UnknownTopicOrPartition, ErrorKind::Unroutable),
    (Code::UnknownTopicId, ErrorKind::Unroutable),
    (Code::InvalidTopic, ErrorKind::Unroutable),
    // This very message is refused for good.
    (Code::MessageSizeTooLarge, ErrorKind::TooLarge),
    (Code::InvalidMessageSize, ErrorKind::Rejected),
    (Code::InvalidRecord, ErrorKind::Rejected),
    (Code::InvalidTimestamp, ErrorKind::Rejected),
    (Code::PolicyViolation, ErrorKind::Rejected),
];

/// Everything else. What is not here can be asked again.
const CALL: &[(Code, ErrorKind)] = &[
    (Code::UnknownTopic, ErrorKind::NotFound),
    (Code::UnknownPartition, ErrorKind::NotFound),
    (Code::UnknownTopicOrPartition, ErrorKind::NotFound),
    (Code::TopicAuthorizationFailed, ErrorKind::Forbidden),
    (Code::GroupAuthorizationFailed, ErrorKind::Forbidden),
    (Code::ClusterAuthorizationFailed, ErrorKind::Forbidden),
    (Code::Authentication, ErrorKind::Forbidden),
    (Code::SaslAuthenticationFailed, ErrorKind::Forbidden),
    (Code::InvalidTopic, ErrorKind::Config),
    (Code::InvalidPartitions, ErrorKind::Config),
    (Code::InvalidReplicationFactor, ErrorKind::Config),
    (Code::InvalidConfig, ErrorKind::Config),
    (Code::InvalidGroupId, ErrorKind::Config),
    (Code::InvalidSessionTimeout, ErrorKind::Config),
    (Code::InconsistentGroupProtocol, ErrorKind::Config),
    (Code::PolicyViolation, ErrorKind::Config),
    (Code::UnsupportedVersion, ErrorKind::Unsupported),
    (Code::UnsupportedFeature, ErrorKind::Unsupported),
];

fn find(table: &[(Code, ErrorKind)], code: Code, otherwise: ErrorKind) -> ErrorKind {
    table
        .iter()
        .find(|(listed, _)| *listed == code)
        .map_or(otherwise, |(_, kind)| *kind)
}

/// An error of a publish.
pub(super) fn publish(error: KafkaError) -> Error {
    let kind = match error.rdkafka_error_code() {
        Some(code) => find(PUBLISH, code, ErrorKind::OutcomeUnknown),
        // A topic's name with a NUL in it.
        None if matches!(error, KafkaError::Nul(_)) => ErrorKind::Rejected,
        None => ErrorKind::OutcomeUnknown,
    };
    let message = match kind {
        ErrorKind::OutcomeUnknown => "kafka's answer was lost",
        ErrorKind::Unroutable => "there is no such topic",
        ErrorKind::TooLarge => "the message is larger than the broker takes",
        ErrorKind::Rejected => "kafka refuses this message",
        _ => "kafka did not take the message",
    };
    Error::new(kind, "publish", message).caused_by(error)
}

/// An answer of the admin API, or another bare code.
pub(super) fn code(operation: &'static str, code: Code) -> Error {
    call(operation, KafkaError::AdminOp(code))
}

/// An error of anything but a publish.
pub(super) fn call(operation: &'static str, error: KafkaError) -> Error {
    let kind = match &error {
        // rdkafka gives no code for this one by itself.
        KafkaError::AdminOp(code) => find(CALL, *code, ErrorKind::Unavailable),
        KafkaError::ClientConfig(..) | KafkaError::AdminOpCreation(_) | KafkaError::Nul(_) => {
            ErrorKind::Config
        }
        KafkaError::ClientCreation(why) if names_missing_part(why) => ErrorKind::Unsupported,
        KafkaError::ClientCreation(_) => ErrorKind::Config,
        error => match error.rdkafka_error_code() {
            Some(code) => find(CALL, code, ErrorKind::Unavailable),
            None => ErrorKind::Unavailable,
        },
    };
    let message = match kind {
        ErrorKind::NotFound => "there is no such topic",
        ErrorKind::Forbidden => "kafka does not allow it",
        ErrorKind::Config => "kafka's client can't be set up so",
        ErrorKind::Unsupported => "this build of kafka's client, or the broker, has no such ability",
        _ => "kafka can't be reached",
    };
    Error::new(kind, operation, message).caused_by(error)
}

/// librdkafka names a part that it was built without, TLS for one, only in words.
fn names_missing_part(why: &str) -> bool {
    why.contains("not available") || why.contains("not supported") || why.contains("No provider for SASL")
}

/// Whether the producer is done for and another has to be made.
pub(super) fn is_fatal(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(Code::Fatal)
}

/// The publisher's queue is full: wait and go on.
pub(super) fn is_full(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(Code::QueueFull)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_of_publishes_holds() {
        for (code, kind) in PUBLISH {
            let error = publish(KafkaError::MessageProduction(*code));
            assert_eq!(error.kind(), *kind, "{code:?}");
        }
    }

    #[test]
    fn every_row_of_the_table_of_calls_holds_in_each_shape() {
        for (listed, kind) in CALL {
            for error in [
                KafkaError::AdminOp(*listed),
                KafkaError::MetadataFetch(*listed),
                KafkaError::ConsumerCommit(*listed),
                KafkaError::MessageConsumption(*listed),
            ] {
                assert_eq!(call("ask", error).kind(), *kind, "{listed:?}");
            }
            assert_eq!(code("ask", *listed).kind(), *kind);
        }
    }

    #[test]
    fn no_code_stands_in_a_table_twice() {
        for table in [PUBLISH, CALL] {
            for (place, (code, _)) in table.iter().enumerate() {
                assert!(table[..place].iter().all(|(other, _)| other != code), "{code:?}");
            }
        }
    }

    #[test]
    fn what_is_in_no_table_may_be_repeated_and_a_publish_may_have_happened() {
        let unknown = publish(KafkaError::MessageProduction(Code::Unknown));
        assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown);
        let away = call("ask", KafkaError::MetadataFetch(Code::AllBrokersDown));
        assert_eq!(away.kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_setting_that_can_not_be_is_told_from_one_that_this_build_has_not() {
        use rdkafka::ClientConfig;
        use rdkafka::consumer::BaseConsumer;
        let kind = |key: &str, value: &str| {
            let created = ClientConfig::new().set(key, value).create::<BaseConsumer>();
            created.err().map(|error| call("open", error).kind())
        };
        assert_eq!(kind("no.such.setting", "1"), Some(ErrorKind::Config));
        assert_eq!(kind("security.protocol", "pigeon"), Some(ErrorKind::Config));
        // Kerberos, which SASL is by default, is in no build of librdkafka here.
        assert_eq!(
            kind("security.protocol", "sasl_plaintext"),
            Some(ErrorKind::Unsupported)
        );
    }

    #[test]
    fn fatal_and_full_are_told_from_the_rest() {
        assert!(is_fatal(&KafkaError::MessageProduction(Code::Fatal)));
        assert!(is_full(&KafkaError::MessageProduction(Code::QueueFull)));
        assert!(!is_fatal(&KafkaError::MessageProduction(Code::MessageTimedOut)));
    }
}
