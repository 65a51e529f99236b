//! One transaction: sent, sent again as it is while its outcome is open, and its reasons read by position.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::client::{Clients, rest};
use super::error::{Fault, answered, fault};
use super::item::Item;

/// How many actions a transaction takes.
pub(super) const MAX_ACTIONS: usize = 100;

/// What became of a transaction.
#[derive(Debug)]
pub(super) enum Verdict {
    /// All of it is stored.
    Applied,
    /// None of it is; one reason an action, in their order.
    Cancelled(Vec<Reason>),
    /// None of it is, and DynamoDB does not say which action is at fault.
    Refused(Error),
}

impl Verdict {
    /// Whether all of it is stored, where it does not matter which condition did not hold.
    ///
    /// # Errors
    /// What can't be carried out as it is.
    pub(super) fn applied(self) -> Result<bool> {
        match self {
            Self::Applied => Ok(true),
            Self::Refused(error) => Err(error),
            Self::Cancelled(reasons) => {
                for reason in reasons {
                    if let Reason::Invalid(error) = reason {
                        return Err(error);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// Why an action kept its transaction from being applied.
#[derive(Debug)]
pub(super) enum Reason {
    /// It did not.
    None,
    /// Its condition did not hold; the item as it was, if there was one.
    Condition(Option<Item>),
    /// It can't be carried out as it is.
    Invalid(Error),
}

enum Attempt {
    Verdict(Verdict),
    Fault(Fault),
}

/// Sends `actions` until it is known what became of them, or until `deadline`: no try starts after it. Every try is the same
/// request under the same token, so one that was applied unnoticed is not applied again.
///
/// # Errors
/// `OutcomeUnknown` when a try may still take effect; else nothing was stored.
pub(super) async fn transact(
    clients: &Clients,
    operation: &'static str,
    actions: Vec<TransactWriteItem>,
    deadline: Instant,
) -> Result<Verdict> {
    let token = format!("{:032x}", rand::random::<u128>());
    let mut open: Option<Error> = None;
    let mut busy: Option<Error> = None;
    let mut tries = 0;
    loop {
        if Instant::now() >= deadline {
            return Err(match (open, busy) {
                (Some(lost), _) => lost,
                (None, Some(busy)) => busy,
                (None, None) => Error::new(
                    ErrorKind::Overloaded,
                    operation,
                    "its time had run out before it was its turn",
                ),
            });
        }
        match attempt(clients, operation, actions.clone(), &token).await {
            Attempt::Verdict(verdict) => return Ok(verdict),
            Attempt::Fault(Fault::Busy(error)) => busy = Some(error),
            Attempt::Fault(Fault::Unknown(error)) => open = Some(error),
            Attempt::Fault(Fault::NotSent(error) | Fault::Refused(error)) => {
                // Nothing is said of the earlier tries, which may have been applied.
                if open.is_none() {
                    return Err(error);
                }
            }
        }
        tries += 1;
        rest(tries).await;
    }
}

async fn attempt(
    clients: &Clients,
    operation: &'static str,
    actions: Vec<TransactWriteItem>,
    token: &str,
) -> Attempt {
    let sent = clients
        .writes
        .transact_write_items()
        .set_transact_items(Some(actions))
        .client_request_token(token)
        .send()
        .await;
    match sent {
        Ok(_) => Attempt::Verdict(Verdict::Applied),
        Err(error) => read_failure(operation, error),
    }
}

fn read_failure(operation: &'static str, error: SdkError<TransactWriteItemsError, HttpResponse>) -> Attempt {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        && let Some(reasons) = &cancelled.cancellation_reasons
        && let Some(reasons) = decisive(operation, reasons)
    {
        return Attempt::Verdict(Verdict::Cancelled(reasons));
    }
    match fault(operation, error) {
        // The same request would be refused again, whatever became of earlier tries: they were refused too.
        Fault::Refused(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::TooLarge) => {
            Attempt::Verdict(Verdict::Refused(error))
        }
        fault => Attempt::Fault(fault),
    }
}

/// The reasons, if one of them will not go away by itself; conflicts and throttles will.
fn decisive(operation: &'static str, reasons: &[CancellationReason]) -> Option<Vec<Reason>> {
    let mut found = false;
    let reasons = reasons
        .iter()
        .map(|reason| match reason.code().unwrap_or("None") {
            "ConditionalCheckFailed" => {
                found = true;
                Reason::Condition(reason.item().filter(|item| !item.is_empty()).cloned())
            }
            "ValidationError" | "ItemCollectionSizeLimitExceeded" | "DuplicateItem" => {
                found = true;
                let message = reason.message().unwrap_or("");
                let code = match reason.code() {
                    Some("ItemCollectionSizeLimitExceeded") => "ItemCollectionSizeLimitExceededException",
                    _ => "ValidationException",
                };
                Reason::Invalid(answered(operation, code, message, 400).of_write())
            }
            _ => Reason::None,
        })
        .collect();
    found.then_some(reasons)
}

#[cfg(test)]
mod tests {
    use super::super::item::text;
    use super::*;

    fn reason(code: &str, message: &str) -> CancellationReason {
        CancellationReason::builder().code(code).message(message).build()
    }

    #[test]
    fn conflicts_and_throttles_alone_decide_nothing() {
        let reasons = [
            reason("None", ""),
            reason("TransactionConflict", ""),
            reason("ThrottlingError", ""),
            reason("ProvisionedThroughputExceeded", ""),
        ];
        assert!(decisive("test", &reasons).is_none());
    }

    #[test]
    fn reasons_keep_their_positions() {
        let old = CancellationReason::builder()
            .code("ConditionalCheckFailed")
            .item("A", text("a"))
            .build();
        let reasons = [
            reason("TransactionConflict", ""),
            old,
            reason("ConditionalCheckFailed", ""),
            reason(
                "ValidationError",
                "Item size to update has exceeded the maximum allowed size",
            ),
        ];
        let read = decisive("test", &reasons).unwrap();
        assert!(matches!(read[0], Reason::None));
        assert!(matches!(&read[1], Reason::Condition(Some(item)) if item.len() == 1));
        assert!(matches!(read[2], Reason::Condition(None)));
        assert!(matches!(&read[3], Reason::Invalid(error) if error.kind() == ErrorKind::TooLarge));
    }
}
