//! Ids of rows, marked with where they are, a service's store or a consumer group: `bookingservice/17`.

use anyhow::{Result, bail};
use myevents_core::mail;
use myevents_core::runtime::config::ServiceName;

/// What the command prints.
pub(super) fn mark(place: &str, id: impl std::fmt::Display) -> String {
    format!("{place}/{id}")
}

/// The ids of `place` among `given`. Without a mark an id means the only place there is.
pub(super) fn of_place<'a>(given: &'a [String], place: &str, places: usize) -> Result<Vec<&'a str>> {
    let known = [
        ServiceName::Event.as_str(),
        ServiceName::Booking.as_str(),
        mail::GROUP,
    ];
    let mut own = Vec::new();
    for id in given {
        match id.split_once('/') {
            Some((name, id)) if name == place => own.push(id),
            Some((name, _)) if known.contains(&name) => {}
            _ if places == 1 => own.push(id),
            _ => {
                bail!("`{id}` does not say whose it is; write it as `list` prints it, such as {place}/{id}")
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_to_their_own_place() {
        let given = ["eventservice/1", "bookingservice/2", "mail/3"].map(str::to_owned);
        assert_eq!(of_place(&given, "bookingservice", 2).unwrap(), ["2"]);
        assert_eq!(of_place(&given, "mail", 2).unwrap(), ["3"]);
        assert!(of_place(&["3".to_owned()], "bookingservice", 2).is_err());
        assert_eq!(of_place(&["3".to_owned()], "bookingservice", 1).unwrap(), ["3"]);
    }
}
