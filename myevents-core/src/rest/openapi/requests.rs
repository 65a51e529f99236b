//! What requests may hold: the schemas of bodies and of parameters, as leniently as they are read.
//!
//! A schema says what is taken and refuses what is not, as tools send both to see whether that is so. What no schema can say
//! (a name in any case, an end before its start, a letter that is none) is answered 422.

use serde_json::{Value, json};

use crate::domain::{Hall, Id, Text, UnixSeconds};

/// Seats, minutes and limits.
const MOST: i32 = i32::MAX;

/// The schemas of bodies, by name.
pub(super) fn bodies() -> [(&'static str, Value); 5] {
    [
        ("EventRequest", event()),
        ("LocationRequest", location(&["Name"])),
        ("HallRequest", hall()),
        ("BookingRequest", booking()),
        ("UserRequest", user()),
    ]
}

fn text(description: &str) -> Value {
    json!({ "type": ["string", "null"], "maxLength": Text::MAX_CHARS, "description": description })
}

fn name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": Text::MAX_CHARS })
}

fn whole(least: i64, most: i64, description: &str) -> Value {
    json!({ "type": ["integer", "null"], "minimum": least, "maximum": most, "description": description })
}

fn date(description: &str) -> Value {
    whole(0, UnixSeconds::MAX.get(), description)
}

fn limit(description: &str) -> Value {
    whole(1, MOST.into(), description)
}

/// Any value: clients of the original send numbers. That no type is said is written so here, and left out of the document.
fn id(description: &str) -> Value {
    json!({ "type": null, "description": format!("{description}: hex digits; what is no id counts as none") })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn event() -> Value {
    let mut place = location(&[]);
    place["type"] = json!(["object", "null"]);
    json!({
        "type": "object",
        "required": ["Name"],
        "properties": {
            "ID": id("the event's wanted id"),
            "Name": name(),
            "Duration": whole(0, MOST.into(), "minutes"),
            "StartDate": date("Unix seconds"),
            "EndDate": date("Unix seconds; start and duration say it where it is missing"),
            "Location": place,
            "HallNames": { "anyOf": [
                { "type": "array", "items": { "type": "string", "maxLength": Text::MAX_CHARS } },
                text("one alone"),
            ] },
            "SalesStart": date("Unix seconds"),
            "SalesEnd": date("Unix seconds"),
            "MaxSeatsPerBooking": limit("the most seats of one booking"),
            "MaxSeatsPerPerson": limit("the most seats of one person"),
            "MaxBookingsPerPerson": limit("the most bookings of one person"),
        },
    })
}

fn location(required: &[&str]) -> Value {
    let name = if required.is_empty() {
        text("the name")
    } else {
        name()
    };
    json!({
        "type": "object",
        "required": required,
        "properties": {
            "ID": id("the location's id"),
            "Name": name,
            "Address": text("street and town"),
            "Country": text("the country"),
            "OpenTime": whole(0, 23, "hour"),
            "CloseTime": whole(0, 23, "hour"),
            "Halls": { "anyOf": [
                { "type": "array", "items": reference("HallRequest") },
                reference("HallRequest"),
                { "type": "null" },
            ] },
            "TimeZone": text("IANA name"),
        },
    })
}

fn hall() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": text("the name"),
            "location": text("where in the building it is"),
            "capacity": whole(0, Hall::MAX_CAPACITY.into(), "seats"),
        },
    })
}

fn booking() -> Value {
    json!({
        "type": "object",
        "required": ["seats"],
        "properties": {
            "seats": { "type": "integer", "minimum": 1, "maximum": MOST },
            "name": text("the holder's name"),
            "email": text("the holder's e-mail address"),
            "userId": { "type": ["string", "null"], "description": "hex digits" },
            "id": id("the booking's id; a retry with the same id and content books once"),
        },
    })
}

fn user() -> Value {
    json!({
        "type": "object",
        "properties": {
            "First": text("first name"),
            "Last": text("last name"),
            "Age": whole(0, 150, "years"),
            "ID": id("the user's wanted id"),
        },
    })
}

/// The schema of a parameter in the query or among the headers. An empty one in the query counts as none.
pub(super) fn parameter(name: &str) -> Value {
    let or_empty = |schema: Value| json!({ "anyOf": [schema, { "type": "string", "enum": [""] }] });
    match name {
        "limit" => or_empty(json!({ "type": "integer", "minimum": 1 })),
        "from" | "to" | "since" | "until" => {
            or_empty(json!({ "type": "integer", "minimum": 0, "maximum": UnixSeconds::MAX.get() }))
        }
        "cancelled" => {
            json!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "enum": ["", "0", "1"] }] })
        }
        // As everywhere text holds no control characters; elsewhere that is 422.
        "q" => {
            let most = Text::MAX_CHARS;
            json!({ "type": "string", "pattern": format!("^[^\\u0000-\\u001F\\u007F-\\u009F]{{0,{most}}}$") })
        }
        "object" => {
            let most = Id::MAX_BYTES;
            json!({ "type": "string", "pattern": format!("^([0-9a-fA-F]{{2}}){{0,{most}}}$") })
        }
        "ids" => {
            let most = Id::MAX_BYTES;
            json!({ "type": "string", "pattern": format!("^,*(([0-9a-fA-F]{{2}}){{1,{most}}}(,+|$)){{0,100}}$") })
        }
        "Idempotency-Key" => json!({ "type": "string", "pattern": "^[!-~]{16,255}$" }),
        "If-Match" | "If-None-Match" => {
            let tag = "[ \\t]*(\\*|(W/)?\"[\\t -+\\--~]*\")?[ \\t]*";
            json!({ "type": "string", "pattern": format!("^{tag}(,{tag})*$") })
        }
        _ => json!({ "type": "string" }),
    }
}

/// The schema of a parameter in the path. Only what is made under an id needs one; what can't be one is unknown elsewhere.
pub(super) fn in_path(method: &str) -> Value {
    if method == "PUT" {
        let most = Id::MAX_BYTES;
        return json!({ "type": "string", "pattern": format!("^([0-9a-fA-F]{{2}}){{1,{most}}}$") });
    }
    json!({ "type": "string" })
}
