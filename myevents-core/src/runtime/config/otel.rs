//! The settings of trace export.

use super::value::Secret;
use super::values::Values;

/// Where spans are sent, by whom, and which.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OtelSettings {
    /// The collector's URL without the path of traces; `None` = none is named.
    pub endpoint: Option<Secret>,
    /// What the collector calls this process; `None` = the program's name.
    pub service_name: Option<String>,
    /// The sampler's word.
    pub sampler: String,
    /// The share of traces, 0 to 1, for samplers that take one.
    pub share: f64,
}

pub(super) fn read(values: &mut Values<'_>) -> OtelSettings {
    let endpoint = values.optional("otel_endpoint").filter(|text| !text.is_empty());
    let is_url = |text: &String| {
        let parsed = text.parse::<http::Uri>().ok();
        let scheme = parsed.as_ref().and_then(http::Uri::scheme_str);
        matches!(scheme, Some("http" | "https"))
    };
    if endpoint.as_ref().is_some_and(|text| !is_url(text)) {
        // What it is instead may hold a password.
        values.fault(
            "otel_endpoint",
            "is no URL that begins with http:// or https://".into(),
        );
    }
    let parse = |text: &str| match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("`{text}` is no number from 0 to 1")),
    };
    OtelSettings {
        endpoint: endpoint.map(Secret::new),
        service_name: values
            .optional("otel_service_name")
            .filter(|text| !text.is_empty()),
        sampler: values.text("otel_traces_sampler"),
        share: values.parsed("otel_traces_sampler_arg", parse, 1.0),
    }
}
