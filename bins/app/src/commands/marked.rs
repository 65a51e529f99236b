//! Ids of rows, marked with the service whose store they are in: `bookingservice/17`.

use anyhow::{Result, bail};
use myevents_core::runtime::config::ServiceName;

/// What the command prints.
pub(super) fn mark(service: ServiceName, id: impl std::fmt::Display) -> String {
    format!("{service}/{id}")
}

/// The ids of `service` among `given`. Without a mark an id means the only service of the program.
pub(super) fn of_service(given: &[String], service: ServiceName, services: usize) -> Result<Vec<&str>> {
    let mut own = Vec::new();
    for id in given {
        match id.split_once('/') {
            Some((name, id)) if name == service.as_str() => own.push(id),
            Some((name, _))
                if [ServiceName::Event, ServiceName::Booking]
                    .iter()
                    .any(|one| one.as_str() == name) => {}
            _ if services == 1 => own.push(id),
            _ => {
                bail!("`{id}` does not say whose it is; write it as `list` prints it, such as {service}/{id}")
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_to_their_own_store() {
        let given = ["eventservice/1".to_owned(), "bookingservice/2".to_owned()];
        assert_eq!(of_service(&given, ServiceName::Booking, 2).unwrap(), ["2"]);
        assert!(of_service(&["3".to_owned()], ServiceName::Booking, 2).is_err());
        assert_eq!(
            of_service(&["3".to_owned()], ServiceName::Booking, 1).unwrap(),
            ["3"]
        );
    }
}
