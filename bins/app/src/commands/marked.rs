//! Ids of rows, marked with where they are, a service's store or a consumer group: `bookingservice/17`.

use anyhow::{Result, bail};
use myevents_core::mail;
use myevents_core::runtime::config::ServiceName;

/// What the command prints.
pub(super) fn mark(place: &str, id: impl std::fmt::Display) -> String {
    format!("{place}/{id}")
}

/// The ids of `place` among `given`. Without a mark an id is one of place `unmarked`, if there is one that can be meant.
pub(super) fn of_place<'a>(given: &'a [String], place: &str, unmarked: Option<&str>) -> Result<Vec<&'a str>> {
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
            _ if unmarked == Some(place) => own.push(id),
            _ if unmarked.is_some() => {}
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
        assert_eq!(of_place(&given, "bookingservice", None).unwrap(), ["2"]);
        assert_eq!(of_place(&given, "mail", None).unwrap(), ["3"]);
        assert!(of_place(&["3".to_owned()], "bookingservice", None).is_err());
        let unmarked = Some("bookingservice");
        let given = ["3", "mail/4"].map(str::to_owned);
        assert_eq!(of_place(&given, "bookingservice", unmarked).unwrap(), ["3"]);
        assert_eq!(of_place(&given, "mail", unmarked).unwrap(), ["4"]);
    }
}
