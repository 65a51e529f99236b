//! The one table from what DynamoDB and its SDK report to the kind of error a caller can act on.

use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use myevents_core::{Error, ErrorKind};

use crate::aws::was_never_sent;
use crate::trust::is_unproven;

/// What a failed call means for what it was to do.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing was applied, and the same call may be sent again: throttled, or in conflict with another transaction.
    Busy(Error),
    /// It never reached DynamoDB.
    NotSent(Error),
    /// It may or may not have been applied.
    Unknown(Error),
    /// It was refused, and will be again.
    Refused(Error),
}

impl Fault {
    /// The error of a call that changes nothing, or whose change nobody waits for.
    pub(super) fn of_read(self) -> Error {
        match self {
            Self::Busy(error) | Self::NotSent(error) | Self::Refused(error) => error,
            Self::Unknown(error) => {
                let unavailable = Error::new(
                    ErrorKind::Unavailable,
                    error.operation(),
                    error.message().to_owned(),
                );
                unavailable.caused_by(error)
            }
        }
    }

    /// The error of a call that changes something and is sent once.
    pub(super) fn of_write(self) -> Error {
        match self {
            Self::Busy(error) | Self::NotSent(error) | Self::Refused(error) | Self::Unknown(error) => error,
        }
    }
}

/// What an error code of DynamoDB means. The codes are those of
/// [its API](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html).
fn meaning(code: &str, message: &str) -> Option<(Class, ErrorKind, &'static str)> {
    Some(match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestLimitExceeded" => (
            Class::Busy,
            ErrorKind::Unavailable,
            "DynamoDB throttles; raise the table's capacity or wait",
        ),
        "TransactionConflictException"
        | "ReplicatedWriteConflictException"
        | "TransactionCanceledException" => (
            Class::Busy,
            ErrorKind::Unavailable,
            "another write of the same record was in the way",
        ),
        // Sent again while the first one is still at work.
        "TransactionInProgressException" => (
            Class::Unknown,
            ErrorKind::OutcomeUnknown,
            "an earlier try of this write is still at work",
        ),
        "InternalServerError" | "InternalFailure" | "ServiceUnavailable" => (
            Class::Unknown,
            ErrorKind::OutcomeUnknown,
            "DynamoDB failed while it was at work",
        ),
        "ConditionalCheckFailedException" => (
            Class::Refused,
            ErrorKind::Precondition,
            "the record is not as it was expected to be",
        ),
        "ItemCollectionSizeLimitExceededException" => (
            Class::Refused,
            ErrorKind::TooLarge,
            "a record is larger than DynamoDB stores",
        ),
        "ValidationException" | "ValidationError" if speaks_of_size(message) => (
            Class::Refused,
            ErrorKind::TooLarge,
            "a record is larger than the 400 KB that DynamoDB stores in one item",
        ),
        "ValidationException" | "ValidationError" => (
            Class::Refused,
            ErrorKind::Internal,
            "DynamoDB does not take this request",
        ),
        "IdempotentParameterMismatchException" => (
            Class::Refused,
            ErrorKind::Internal,
            "a token was used for two different requests",
        ),
        "ResourceNotFoundException" => (
            Class::Refused,
            ErrorKind::Config,
            "a table or index is missing; start the service with `create_tables`, or make it, and check `table_prefix` and the region",
        ),
        "ResourceInUseException" | "LimitExceededException" | "TableInUseException" => (
            Class::Refused,
            ErrorKind::Unavailable,
            "a table is being made or changed; try again",
        ),
        "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "OptInRequired"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "KMSAccessDeniedException" => (
            Class::Refused,
            ErrorKind::Unavailable,
            "DynamoDB refuses these credentials; check them, their permissions and the clock of this machine",
        ),
        _ => return None,
    })
}

#[derive(Debug, Clone, Copy)]
enum Class {
    Busy,
    Unknown,
    Refused,
}

fn speaks_of_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("size") && (message.contains("exceed") || message.contains("limit"))
}

fn fault_of_class(class: Class, error: Error) -> Fault {
    match class {
        Class::Busy => Fault::Busy(error),
        Class::Unknown => Fault::Unknown(error),
        Class::Refused => Fault::Refused(error),
    }
}

/// What an error that DynamoDB answered means.
pub(super) fn answered(operation: &'static str, code: &str, message: &str, status: u16) -> Fault {
    let (class, kind, words) = meaning(code, message).unwrap_or(if status >= 500 {
        (
            Class::Unknown,
            ErrorKind::OutcomeUnknown,
            "DynamoDB failed while it was at work",
        )
    } else {
        (
            Class::Refused,
            ErrorKind::Internal,
            "DynamoDB refused the request",
        )
    });
    let error = Error::new(kind, operation, words)
        .with("code", code)
        .caused_by(message.to_owned());
    fault_of_class(class, error)
}

/// What `error`, met during `operation`, means.
pub(super) fn fault<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match &error {
        SdkError::ServiceError(service) => answered(
            operation,
            service.err().code().unwrap_or("none"),
            service.err().message().unwrap_or(""),
            service.raw().status().as_u16(),
        ),
        SdkError::ConstructionFailure(_) => Fault::NotSent(not_sent(operation, error)),
        SdkError::DispatchFailure(failure) => {
            let connector = failure.as_connector_error();
            if connector.is_some_and(|error| is_unproven(error)) {
                return Fault::NotSent(unproven(operation, error));
            }
            if connector.is_some_and(was_never_sent) {
                Fault::NotSent(not_sent(operation, error))
            } else {
                Fault::Unknown(lost(operation, error))
            }
        }
        // The request was on its way: a time-out, or an answer that can't be read.
        _ => Fault::Unknown(lost(operation, error)),
    }
}

fn not_sent(operation: &'static str, cause: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        operation,
        "DynamoDB can't be reached; check the network, the endpoint, the region and the credentials",
    )
    .caused_by(cause)
}

fn unproven(operation: &'static str, cause: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        operation,
        "the endpoint's certificate is not valid for its address by the authorities in database_tls_ca, or the system's where it is not set; put the authority's certificate in that file, or correct the address in dbconnection",
    )
    .caused_by(cause)
}

fn lost(operation: &'static str, cause: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        operation,
        "the answer of DynamoDB was lost; repeat the request with the same id",
    )
    .caused_by(cause)
}

/// A stored item that can't be decoded.
pub(super) fn malformed(what: &'static str) -> Error {
    Error::new(ErrorKind::Malformed, "read record", what)
}

/// A request of ours that lacks a part.
pub(super) fn unbuilt(error: BuildError) -> Error {
    Error::new(
        ErrorKind::Internal,
        "build request",
        "a request to DynamoDB lacks a part",
    )
    .caused_by(error)
}

pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the store was closed")
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::get_item::GetItemError;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    fn told(fault: &Fault) -> (&'static str, ErrorKind, bool) {
        let (word, error) = match fault {
            Fault::Busy(error) => ("busy", error),
            Fault::NotSent(error) => ("not sent", error),
            Fault::Unknown(error) => ("unknown", error),
            Fault::Refused(error) => ("refused", error),
        };
        (word, error.kind(), error.is_retryable())
    }

    #[test]
    fn every_row_of_the_table_has_its_kind() {
        use ErrorKind::{Config, Internal, OutcomeUnknown, Precondition, TooLarge, Unavailable};
        let table = [
            ("ProvisionedThroughputExceededException", 400, "busy", Unavailable),
            ("ThrottlingException", 400, "busy", Unavailable),
            ("Throttling", 400, "busy", Unavailable),
            ("RequestLimitExceeded", 400, "busy", Unavailable),
            ("TransactionConflictException", 400, "busy", Unavailable),
            ("ReplicatedWriteConflictException", 400, "busy", Unavailable),
            ("TransactionCanceledException", 400, "busy", Unavailable),
            ("TransactionInProgressException", 400, "unknown", OutcomeUnknown),
            ("InternalServerError", 500, "unknown", OutcomeUnknown),
            ("ServiceUnavailable", 503, "unknown", OutcomeUnknown),
            ("SomethingNew", 502, "unknown", OutcomeUnknown),
            ("SomethingNew", 400, "refused", Internal),
            ("ConditionalCheckFailedException", 400, "refused", Precondition),
            (
                "ItemCollectionSizeLimitExceededException",
                400,
                "refused",
                TooLarge,
            ),
            ("ValidationException", 400, "refused", Internal),
            ("IdempotentParameterMismatchException", 400, "refused", Internal),
            ("ResourceNotFoundException", 400, "refused", Config),
            ("ResourceInUseException", 400, "refused", Unavailable),
            ("AccessDeniedException", 400, "refused", Unavailable),
            ("UnrecognizedClientException", 400, "refused", Unavailable),
            ("ExpiredTokenException", 400, "refused", Unavailable),
        ];
        for (code, status, word, kind) in table {
            let fault = answered("test", code, "because", status);
            assert_eq!(told(&fault), (word, kind, kind.is_retryable()), "{code}");
        }
        let size = "Item size has exceeded the maximum allowed size";
        let fault = answered("test", "ValidationException", size, 400);
        assert_eq!(told(&fault), ("refused", TooLarge, false));
    }

    fn dispatched(error: ConnectorError) -> Fault {
        fault::<GetItemError>("test", SdkError::dispatch_failure(error))
    }

    #[test]
    fn what_was_never_sent_is_told_from_what_was_lost() {
        let io = |kind: std::io::ErrorKind| ConnectorError::io(std::io::Error::from(kind).into());
        for kind in [
            std::io::ErrorKind::ConnectionRefused,
            std::io::ErrorKind::NetworkUnreachable,
        ] {
            let fault = dispatched(io(kind));
            assert_eq!(told(&fault), ("not sent", ErrorKind::Unavailable, true), "{kind}");
        }
        for kind in [
            std::io::ErrorKind::ConnectionReset,
            std::io::ErrorKind::UnexpectedEof,
            std::io::ErrorKind::BrokenPipe,
        ] {
            let fault = dispatched(io(kind));
            assert_eq!(
                told(&fault),
                ("unknown", ErrorKind::OutcomeUnknown, true),
                "{kind}"
            );
            assert_eq!(dispatched(io(kind)).of_read().kind(), ErrorKind::Unavailable);
            assert_eq!(dispatched(io(kind)).of_write().kind(), ErrorKind::OutcomeUnknown);
        }
        let connect = ConnectorError::timeout("HTTP connect timeout occurred after 1s".into());
        assert_eq!(told(&dispatched(connect)).0, "not sent");
        let read = ConnectorError::timeout("HTTP read timeout occurred after 1s".into());
        assert_eq!(told(&dispatched(read)).0, "unknown");
        let credentials = ConnectorError::other("no credentials in the property bag".into(), None);
        assert_eq!(told(&dispatched(credentials)).0, "not sent");
        let late = fault::<GetItemError>("test", SdkError::timeout_error("operation timed out"));
        assert_eq!(told(&late), ("unknown", ErrorKind::OutcomeUnknown, true));
        let unbuilt = fault::<GetItemError>("test", SdkError::construction_failure("no region"));
        assert_eq!(told(&unbuilt), ("not sent", ErrorKind::Unavailable, true));
    }

    #[test]
    fn a_malformed_item_says_so() {
        assert_eq!(malformed("test").kind(), ErrorKind::Malformed);
    }
}
