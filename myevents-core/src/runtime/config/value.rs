//! Forms of values: addresses, times, flags; and hiding passwords.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an IP address; empty = every address of the machine.
    pub host: String,
    /// The port; 0 = a free one.
    pub port: u16,
}

impl ListenAddress {
    /// Reads `host:port`, `:port` or `[v6]:port`.
    ///
    /// # Errors
    /// In words, what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is no address; write host:port, such as 127.0.0.1:8080");
        let (host, port) = text.rsplit_once(':').ok_or_else(fault)?;
        let port = port.parse().map_err(|_| fault())?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let bad = |c: char| c.is_whitespace() || matches!(c, '/' | '@' | '[' | ']');
        if host.contains(bad) || (bracketed.is_none() && host.contains(':')) {
            return Err(fault());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// Whether only programs of this machine reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Text that may hold a password: hidden in `Debug` and `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the driver and nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", redact(&self.0))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

/// Hides the password of each URL in a comma-separated text.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, tail) = rest.split_at(at + 3);
        shown.push_str(scheme);
        // A password may hold any sign, `/` and `,` too where it was not escaped: up to the last `@` before the next URL.
        let end = tail
            .find("://")
            .map_or(tail.len(), |next| tail[..next].rfind(',').unwrap_or(next));
        let (own, following) = tail.split_at(end);
        match own.rsplit_once('@') {
            Some((user, place)) => {
                shown.push_str(user.split(':').next().unwrap_or_default());
                if user.contains(':') {
                    shown.push_str(":***");
                }
                shown.push('@');
                shown.push_str(place);
            }
            None => shown.push_str(own),
        }
        rest = following;
    }
    shown.push_str(rest);
    shown
}

/// Reads a number of seconds, or a number with its unit.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("`{text}` is no time; write seconds, or 2s, 500ms, 1m, 1h");
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().map_err(|_| fault())?;
    let factor = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err(fault()),
    };
    let duration = Duration::try_from_secs_f64(number * factor).map_err(|_| fault())?;
    // Far beyond any use, and added to the time of day it would overflow.
    if duration > Duration::from_secs(366 * 86_400) {
        return Err(fault());
    }
    Ok(duration)
}

pub(super) fn parse_flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_take_a_unit_and_stand_for_seconds_without() {
        for (text, millis) in [
            ("2", 2_000),
            ("2s", 2_000),
            ("500ms", 500),
            ("1.5", 1_500),
            ("1m", 60_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1", "2 days", "1e400", "NaN", "99999999999"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses() {
        for (text, loopback) in [
            ("localhost:8181", true),
            ("127.0.0.1:0", true),
            ("[::1]:80", true),
            (":8181", false),
            ("0.0.0.0:8181", false),
            ("booking.example:80", false),
        ] {
            let address = ListenAddress::parse(text).unwrap();
            assert_eq!(address.is_loopback(), loopback, "{text}");
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "localhost",
            "localhost:",
            "localhost:70000",
            "http://localhost:80",
            "::1:80",
        ] {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn passwords_are_hidden() {
        for (text, shown) in [
            (
                "amqp://guest:guest@localhost:5672",
                "amqp://guest:***@localhost:5672",
            ),
            (
                "amqp://a:b@one,amqp://c:d@two",
                "amqp://a:***@one,amqp://c:***@two",
            ),
            ("mongodb://me:p@ss/w,rd@host/db", "mongodb://me:***@host/db"),
            ("mongodb://127.0.0.1", "mongodb://127.0.0.1"),
            ("./eventservice.db", "./eventservice.db"),
        ] {
            assert_eq!(redact(text), shown);
            assert_eq!(format!("{:?}", Secret::new(text)), format!("{shown:?}"));
        }
    }
}
