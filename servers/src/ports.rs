//! Ports that are free now, chosen where the system does not take them again by itself.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below the range from which the system gives ports to outgoing connections: a server that was killed has to find
/// its port free when it starts again, and a client's connection may take any port of that range in the meantime.
const FIRST: u16 = 15_000;
const LAST: u16 = 32_000;

/// The first of `count` free ports in a row.
///
/// # Errors
/// When none are found.
pub fn free(count: u16) -> Result<u16> {
    for attempt in 0..1000_u32 {
        let random = RandomState::new().hash_one(attempt);
        let port = FIRST + u16::try_from(random % u64::from(LAST - FIRST - count))?;
        if are_free(port, count) {
            return Ok(port);
        }
    }
    bail!("found no {count} free ports in a row between {FIRST} and {LAST}")
}

/// Whether nobody listens on these ports of this machine.
pub(crate) fn are_free(first: u16, count: u16) -> bool {
    (first..first.saturating_add(count)).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(!are_free(port, 1) && !are_free(port - 1, 2));
    }

    #[test]
    fn free_ports_are_where_connections_take_none() {
        let port = free(3).unwrap();
        assert!((FIRST..LAST).contains(&port) && (FIRST..=LAST).contains(&(port + 2)));
    }
}
