//! `--demo`: a few halls and coming events, so that there is something to look at and to book.

use myevents_core::domain::{Hall, HourOfDay, Minutes, Name, PersonLimits, Text, TimeZoneName, UnixSeconds};
use myevents_core::ports::{Clock, EventFilter, SystemClock};
use myevents_core::service::{EventDraft, EventService, LocationDraft, RequestContext};
use myevents_core::{ErrorKind, Result};

struct DemoHall {
    name: &'static str,
    address: &'static str,
    country: &'static str,
    time_zone: &'static str,
    hours: (i64, i64),
    rooms: &'static [(&'static str, &'static str, u32)],
    /// Name, days from now, start in hours after midnight UTC, minutes.
    events: &'static [(&'static str, i64, i64, i64)],
}

const HALLS: &[DemoHall] = &[
    DemoHall {
        name: "Teatro della Pergola",
        address: "Via della Pergola 12, 50121 Firenze",
        country: "Italy",
        time_zone: "Europe/Rome",
        hours: (10, 23),
        rooms: &[
            ("Sala grande", "ground floor", 996),
            ("Saloncino", "first floor", 310),
        ],
        events: &[("Aida", 12, 18, 180), ("L'elisir d'amore", 26, 18, 150)],
    },
    DemoHall {
        name: "Oberhafen Kantine",
        address: "Stockmeyerstraße 39, 20457 Hamburg",
        country: "Germany",
        time_zone: "Europe/Berlin",
        hours: (12, 23),
        rooms: &[("Halle", "ground floor", 180)],
        events: &[
            ("Rust Meetup: Bookings that never oversell", 5, 17, 180),
            ("Poetry Slam Finale", 19, 18, 150),
        ],
    },
    DemoHall {
        name: "Koto Hall",
        address: "4-12-8 Kiyosumi, Koto City, Tokyo",
        country: "Japan",
        time_zone: "Asia/Tokyo",
        hours: (9, 22),
        rooms: &[("Main hall", "second floor", 1_200), ("Studio", "basement", 90)],
        events: &[
            ("New Year's Concert", 40, 9, 120),
            ("An Evening of Shamisen", 33, 10, 90),
        ],
    },
    DemoHall {
        name: "Harbour Arts Centre",
        address: "21 Wharf Road, Halifax, NS B3J 1S9",
        country: "Canada",
        time_zone: "America/Halifax",
        hours: (8, 23),
        rooms: &[("Auditorium", "level 1", 640), ("Black box", "level 2", 120)],
        events: &[
            ("Folk at the Harbour", 8, 23, 180),
            ("Children's Science Day", 15, 14, 300),
        ],
    },
    DemoHall {
        name: "Sala Río Mapocho",
        address: "Avenida Santa María 1180, Providencia, Santiago",
        country: "Chile",
        time_zone: "America/Santiago",
        hours: (11, 23),
        rooms: &[("Sala principal", "primer piso", 420)],
        events: &[("Noche de cueca brava", 22, 24, 200)],
    },
];

/// Fills an empty store; one that holds any event is left as it is. Answers how many events were made.
pub(crate) async fn fill(service: &EventService) -> Result<usize> {
    let any = EventFilter {
        with_cancelled: true,
        ..EventFilter::default()
    };
    if !service.list_events(&any, None, 1).await?.items.is_empty() {
        return Ok(0);
    }
    let context = RequestContext::default();
    let midnight = SystemClock.now().seconds().get() / 86_400 * 86_400;
    let mut made = 0;
    for hall in HALLS {
        let location = service
            .create_location(&context, None, location(hall)?)
            .await?
            .record
            .location;
        for (name, days, hour, minutes) in hall.events {
            let start = midnight + days * 86_400 + hour * 3_600;
            let draft = EventDraft {
                id: None,
                name: Name::parse("name", name)?,
                duration: Minutes::parse(*minutes)?,
                start: UnixSeconds::parse("startdate", start)?,
                end: UnixSeconds::parse("enddate", start + minutes * 60)?,
                location: Some(LocationDraft {
                    id: Some(location.id.clone()),
                    ..LocationDraft::default()
                }),
                hall_names: Vec::new(),
                sales_start: None,
                sales_end: None,
                max_seats_per_booking: None,
                person_limits: PersonLimits::default(),
            };
            match service.create_event(&context, None, draft).await {
                Ok(_) => made += 1,
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(made)
}

fn location(hall: &DemoHall) -> Result<LocationDraft> {
    let rooms = hall.rooms.iter().map(|(name, place, capacity)| {
        Ok(Hall {
            name: Text::parse("hall", name)?,
            location: Text::parse("location", place)?,
            capacity: *capacity,
        })
    });
    Ok(LocationDraft {
        id: None,
        name: Text::parse("name", hall.name)?,
        address: Text::parse("address", hall.address)?,
        country: Text::parse("country", hall.country)?,
        open_time: HourOfDay::parse("opentime", hall.hours.0)?,
        close_time: HourOfDay::parse("closetime", hall.hours.1)?,
        halls: rooms.collect::<Result<_>>()?,
        time_zone: Some(TimeZoneName::parse(hall.time_zone)?),
    })
}
