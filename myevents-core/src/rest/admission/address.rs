//! Which address a request is from, when proxies stand in between.
//!
//! Each proxy adds the address it was asked from at the right. So the right-most address that is none of our proxies' is
//! the client's, and whatever stands further left is the client's own word, which counts for nothing.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::error::{Error, ErrorKind, Result};

/// More proxies than anybody has in a row.
const MAX_HOPS: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header that the proxies write. Only one is read: a client could send the other one through proxies that don't know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which nearly all proxies write.
    #[default]
    XForwardedFor,
    /// `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)).
    Forwarded,
}

/// Proxies whose word on a client's address is taken. By default nobody's is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardedHeader,
}

impl TrustedProxies {
    /// Reads networks (`10.0.0.0/8`), addresses, and the words `loopback` and `private` (which has loopback in it).
    ///
    /// # Errors
    /// `Config` when one of them is nothing of that.
    pub fn parse<'a>(networks: impl IntoIterator<Item = &'a str>, header: ForwardedHeader) -> Result<Self> {
        const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];
        const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
        let mut all = Vec::new();
        for text in networks {
            let words: Vec<&str> = match text {
                "loopback" => LOOPBACK.to_vec(),
                "private" => [LOOPBACK, PRIVATE].concat(),
                text => vec![text],
            };
            for word in words {
                let network = word.parse().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
                // Peers are told by their IPv4 address where they have one, and nobody's proxies are everywhere.
                let usable = |network: &IpNet| {
                    let mapped =
                        matches!(network.addr(), IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
                    network.prefix_len() > 0 && !mapped
                };
                all.push(network.ok().filter(usable).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Config,
                        "read trusted_proxies",
                        "is no address (IPv4 as such), no network such as 10.0.0.0/8, and neither loopback nor private",
                    )
                    .with("value", word)
                })?);
            }
        }
        Ok(Self {
            networks: all,
            header,
        })
    }

    /// Whose request it is that came from `peer`.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(client) {
            return client;
        }
        let values = headers.get_all(self.name());
        let hops = values
            .iter()
            .rev()
            .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops.take(MAX_HOPS) {
            // What can't be read hides who asked: then it was whoever told us so. Each piece is read by itself, so that what
            // the client wrote can't make the proxies' part unreadable.
            let hop = std::str::from_utf8(hop).ok();
            let Some(address) = hop.and_then(|hop| self.read(hop.trim())) else {
                break;
            };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// Whether `peer` is none of the proxies.
    pub(super) fn is_unknown(&self, peer: IpAddr) -> bool {
        !self.trusts(peer)
    }

    /// Whether somebody says that the request is another's.
    pub(super) fn names_a_client(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(self.name())
    }

    fn name(&self) -> HeaderName {
        match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    fn read(&self, hop: &str) -> Option<IpAddr> {
        let node = match self.header {
            ForwardedHeader::XForwardedFor => hop,
            ForwardedHeader::Forwarded => only_for(hop)?,
        };
        let bare = || node.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
        let address: Option<IpAddr> = node.parse().ok().or_else(bare);
        let with_port = || Some(node.parse::<SocketAddr>().ok()?.ip());
        address.or_else(with_port).map(|address| address.to_canonical())
    }
}

/// The one `for` of an element. A proxy that copies what a client wrote into another parameter, such as the host, must not let
/// it write this one: quotes that are not closed in their own pair, and a second `for`, make all of it unreadable.
fn only_for(hop: &str) -> Option<&str> {
    let mut found = None;
    for pair in hop.split(';') {
        if pair.matches('"').count() % 2 == 1 {
            return None;
        }
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None;
            }
            found = Some(value.trim_matches('"'));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies::parse(["10.0.0.0/8", "192.0.2.7", "fd00::/8"], header).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(proxies.name(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        // Of the other header nothing is ever taken.
        let other = match header {
            ForwardedHeader::XForwardedFor => header::FORWARDED,
            ForwardedHeader::Forwarded => X_FORWARDED_FOR,
        };
        headers.append(other, HeaderValue::from_static("for=6.6.6.6"));
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_right_most_hop_that_is_no_proxy_of_ours_asks() {
        let many = vec!["10.1.1.1"; 100].join(", ");
        let forged = format!("203.0.113.5, {many}");
        for (peer, lines, expected) in [
            // Nobody's word but the proxies'.
            ("203.0.113.9", &["198.51.100.1"] as &[&str], "203.0.113.9"),
            ("203.0.113.9", &[], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("192.0.2.7", &["198.51.100.1"], "198.51.100.1"),
            ("192.0.2.8", &["198.51.100.1"], "192.0.2.8"),
            // What the client put in front is not believed.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.9.9.9, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1,10.0.0.3", "10.0.0.2"], "198.51.100.1"),
            // Only our own: the first of them.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Ports, brackets, mapped addresses.
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("fd00::1", &["::ffff:10.0.0.2"], "10.0.0.2"),
            // What can't be read ends the way: the last proxy asks.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1, 1.2.3, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1 , caf\u{e9}"], "10.0.0.1"),
            ("10.0.0.1", &["caf\u{e9}, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[&forged], "10.1.1.1"),
        ] {
            let found = client(ForwardedHeader::XForwardedFor, peer, lines);
            assert_eq!(found, expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_header_of_the_standard_is_read_where_it_is_chosen() {
        for (line, expected) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=\"[2001:db8::1]:4711\";proto=https", "2001:db8::1"),
            ("by=10.0.0.1; FOR=198.51.100.1;host=x", "198.51.100.1"),
            ("for=1.1.1.1, for=198.51.100.1;proto=https", "198.51.100.1"),
            ("for=1.1.1.1\", for=198.51.100.1", "198.51.100.1"),
            ("for=198.51.100.1, for=_hidden", "10.0.0.1"),
            ("for=198.51.100.1, for=10.0.0.9", "198.51.100.1"),
            ("198.51.100.1", "10.0.0.1"),
            ("for=198.51.100.1;host=\"x;for=1.2.3.4\"", "10.0.0.1"),
            ("for=198.51.100.1;host=x;for=1.2.3.4", "10.0.0.1"),
            ("for=198.51.100.1;host=\"x, for=1.2.3.4\"", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
        ] {
            let found = client(ForwardedHeader::Forwarded, "10.0.0.1", &[line]);
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn words_addresses_and_networks_are_read_and_nothing_else() {
        let parse = |text| TrustedProxies::parse([text], ForwardedHeader::default());
        for (text, inside, outside) in [
            ("loopback", "127.9.9.9", "10.0.0.1"),
            ("loopback", "::1", "::2"),
            ("private", "127.0.0.1", "8.8.8.8"),
            ("private", "172.31.0.1", "172.32.0.1"),
            ("private", "fd12::1", "2001:db8::1"),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("2001:db8::/32", "2001:db8:f::1", "2001:db9::1"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ] {
            let proxies = parse(text).unwrap();
            assert!(proxies.trusts(inside.parse().unwrap()), "{text} {inside}");
            assert!(!proxies.trusts(outside.parse().unwrap()), "{text} {outside}");
        }
        for bad in [
            "",
            "all",
            "10.0.0.0/33",
            "proxy.example",
            "10.0.0",
            "*",
            "0.0.0.0/0",
            "::/0",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
