//! The JSON schema of a message's body, for documents.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What a body looks like, in JSON Schema.
#[derive(Debug, Clone, PartialEq)]
pub struct BodySchema {
    /// The schema; to what it shares with others it refers as `#/components/schemas/NAME`.
    pub schema: Value,
    /// What it refers to, by name.
    pub shared: BTreeMap<String, Value>,
}

impl Default for BodySchema {
    /// Any JSON object.
    fn default() -> Self {
        Self {
            schema: json!({ "type": "object" }),
            shared: BTreeMap::new(),
        }
    }
}

#[cfg(feature = "openapi")]
impl BodySchema {
    /// The schema that `T` derives.
    #[must_use]
    pub fn of<T: utoipa::ToSchema>() -> Self {
        let mut shared = Vec::new();
        T::schemas(&mut shared);
        let json = |schema| serde_json::to_value(schema).unwrap_or_default();
        Self {
            schema: json(T::schema()),
            shared: shared
                .into_iter()
                .map(|(name, schema)| (name, json(schema)))
                .collect(),
        }
    }
}
