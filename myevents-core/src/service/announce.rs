//! Makes what a write carries: its messages, encoded before the write, so that what can't be sent is refused before it is
//! stored; and its line of the audit log.

use std::sync::Arc;

use crate::contract::{Envelope, Message};
use crate::domain::{AuditAction, AuditEntry, Id, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{Clock, IdSource};
use crate::service::RequestContext;

/// The default bound of a message body in bytes, below the limit of every broker.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 204_800;

/// Makes envelopes in the name of one service.
#[derive(Debug, Clone)]
pub struct Announcer {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    source: Arc<str>,
    max_message_bytes: usize,
}

impl Announcer {
    /// Messages say they come from `source`; bodies above `max_message_bytes` are refused.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        source: &str,
        max_message_bytes: usize,
    ) -> Self {
        Self {
            clock,
            ids,
            source: source.into(),
            max_message_bytes,
        }
    }

    /// The line of the audit log about a change of `object` that the request of `context` asks for.
    #[must_use]
    pub fn audit(
        &self,
        context: &RequestContext,
        action: AuditAction,
        object: Id,
        version: Option<Version>,
    ) -> AuditEntry {
        AuditEntry {
            id: self.ids.object_id().into(),
            time: self.clock.now(),
            actor: context.caller.actor(),
            action,
            object,
            version,
            fields: Vec::new(),
            request: context.request_id.clone(),
            trace: context.trace_id(),
        }
    }

    /// A message with `body` about the record `key`, caused by the request of `context`.
    ///
    /// # Errors
    /// `TooLarge` when the body exceeds the bound.
    pub fn announce<M: Message>(&self, body: &M, key: String, context: &RequestContext) -> Result<Envelope> {
        let bytes = serde_json::to_vec(body).map_err(|error| {
            Error::new(ErrorKind::Internal, "encode message", "the body can't be encoded").caused_by(error)
        })?;
        if bytes.len() > self.max_message_bytes {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "encode message",
                format!(
                    "its message would have {} bytes, above the {} allowed",
                    bytes.len(),
                    self.max_message_bytes
                ),
            ));
        }
        Ok(Envelope::builder(self.ids.message_id(), M::name(), key)
            .time(self.clock.now())
            .headers(context.message_headers(&self.source))
            .body(bytes)
            .build())
    }
}
