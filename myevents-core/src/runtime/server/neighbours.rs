//! How many connections each address has open, where that is bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// The open connections of one listener by address; IPv6 by its first 64 bits, of which a customer may have many.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// Without it nothing is counted.
    most: Option<usize>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    of: Option<(Arc<Neighbours>, IpAddr)>,
}

impl Neighbours {
    pub(super) fn new(most: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            most,
            open: Mutex::default(),
        })
    }

    /// A place for one more connection of `address`; none where it has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let Some(most) = self.most else {
            return Some(Place { of: None });
        };
        let address = network(address);
        let mut all = self.open.lock();
        let open = all.entry(address).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(Place {
            of: Some((Arc::clone(self), address)),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((neighbours, address)) = &self.of else {
            return;
        };
        let mut all = neighbours.open.lock();
        if let Some(open) = all.get_mut(address) {
            *open -= 1;
            if *open == 0 {
                all.remove(address);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places_and_gives_them_back() {
        let neighbours = Neighbours::new(Some(2));
        let enter = |text: &str| neighbours.enter(text.parse().unwrap());
        let held = [enter("10.0.0.1"), enter("::ffff:10.0.0.1")];
        assert!(held.iter().all(Option::is_some));
        assert!(enter("10.0.0.1").is_none() && enter("10.0.0.2").is_some());
        let six = [enter("2001:db8::1"), enter("2001:db8::2:0:0:1")];
        assert!(six.iter().all(Option::is_some) && enter("2001:db8::3").is_none());
        assert!(enter("2001:db8:0:1::1").is_some());
        drop((held, six));
        assert!(enter("10.0.0.1").is_some());
        assert!(neighbours.open.lock().is_empty());
        let unbounded = Neighbours::new(None);
        assert!((0..1_000).all(|_| unbounded.enter(IpAddr::from([10, 0, 0, 1])).is_some()));
    }
}
