//! The one table from what SQS and its SDK report to the kind of error a caller can act on. SNS speaks the same codes.

use std::error::Error as StdError;

use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use myevents_core::{Error, ErrorKind};

use crate::aws::was_never_sent;
use crate::trust::is_unproven;

/// What is said of a message that is out of our hands.
const GONE: &str = "SQS gave the message to another, as its time was over; it comes again";

/// What an error code means. The codes are those of
/// [SQS](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html) and
/// [SNS](https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html); ElasticMQ leaves out what stands before the last dot.
fn meaning(code: &str) -> Option<(ErrorKind, &'static str)> {
    let name = code.rsplit('#').next().unwrap_or(code);
    if name
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("kms"))
    {
        return Some((
            ErrorKind::Unavailable,
            "the key that encrypts the queue or topic can't be used; check its state and its policy",
        ));
    }
    let bare = name.rsplit('.').next().unwrap_or(name);
    Some(match bare {
        "NonExistentQueue" | "QueueDoesNotExist" | "NotFound" | "NotFoundException" => (
            ErrorKind::Unroutable,
            "there is no such queue or topic; make it, or set `sqs_create_queues`, and check the region",
        ),
        "RequestThrottled"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "Throttled"
        | "TooManyRequestsException"
        | "SlowDown"
        | "RequestLimitExceeded"
        | "OverLimit" => (
            ErrorKind::Unavailable,
            "SQS throttles, or too many messages are under way",
        ),
        "QueueDeletedRecently" => (
            ErrorKind::Unavailable,
            "a queue of this name was deleted less than a minute ago",
        ),
        "InternalError" | "InternalFailure" | "InternalErrorException" | "ServiceUnavailable" => {
            (ErrorKind::OutcomeUnknown, "SQS failed while it was at work")
        }
        "InvalidMessageContents" | "EmptyValue" => {
            (ErrorKind::Rejected, "the message holds what SQS does not carry")
        }
        "MessageTooLong" | "BatchRequestTooLong" => {
            (ErrorKind::TooLarge, "the message is larger than SQS takes")
        }
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => (ErrorKind::Unavailable, GONE),
        "QueueNameExists" | "QueueAlreadyExists" => {
            (ErrorKind::Config, "the queue is there with other settings")
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSecurity"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "OptInRequired"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "NotAuthorized" => (
            ErrorKind::Unavailable,
            "SQS refuses these credentials; check them, their permissions and the clock of this machine",
        ),
        _ => return None,
    })
}

/// What an error that SQS answered means.
pub(crate) fn answered(operation: &'static str, code: &str, message: &str, status: u16) -> Error {
    let (kind, words) = match meaning(code) {
        Some(found) => found,
        // An expired handle of a FIFO queue has no code of its own.
        None if speaks_of_handle(message) => (ErrorKind::Unavailable, GONE),
        None if speaks_of_size(message) => (ErrorKind::TooLarge, "the message is larger than SQS takes"),
        // No failure, and no answer that can be read: a page of something in between.
        None if status < 400 => (ErrorKind::OutcomeUnknown, "the answer can't be read"),
        None if status >= 500 => (ErrorKind::OutcomeUnknown, "SQS failed while it was at work"),
        // The request as a whole, which may be the set-up: a right or a setting that is missing, a proxy.
        None => (
            ErrorKind::Unavailable,
            "SQS refused the request; check the set-up by the code",
        ),
    };
    Error::new(kind, operation, words)
        .with("code", code)
        .caused_by(message.to_owned())
}

/// Whether the message is out of our hands: its time was over, or a request of ours that gave it back was heard before.
pub(super) fn is_gone(error: &Error) -> bool {
    error.message() == GONE
}

fn speaks_of_handle(message: &str) -> bool {
    message.to_ascii_lowercase().contains("receipt handle")
}

fn speaks_of_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("must be shorter than") || message.contains("too long") || message.contains("too large")
}

/// What the failure of one entry of a batch means.
pub(super) fn entry(operation: &'static str, failed: &BatchResultErrorEntry) -> Error {
    failed_entry(
        operation,
        &failed.code,
        failed.message.as_deref(),
        failed.sender_fault,
    )
}

/// As [`entry`], by its parts.
pub(crate) fn failed_entry(
    operation: &'static str,
    code: &str,
    message: Option<&str>,
    sender_fault: bool,
) -> Error {
    let message = message.unwrap_or_default();
    let error = answered(operation, code, message, if sender_fault { 400 } else { 500 });
    if sender_fault
        && meaning(code).is_none()
        && error.kind() == ErrorKind::Unavailable
        && !speaks_of_handle(message)
    {
        // It is about this entry alone.
        return Error::new(ErrorKind::Rejected, operation, "SQS refused this entry")
            .with("code", code)
            .caused_by(message.to_owned());
    }
    if !sender_fault && error.kind() == ErrorKind::OutcomeUnknown {
        // The entry was answered: it failed, and nothing of it was taken.
        return Error::new(
            ErrorKind::Unavailable,
            operation,
            "SQS could not take this entry now",
        )
        .with("code", code)
        .caused_by(message.to_owned());
    }
    error
}

/// An entry that the answer to its batch does not mention.
pub(crate) fn unanswered(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        operation,
        "SQS did not answer an entry of a batch",
    )
}

/// What `error`, met during `operation`, means. What may have been done is `OutcomeUnknown`.
pub(crate) fn fault<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Error
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
        SdkError::ConstructionFailure(_) => not_sent(operation, error),
        SdkError::DispatchFailure(failure) => {
            let connector = failure.as_connector_error();
            if connector.is_some_and(|error| is_unproven(error)) {
                unproven(operation, error)
            } else if connector.is_some_and(was_never_sent) {
                not_sent(operation, error)
            } else {
                lost(operation, error)
            }
        }
        // The request was on its way: a time-out, or an answer that can't be read.
        _ => lost(operation, error),
    }
}

fn unproven(operation: &'static str, cause: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        operation,
        "the endpoint's certificate is not valid for its address by the authorities in broker_tls_ca, or the system's where it is not set; put the authority's certificate in that file, or correct the endpoint",
    )
    .caused_by(cause)
}

/// As [`fault`], for what may be repeated whether or not it was done.
pub(crate) fn repeatable<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let error = fault(operation, error);
    if error.kind() != ErrorKind::OutcomeUnknown {
        return error;
    }
    Error::new(ErrorKind::Unavailable, operation, error.message().to_owned()).caused_by(error)
}

fn not_sent(operation: &'static str, cause: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        operation,
        "SQS can't be reached; check the network, the endpoint, the region and the credentials",
    )
    .caused_by(cause)
}

fn lost(operation: &'static str, cause: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::OutcomeUnknown, operation, "the answer of SQS was lost").caused_by(cause)
}

/// A request of ours that lacks a part.
pub(super) fn unbuilt(error: BuildError) -> Error {
    Error::new(
        ErrorKind::Internal,
        "build request",
        "a request to SQS lacks a part",
    )
    .caused_by(error)
}

/// An answer of SQS that lacks a part.
pub(crate) fn incomplete(operation: &'static str) -> Error {
    Error::new(ErrorKind::Malformed, operation, "an answer lacks a part")
}

pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "it was closed")
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::operation::send_message::SendMessageError;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    #[test]
    fn every_row_of_the_table_has_its_kind() {
        use ErrorKind::{Config, OutcomeUnknown, Rejected, TooLarge, Unavailable, Unroutable};
        let table = [
            ("AWS.SimpleQueueService.NonExistentQueue", 400, Unroutable),
            ("QueueDoesNotExist", 400, Unroutable),
            ("NotFound", 404, Unroutable),
            ("RequestThrottled", 403, Unavailable),
            ("ThrottlingException", 400, Unavailable),
            ("Throttled", 429, Unavailable),
            ("OverLimit", 403, Unavailable),
            ("KMS.ThrottlingException", 400, Unavailable),
            ("AWS.SimpleQueueService.QueueDeletedRecently", 400, Unavailable),
            ("InternalFailure", 500, OutcomeUnknown),
            ("InternalError", 500, OutcomeUnknown),
            ("ServiceUnavailable", 503, OutcomeUnknown),
            ("SomethingNew", 502, OutcomeUnknown),
            ("SomethingNew", 400, Unavailable),
            ("AWS.SimpleQueueService.UnsupportedOperation", 400, Unavailable),
            ("InvalidAddress", 404, Unavailable),
            ("RequestExpired", 403, Unavailable),
            ("NotAuthorized", 403, Unavailable),
            ("none", 403, Unavailable),
            ("none", 407, Unavailable),
            ("none", 429, Unavailable),
            ("KMS.DisabledException", 400, Unavailable),
            ("KMS.NotFoundException", 400, Unavailable),
            ("KMSOptInRequired", 403, Unavailable),
            ("com.amazonaws.sqs#KmsInvalidState", 400, Unavailable),
            ("none", 200, OutcomeUnknown),
            ("InvalidMessageContents", 400, Rejected),
            ("AWS.SimpleQueueService.BatchRequestTooLong", 400, TooLarge),
            ("ReceiptHandleIsInvalid", 404, Unavailable),
            ("AWS.SimpleQueueService.MessageNotInflight", 400, Unavailable),
            ("QueueNameExists", 400, Config),
            ("AccessDeniedException", 403, Unavailable),
            ("UnrecognizedClientException", 400, Unavailable),
            ("ExpiredToken", 403, Unavailable),
            ("KmsAccessDenied", 400, Unavailable),
        ];
        for (code, status, kind) in table {
            assert_eq!(answered("test", code, "because", status).kind(), kind, "{code}");
        }
        let says = |message| answered("test", "InvalidParameterValue", message, 400).kind();
        assert_eq!(says("The receipt handle has expired"), Unavailable);
        assert_eq!(
            says("One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."),
            TooLarge
        );
        assert_eq!(says("no such thing"), Unavailable, "it may be the set-up");
    }

    #[test]
    fn an_entry_that_failed_was_not_taken() {
        let kind = |code, sender| failed_entry("test", code, Some("because"), sender).kind();
        assert_eq!(kind("InternalError", false), ErrorKind::Unavailable);
        assert_eq!(kind("SomethingNew", false), ErrorKind::Unavailable);
        assert_eq!(kind("InvalidMessageContents", true), ErrorKind::Rejected);
        assert_eq!(kind("RequestThrottled", true), ErrorKind::Unavailable);
        assert_eq!(kind("KMS.DisabledException", true), ErrorKind::Unavailable);
        assert_eq!(kind("SomethingNew", true), ErrorKind::Rejected);
        assert_eq!(unanswered("test").kind(), ErrorKind::OutcomeUnknown);
    }

    fn dispatched(error: ConnectorError) -> ErrorKind {
        fault::<SendMessageError>("test", SdkError::dispatch_failure(error)).kind()
    }

    #[test]
    fn what_was_never_sent_is_told_from_what_was_lost() {
        let io = |kind: std::io::ErrorKind| ConnectorError::io(std::io::Error::from(kind).into());
        assert_eq!(
            dispatched(io(std::io::ErrorKind::ConnectionRefused)),
            ErrorKind::Unavailable
        );
        for kind in [
            std::io::ErrorKind::ConnectionReset,
            std::io::ErrorKind::UnexpectedEof,
        ] {
            assert_eq!(dispatched(io(kind)), ErrorKind::OutcomeUnknown, "{kind}");
        }
        let connect = ConnectorError::timeout("HTTP connect timeout occurred after 1s".into());
        assert_eq!(dispatched(connect), ErrorKind::Unavailable);
        let late = || SdkError::<SendMessageError, HttpResponse>::timeout_error("operation timed out");
        assert_eq!(fault("test", late()).kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(repeatable("test", late()).kind(), ErrorKind::Unavailable);
        let unbuilt = fault::<SendMessageError>("test", SdkError::construction_failure("no region"));
        assert_eq!(unbuilt.kind(), ErrorKind::Unavailable);
    }
}
