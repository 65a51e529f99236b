//! The settings of how often is asked.

use super::values::Values;
use crate::rest::{AdmissionOptions, ForwardedHeader, Rate, TrustedProxies};

/// A burst where none is said: what may come in so many seconds.
const BURST_SECONDS: u32 = 10;

pub(super) fn read(values: &mut Values<'_>) -> AdmissionOptions {
    let header = match values.text("forwarded_header").as_str() {
        "forwarded" => ForwardedHeader::Forwarded,
        _ => ForwardedHeader::XForwardedFor,
    };
    let proxies = values.list("trusted_proxies");
    let proxies = TrustedProxies::parse(proxies.iter().map(String::as_str), header).unwrap_or_else(|error| {
        let value = error.context().first().map_or("", |(_, value)| value.as_str());
        values.fault("trusted_proxies", format!("`{value}` {}", error.message()));
        TrustedProxies::default()
    });
    AdmissionOptions {
        per_address: rate(values, "rate_limit_address", "rate_limit_address_burst"),
        per_caller: rate(values, "rate_limit_caller", "rate_limit_caller_burst"),
        proxies,
    }
}

fn rate(values: &mut Values<'_>, key: &str, burst: &str) -> Option<Rate> {
    let of = |number: usize| u32::try_from(number).unwrap_or(Rate::MAX);
    let per_second = of(values.number(key));
    let burst = match of(values.number(burst)) {
        0 => per_second.saturating_mul(BURST_SECONDS),
        burst => burst,
    };
    (per_second > 0).then(|| Rate::new(per_second, burst))
}
