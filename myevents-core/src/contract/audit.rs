//! The audit log's entries in JSON: as `GET /audit` shows them, and as stores and exports keep them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::{Actor, AuditAction, AuditEntry, AuditId, Id, UnixMillis, Version};
use crate::error::{Error, ErrorKind, Result};

/// An entry of the audit log as sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AuditEntry))]
#[serde(rename_all = "PascalCase")]
pub struct AuditWire {
    /// Hex digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// Unix seconds.
    pub time: i64,
    /// `subject`, `api_key`, `anonymous`, `operator`, or `self` for the person that the change is about.
    pub who: String,
    /// Who vouched for a subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// A subject's name at the issuer, or the id of an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What was done, such as `event.updated`.
    pub action: String,
    /// The kind of the record: `event`, `location`, `booking`, `user`, `api_key`.
    pub object: String,
    /// The record's id, hex digits.
    #[serde(rename = "ObjectID")]
    pub object_id: String,
    /// The record's version after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The names of the fields that were changed; what is in them is not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Names the request in the log.
    #[serde(default, rename = "RequestID", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The W3C trace id.
    #[serde(default, rename = "TraceID", skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl From<&AuditEntry> for AuditWire {
    fn from(entry: &AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            time: entry.time.seconds().get(),
            who: entry.actor.kind().to_owned(),
            issuer: entry.actor.issuer().map(str::to_owned),
            subject: entry.actor.subject().map(Cow::into_owned),
            action: entry.action.as_str().to_owned(),
            object: entry.action.object_kind().to_owned(),
            object_id: entry.object.to_string(),
            version: entry.version.map(|version| version.0),
            fields: entry.fields.iter().map(ToString::to_string).collect(),
            request_id: entry.request.clone(),
            trace_id: entry.trace.clone(),
        }
    }
}

/// The form that stores keep and exports hold: fields may be added, and those that are not known are passed over.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    /// Unix milliseconds.
    time: i64,
    #[serde(borrow)]
    who: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    issuer: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    object: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    request: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    trace: Option<Cow<'a, str>>,
}

/// An entry as JSON, as stores keep it.
#[must_use]
pub fn audit_to_json(entry: &AuditEntry) -> String {
    let stored = Stored {
        id: entry.id.to_string().into(),
        time: entry.time.0,
        who: entry.actor.kind().into(),
        issuer: entry.actor.issuer().map(Into::into),
        subject: entry.actor.subject(),
        action: entry.action.as_str().into(),
        object: entry.object.to_string().into(),
        version: entry.version.map(|version| version.0),
        fields: entry.fields.clone(),
        request: entry.request.as_deref().map(Into::into),
        trace: entry.trace.as_deref().map(Into::into),
    };
    // Only maps with keys that are no text, or a failing writer, can fail; there is neither.
    serde_json::to_string(&stored).unwrap_or_default()
}

/// Reads what [`audit_to_json`] wrote.
///
/// # Errors
/// `Malformed` for what is none of it.
pub fn audit_from_json(json: &str) -> Result<AuditEntry> {
    let malformed = || {
        Error::new(
            ErrorKind::Malformed,
            "read audit entry",
            "an entry of the audit log can't be read",
        )
    };
    let stored: Stored<'_> = serde_json::from_str(json).map_err(|source| malformed().caused_by(source))?;
    let actor = Actor::of_parts(&stored.who, stored.issuer.as_deref(), stored.subject.as_deref());
    Ok(AuditEntry {
        id: AuditId::parse(&stored.id).map_err(|_| malformed())?,
        time: UnixMillis(stored.time),
        actor: actor.map_err(|_| malformed())?,
        action: AuditAction::from_stored(&stored.action),
        object: Id::parse(&stored.object).map_err(|_| malformed())?,
        version: stored.version.map(Version),
        fields: stored
            .fields
            .into_iter()
            .map(|field| Cow::Owned(field.into_owned()))
            .collect(),
        request: stored.request.map(Cow::into_owned),
        trace: stored.trace.map(Cow::into_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            id: [1; 12].into(),
            time: UnixMillis(1_780_272_000_123),
            actor: Actor::Subject {
                issuer: "https://id.example".to_owned(),
                subject: "ann \"\\ é 票".to_owned(),
            },
            action: AuditAction::EVENT_UPDATED,
            object: Id::from_bytes(&[2; 12]).unwrap(),
            version: Some(Version(7)),
            fields: vec!["Name".into(), "StartDate".into()],
            request: Some("r-1".to_owned()),
            trace: None,
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let full = entry();
        assert_eq!(audit_from_json(&audit_to_json(&full)).unwrap(), full);
        let least = AuditEntry {
            actor: Actor::Anonymous,
            version: None,
            fields: Vec::new(),
            request: None,
            ..full
        };
        assert_eq!(audit_from_json(&audit_to_json(&least)).unwrap(), least);
    }

    #[test]
    fn what_is_none_is_malformed_and_more_fields_are_passed_over() {
        let json = audit_to_json(&entry());
        let more = json.replacen('{', "{\"later\":1,", 1);
        assert_eq!(audit_from_json(&more).unwrap(), entry());
        for bad in [
            "",
            "{}",
            "[]",
            &json.replace("subject\"", "nobody\""),
            &json.replace("0202", "xx02"),
        ] {
            let error = audit_from_json(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{bad}");
        }
    }

    #[test]
    fn an_entry_is_shown_with_the_kind_of_its_record() {
        let shown = serde_json::to_value(AuditWire::from(&entry())).unwrap();
        assert_eq!(shown["Object"], "event");
        assert_eq!(shown["Time"], 1_780_272_000);
        assert_eq!(shown["Fields"][1], "StartDate");
        assert!(shown.get("TraceID").is_none());
    }
}
