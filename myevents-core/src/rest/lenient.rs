//! Reads the JSON of requests leniently: names in any case with or without `_`, and what clients of the original send.
//!
//! The last of several fields of one name counts, as in the original's decoder. Fields nobody knows are ignored.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::domain::{
    Age, BookingId, EventId, Hall, HourOfDay, LocationId, Minutes, Name, PersonLimits, Seats, Text,
    TimeZoneName, UnixSeconds, UserId,
};
use crate::error::{Error, Result};
use crate::service::{BookingDraft, EventDraft, LocationDraft, UserDraft};

/// A JSON value that keeps the order of its fields, as the last of one name counts.
#[derive(Debug)]
enum Node {
    Null,
    Bool,
    Whole(i64),
    /// A number that is no whole number of 64 bits.
    Other,
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Build;

        impl<'de> Visitor<'de> for Build {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> std::result::Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_bool<E>(self, _: bool) -> std::result::Result<Node, E> {
                Ok(Node::Bool)
            }

            fn visit_i64<E>(self, number: i64) -> std::result::Result<Node, E> {
                Ok(Node::Whole(number))
            }

            fn visit_u64<E>(self, number: u64) -> std::result::Result<Node, E> {
                Ok(i64::try_from(number).map_or(Node::Other, Node::Whole))
            }

            fn visit_f64<E>(self, number: f64) -> std::result::Result<Node, E> {
                // 2.0 and 1e1 are whole numbers in another spelling; beyond 2^53 a float is no exact number any more.
                const EXACT: f64 = 9_007_199_254_740_992.0;
                if number.fract() == 0.0 && number.abs() < EXACT {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "checked to be whole and within 2^53"
                    )]
                    return Ok(Node::Whole(number as i64));
                }
                Ok(Node::Other)
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> std::result::Result<Node, E> {
                Ok(Node::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Node, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Node::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Node, A::Error> {
                let mut object = Vec::new();
                while let Some((name, value)) = fields.next_entry::<String, Node>()? {
                    object.push((folded(&name), value));
                }
                Ok(Node::Object(object))
            }
        }

        deserializer.deserialize_any(Build)
    }
}

fn folded(name: &str) -> String {
    name.chars()
        .filter(|letter| *letter != '_')
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

/// The fields of one object; `path` names it in errors.
struct Fields<'a> {
    path: String,
    fields: &'a [(String, Node)],
}

impl<'a> Fields<'a> {
    fn of(node: &'a Node, path: &str) -> Result<Self> {
        match node {
            Node::Object(fields) => Ok(Self {
                path: if path.is_empty() {
                    String::new()
                } else {
                    format!("{path}.")
                },
                fields,
            }),
            _ if path.is_empty() => Err(Error::invalid("the body is not a JSON object")),
            _ => Err(Error::invalid(format!("{path} is not an object"))),
        }
    }

    /// The last field under one of these names that is not null.
    fn get(&self, names: &[&str]) -> Option<&'a Node> {
        let last = self
            .fields
            .iter()
            .rev()
            .find(|(there, _)| names.contains(&there.as_str()))?;
        (!matches!(last.1, Node::Null)).then_some(&last.1)
    }

    fn named(&self, shown: &str) -> String {
        format!("{}{shown}", self.path)
    }

    fn whole(&self, shown: &str, names: &[&str]) -> Result<Option<i64>> {
        match self.get(names) {
            None => Ok(None),
            Some(Node::Whole(number)) => Ok(Some(*number)),
            Some(_) => Err(Error::invalid(format!(
                "{} is not a whole number of 64 bits",
                self.named(shown)
            ))),
        }
    }

    fn text(&self, shown: &str, names: &[&str]) -> Result<Option<&'a str>> {
        match self.get(names) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Error::invalid(format!("{} is not a string", self.named(shown)))),
        }
    }

    /// Text that may be empty or missing.
    fn plain(&self, shown: &str, names: &[&str]) -> Result<Text> {
        Text::parse(&self.named(shown), self.text(shown, names)?.unwrap_or_default())
    }

    /// Text that counts only if there is some.
    fn some_text(&self, shown: &str, names: &[&str]) -> Result<Option<Text>> {
        Ok(Some(self.plain(shown, names)?).filter(|text| !text.is_empty()))
    }

    /// An id wanted by the client; what is no id stands for none, as clients of the original send `3`.
    fn id<T>(&self, names: &[&str], parse: impl FnOnce(&str) -> Result<T>) -> Option<T> {
        match self.get(names) {
            Some(Node::Text(text)) => parse(text).ok(),
            _ => None,
        }
    }

    fn date(&self, shown: &str, names: &[&str]) -> Result<Option<UnixSeconds>> {
        self.whole(shown, names)?
            .map(|seconds| UnixSeconds::parse(&self.named(shown), seconds))
            .transpose()
    }

    /// A limit, at least 1.
    fn limit(&self, shown: &str, names: &[&str]) -> Result<Option<u32>> {
        self.whole(shown, names)?
            .map(|number| {
                u32::try_from(number)
                    .ok()
                    .filter(|limit| (1..=i32::MAX as u32).contains(limit))
                    .ok_or_else(|| {
                        Error::unprocessable(format!("{} is not within 1 and 2147483647", self.named(shown)))
                    })
            })
            .transpose()
    }

    fn hour(&self, shown: &str, names: &[&str]) -> Result<HourOfDay> {
        HourOfDay::parse(&self.named(shown), self.whole(shown, names)?.unwrap_or_default())
    }

    /// A list, or one item alone in its place.
    fn items(&self, names: &[&str]) -> &'a [Node] {
        match self.get(names) {
            None => &[],
            Some(Node::List(list)) => list,
            Some(single) => std::slice::from_ref(single),
        }
    }
}

fn parse(body: &[u8]) -> Result<Node> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::invalid("the body is empty; a JSON object is expected"));
    }
    let text = std::str::from_utf8(body).map_err(|_| Error::invalid("the body is not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!(
            "the body is not JSON at line {} column {}",
            error.line(),
            error.column()
        ))
        .caused_by(error)
    })
}

/// Reads a wish for seats of `event`, whose id may stand in the body too, and must then be the same.
pub(super) fn booking(body: &[u8], event: EventId) -> Result<BookingDraft> {
    let node = parse(body)?;
    let fields = Fields::of(&node, "")?;
    let seats = fields
        .whole("Seats", &["seats"])?
        .ok_or_else(|| Error::invalid("Seats is missing"))?;
    let seats = Seats::parse(seats)?;
    if let Some(named) = fields.id(&["eventid"], EventId::parse)
        && named != event
    {
        return Err(Error::unprocessable("EventID is another than that of the path"));
    }
    let user = match fields.text("userId", &["userid"])? {
        None | Some("") => None,
        Some(text) => {
            Some(UserId::parse(text).map_err(|_| Error::unprocessable("userId names no known user"))?)
        }
    };
    Ok(BookingDraft {
        id: fields.id(&["id"], BookingId::parse),
        event,
        seats,
        name: fields.some_text("Name", &["name"])?,
        email: fields.some_text("Email", &["email"])?,
        user,
    })
}

/// Reads an event.
pub(super) fn event(body: &[u8]) -> Result<EventDraft> {
    let node = parse(body)?;
    let fields = Fields::of(&node, "")?;
    let name = Name::parse("Name", fields.text("Name", &["name"])?.unwrap_or_default())?;
    let duration = Minutes::parse(fields.whole("Duration", &["duration"])?.unwrap_or_default())?;
    let start = fields
        .date("StartDate", &["startdate", "starttime"])?
        .unwrap_or_default();
    let end = match fields.date("EndDate", &["enddate", "endtime"])? {
        Some(end) => end,
        // An event that says when it starts and how long it lasts has said when it ends.
        None => UnixSeconds::parse("EndDate", start.get() + i64::from(duration.get()) * 60)?,
    };
    let location = match fields.get(&["location"]) {
        None => None,
        Some(node) => Some(location_fields(&Fields::of(node, "Location")?)?),
    };
    let hall_names = fields
        .items(&["hallnames"])
        .iter()
        .map(|item| match item {
            Node::Text(text) => Text::parse("HallNames", text),
            _ => Err(Error::invalid("HallNames is not a list of strings")),
        })
        .collect::<Result<_>>()?;
    Ok(EventDraft {
        id: fields.id(&["id"], EventId::parse),
        name,
        duration,
        start,
        end,
        location,
        hall_names,
        sales_start: fields.date("SalesStart", &["salesstart"])?,
        sales_end: fields.date("SalesEnd", &["salesend"])?,
        max_seats_per_booking: fields.limit("MaxSeatsPerBooking", &["maxseatsperbooking"])?,
        person_limits: PersonLimits {
            seats: fields.limit("MaxSeatsPerPerson", &["maxseatsperperson"])?,
            bookings: fields.limit("MaxBookingsPerPerson", &["maxbookingsperperson"])?,
        },
    })
}

/// Reads a location that stands alone, which needs a name.
pub(super) fn location(body: &[u8]) -> Result<LocationDraft> {
    let node = parse(body)?;
    let draft = location_fields(&Fields::of(&node, "")?)?;
    Name::parse("Name", draft.name.as_str())?;
    Ok(draft)
}

fn location_fields(fields: &Fields<'_>) -> Result<LocationDraft> {
    let halls = fields
        .items(&["halls", "hall"])
        .iter()
        .enumerate()
        .map(|(index, node)| hall(node, &fields.named(&format!("Halls[{index}]"))))
        .collect::<Result<_>>()?;
    let time_zone = fields
        .text("TimeZone", &["timezone"])?
        .filter(|zone| !zone.is_empty())
        .map(TimeZoneName::parse)
        .transpose()?;
    Ok(LocationDraft {
        id: fields.id(&["id"], LocationId::parse),
        name: fields.plain("Name", &["name"])?,
        address: fields.plain("Address", &["address"])?,
        country: fields.plain("Country", &["country"])?,
        open_time: fields.hour("OpenTime", &["opentime"])?,
        close_time: fields.hour("CloseTime", &["closetime", "clostime"])?,
        halls,
        time_zone,
    })
}

fn hall(node: &Node, path: &str) -> Result<Hall> {
    let fields = Fields::of(node, path)?;
    let capacity = fields.whole("capacity", &["capacity"])?.unwrap_or_default();
    Ok(Hall {
        name: fields.plain("name", &["name"])?,
        location: fields.plain("location", &["location"])?,
        capacity: Hall::parse_capacity(capacity)?,
    })
}

/// Reads a user.
pub(super) fn user(body: &[u8]) -> Result<UserDraft> {
    let node = parse(body)?;
    let fields = Fields::of(&node, "")?;
    Ok(UserDraft {
        id: fields.id(&["id"], UserId::parse),
        first: fields.plain("First", &["first"])?,
        last: fields.plain("Last", &["last"])?,
        age: Age::parse(fields.whole("Age", &["age"])?.unwrap_or_default())?,
    })
}
