//! How often is asked: by one address, and by one caller. What is over a bound is answered before anything is done for it.
//! How many are worked on at once is bounded by `RestSettings::requests`.
//!
//! One [`Admission`] belongs to a process: its routers share it, so that a client can't have a budget of each.

mod address;
mod buckets;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{ConnectInfo, Request};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::rest::problem::Problem;
use crate::service::Caller;

pub use address::{ForwardedHeader, TrustedProxies};
pub use buckets::Rate;
use buckets::{Buckets, Taken};

/// Addresses, and callers, that a budget is remembered of. Each takes some 20 bytes; past the bound those that used theirs
/// least are forgotten, which gives them a full one.
const REMEMBERED: usize = 131_072;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The bounds. By default there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdmissionOptions {
    /// How often one address may ask: IPv6 by its first 64 bits, a network; a customer of a provider may have many of these.
    pub per_address: Option<Rate>,
    /// How often one signed-in caller may ask, from all their addresses together.
    pub per_caller: Option<Rate>,
    /// Whose word on a client's address is taken.
    pub proxies: TrustedProxies,
}

/// Lets requests in, or refuses them. Costs one lock of a shard for each rate.
///
/// Addresses come from [`ConnectInfo`] in the request's extensions: `runtime::server` puts it there, and so does axum's
/// `into_make_service_with_connect_info`. Requests without one are not bounded by address.
#[derive(Debug)]
pub struct Admission {
    addresses: Option<Buckets>,
    callers: Option<Buckets>,
    proxies: TrustedProxies,
    warned: AtomicBool,
}

/// What is left of the budget that is nearest to its end, for the answer's headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing(Taken);

impl Admission {
    /// With these bounds.
    #[must_use]
    pub fn new(options: AdmissionOptions) -> Self {
        Self {
            addresses: options.per_address.map(|rate| Buckets::new(rate, REMEMBERED)),
            callers: options.per_caller.map(|rate| Buckets::new(rate, REMEMBERED)),
            proxies: options.proxies,
            warned: AtomicBool::new(false),
        }
    }

    /// Whether the request's address may ask again.
    pub(super) fn by_address(
        &self,
        request: &Request,
        standing: &mut Option<Standing>,
    ) -> Result<(), Problem> {
        let Some(buckets) = &self.addresses else {
            return Ok(());
        };
        let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else {
            return Ok(());
        };
        let peer = peer.ip().to_canonical();
        let client = self.proxies.client(peer, request.headers());
        let taken = match client {
            IpAddr::V4(address) => buckets.take(&address.octets()),
            IpAddr::V6(address) => buckets.take(&address.octets()[..8]),
        };
        if !taken.allowed && self.proxies.is_unknown(peer) && self.proxies.names_a_client(request.headers()) {
            self.warn_of_proxy();
        }
        let refusal = "too many requests came from this address; wait as Retry-After says";
        admit(taken, standing, refusal)
    }

    /// Whether the caller may ask again; for nobody there is no bound.
    pub(super) fn by_caller(&self, caller: &Caller, standing: &mut Option<Standing>) -> Result<(), Problem> {
        let (Some(buckets), Caller::Subject { issuer, subject, .. }) = (&self.callers, caller) else {
            return Ok(());
        };
        let refusal = "too many requests came in this caller's name; wait as Retry-After says";
        admit(buckets.take(&(issuer, subject)), standing, refusal)
    }

    /// Behind a proxy that is not trusted all its clients are one address, which nobody wants.
    fn warn_of_proxy(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "requests are refused that a proxy seems to have passed on: its clients share one budget until \
                 trusted_proxies names it"
            );
        }
    }
}

/// Keeps the standing of what refuses, else of the budget that is nearer to its end.
fn admit(taken: Taken, standing: &mut Option<Standing>, refusal: &'static str) -> Result<(), Problem> {
    let tighter = standing.is_none_or(|before| taken.remaining < before.0.remaining);
    if tighter || !taken.allowed {
        *standing = Some(Standing(taken));
    }
    if taken.allowed {
        return Ok(());
    }
    let wait = HeaderValue::from(taken.retry_after);
    Err(Problem::of("rate-limited", refusal).with_header(header::RETRY_AFTER, wait))
}

impl Standing {
    /// Writes the fields of [draft 06](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06), which
    /// clients know; later drafts put them into one of another form that has changed since.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.0.limit));
        headers.insert(REMAINING, HeaderValue::from(self.0.remaining));
        headers.insert(RESET, HeaderValue::from(self.0.reset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_is_its_network_and_a_mapped_one_is_the_ipv4_it_stands_for() {
        let admission = Admission::new(AdmissionOptions {
            per_address: Some(Rate::new(1, 2)),
            ..AdmissionOptions::default()
        });
        let ask = |peer: &str| {
            let mut request = Request::new(axum::body::Body::empty());
            let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
            request.extensions_mut().insert(ConnectInfo(peer));
            admission.by_address(&request, &mut None).is_ok()
        };
        assert!(ask("2001:db8:1:2::1") && ask("2001:db8:1:2:ffff::9"));
        assert!(!ask("2001:db8:1:2:3:4:5:6"));
        assert!(ask("2001:db8:1:3::1"));
        assert!(ask("192.0.2.1") && ask("::ffff:192.0.2.1"));
        assert!(!ask("192.0.2.1"));
        // Without an address nothing is bounded by it.
        assert!(
            admission
                .by_address(&Request::new(axum::body::Body::empty()), &mut None)
                .is_ok()
        );
    }

    #[test]
    fn callers_of_two_issuers_are_two_and_nobody_is_not_bounded() {
        let admission = Admission::new(AdmissionOptions {
            per_caller: Some(Rate::new(1, 1)),
            ..AdmissionOptions::default()
        });
        let ask = |issuer: &str, subject: &str| {
            let caller = Caller::Subject {
                issuer: issuer.to_owned(),
                subject: subject.to_owned(),
                scopes: crate::service::Scopes::NONE,
            };
            admission.by_caller(&caller, &mut None).is_ok()
        };
        assert!(ask("a", "ann") && !ask("a", "ann"));
        assert!(ask("b", "ann") && ask("a", "bob"));
        for _ in 0..3 {
            assert!(admission.by_caller(&Caller::Anonymous, &mut None).is_ok());
        }
    }
}
