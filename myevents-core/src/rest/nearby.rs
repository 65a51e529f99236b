//! Whether a request comes from somebody on this machine, and not through a proxy on it or from another site's page.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, header};

/// What proxies add. One that adds none of these can't be told from a person here: the host is what its client says.
const FORWARDED: &[&str] = &[
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
];

/// For requests that came over loopback: whether they name this machine as the host, were not forwarded, and are of no page of
/// another host.
pub(super) fn is_of_this_machine(parts: &Parts) -> bool {
    let headers = &parts.headers;
    // HTTP/2 has the host in the address; where both are there, neither may be another's.
    let in_header = only(headers, header::HOST).map(|host| is_loopback(without_port(host)));
    let named = match (
        parts.uri.host().map(is_loopback),
        headers.contains_key(header::HOST),
    ) {
        (Some(in_uri), true) => in_uri && in_header == Some(true),
        (Some(in_uri), false) => in_uri,
        (None, _) => in_header == Some(true),
    };
    let page = !headers.contains_key(header::ORIGIN)
        || only(headers, header::ORIGIN)
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, host)| is_loopback(without_port(host)));
    named && page && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}

/// The one value of a header.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Browsers resolve `localhost` and names below it to this machine and ask nobody, so they can't be pointed here by others.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = address.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, headers: &[(&str, &str)]) -> bool {
        let request = headers
            .iter()
            .fold(http::Request::get(uri), |request, (name, value)| {
                request.header(*name, *value)
            });
        is_of_this_machine(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn this_machine_is_told_from_proxies_and_other_sites() {
        for host in [
            "localhost",
            "LOCALHOST:8282",
            "tickets.localhost:1",
            "127.0.0.1:8080",
            "127.8.9.1",
            "[::1]:80",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(of("/", &[("host", host)]), "{host}");
            assert!(of(&format!("http://{host}/"), &[]), "{host}");
        }
        let here = ("host", "127.0.0.1:8080");
        assert!(of("/", &[here, ("origin", "http://localhost:5173")]));
        for other in [
            vec![],
            vec![("host", "tickets.example.com")],
            vec![("host", "localhost.example.com:80")],
            vec![("host", "10.0.0.1")],
            vec![here, here],
            vec![here, ("origin", "https://evil.example")],
            vec![here, ("origin", "null")],
            vec![here, ("x-forwarded-for", "10.1.2.3")],
            vec![here, ("forwarded", "for=10.1.2.3")],
            vec![here, ("via", "1.1 proxy")],
        ] {
            assert!(!of("/", &other), "{other:?}");
        }
        assert!(!of("http://tickets.example.com/", &[here]));
        assert!(!of("http://localhost/", &[("host", "tickets.example.com")]));
        assert!(of("http://localhost/", &[here]));
    }
}
