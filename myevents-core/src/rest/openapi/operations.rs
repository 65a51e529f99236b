//! The table of operations that the OpenAPI documents are written from.

use serde_json::{Map, Value, json};

use super::access::Access;
use super::requests;
use super::words::{meaning, status_text};

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    tag: &'static str,
    summary: &'static str,
    /// Query parameters: name and what it says.
    query: &'static [&'static str],
    /// Request headers beside those of every request.
    headers: &'static [&'static str],
    request: Option<&'static str>,
    /// Successful statuses.
    success: &'static [u16],
    /// The schema of the answer; a leading `[` stands for a list of it.
    answer: Option<&'static str>,
    answer_headers: &'static [&'static str],
    /// Statuses that come with a problem.
    problems: &'static [u16],
}

const NOTHING: Operation = Operation {
    method: "GET",
    path: "",
    tag: "",
    summary: "",
    query: &[],
    headers: &[],
    request: None,
    success: &[200],
    answer: None,
    answer_headers: &[],
    problems: &[],
};

const EVENT_QUERY: &[&str] = &["limit", "cursor", "q", "from", "to", "cancelled"];
const BOOKING_QUERY: &[&str] = &["limit", "cursor", "q", "state", "from", "to"];
const KEY: &[&str] = &["Idempotency-Key"];
const CONDITION: &[&str] = &["If-Match", "If-None-Match"];
const READ: &[&str] = &["If-None-Match"];
const MADE: &[&str] = &["ETag", "Location", "Idempotency-Replayed"];
const MADE_PLAIN: &[&str] = &["Location", "Idempotency-Replayed"];
const PUT_BACK: &[&str] = &["ETag", "Location"];
const CREATING: &[u16] = &[400, 408, 409, 413, 415, 422, 500, 503];
const PUTTING: &[u16] = &[400, 404, 408, 409, 412, 413, 415, 422, 500, 503];
const FINDING: &[u16] = &[400, 404, 500, 503];
const LISTING: &[u16] = &[400, 500, 503];

const fn find(
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    answer: &'static str,
) -> Operation {
    Operation {
        path,
        tag,
        summary,
        headers: READ,
        success: &[200, 304],
        answer: Some(answer),
        answer_headers: &["ETag"],
        problems: FINDING,
        ..NOTHING
    }
}

const fn put(
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    request: &'static str,
    answer: &'static str,
) -> Operation {
    Operation {
        method: "PUT",
        path,
        tag,
        summary,
        headers: CONDITION,
        request: Some(request),
        success: &[200, 201],
        answer: Some(answer),
        answer_headers: PUT_BACK,
        problems: PUTTING,
        ..NOTHING
    }
}

const fn delete(path: &'static str, tag: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "DELETE",
        path,
        tag,
        summary,
        success: &[204],
        problems: &[400, 404, 500, 503],
        ..NOTHING
    }
}

/// The tags of the audit logs, which tell whose they are.
pub(super) const EVENT_AUDIT: &str = "audit log of the event service";
pub(super) const BOOKING_AUDIT: &str = "audit log of the booking service";

const fn audit(path: &'static str, tag: &'static str) -> Operation {
    Operation {
        path,
        tag,
        summary: "Who changed what, newest first",
        query: &["limit", "cursor", "object", "since", "until"],
        answer: Some("[AuditEntry"),
        answer_headers: &["Link"],
        problems: &[400, 403, 500, 503],
        ..NOTHING
    }
}

/// Where the event service has an origin of its own.
pub(super) const EVENT_ALONE: &[Operation] = &[audit("/audit", EVENT_AUDIT)];

/// Where the booking service has an origin of its own.
pub(super) const BOOKING_ALONE: &[Operation] = &[audit("/audit", BOOKING_AUDIT)];

pub(super) const EVENT_SERVICE: &[Operation] = &[
    audit("/events/audit", EVENT_AUDIT),
    Operation {
        path: "/events",
        tag: "events",
        summary: "List events by (StartDate, ID); without parameters the first 1,000",
        query: EVENT_QUERY,
        headers: READ,
        success: &[200, 304],
        answer: Some("[Event"),
        answer_headers: &["ETag", "Link"],
        problems: LISTING,
        ..NOTHING
    },
    Operation {
        method: "POST",
        path: "/events",
        tag: "events",
        summary: "Create an event",
        headers: KEY,
        request: Some("EventRequest"),
        success: &[201],
        answer: Some("Event"),
        answer_headers: MADE,
        problems: CREATING,
        ..NOTHING
    },
    find(
        "/events/{id}",
        "events",
        "Find an event, cancelled or not",
        "Event",
    ),
    put(
        "/events/{id}",
        "events",
        "Create or replace an event",
        "EventRequest",
        "Event",
    ),
    delete(
        "/events/{id}",
        "events",
        "Cancel an event, for good; the record stays",
    ),
    find("/events/id/{id}", "events", "Find an event by id", "Event"),
    put(
        "/events/id/{id}",
        "events",
        "Create or replace an event",
        "EventRequest",
        "Event",
    ),
    delete(
        "/events/id/{id}",
        "events",
        "Cancel an event, for good; the record stays",
    ),
    find(
        "/events/name/{name}",
        "events",
        "Find the earliest event of this name that is not cancelled",
        "Event",
    ),
    Operation {
        path: "/locations",
        tag: "locations",
        summary: "List locations by ID",
        query: &["limit", "cursor"],
        answer: Some("[Location"),
        answer_headers: &["Link"],
        problems: LISTING,
        ..NOTHING
    },
    Operation {
        method: "POST",
        path: "/locations",
        tag: "locations",
        summary: "Create a location",
        headers: KEY,
        request: Some("LocationRequest"),
        success: &[201],
        answer: Some("Location"),
        answer_headers: MADE,
        problems: CREATING,
        ..NOTHING
    },
    find("/locations/{id}", "locations", "Find a location", "Location"),
    put(
        "/locations/{id}",
        "locations",
        "Create or replace a location",
        "LocationRequest",
        "Location",
    ),
    delete(
        "/locations/{id}",
        "locations",
        "Delete a location; events keep their copy",
    ),
];

pub(super) const BOOKING_SERVICE: &[Operation] = &[
    audit("/bookings/audit", BOOKING_AUDIT),
    Operation {
        method: "POST",
        path: "/events/{id}/bookings",
        tag: "bookings",
        summary: "Book seats: all that are asked for or none",
        headers: KEY,
        request: Some("BookingRequest"),
        success: &[201],
        answer: Some("Booking"),
        answer_headers: MADE_PLAIN,
        problems: &[400, 404, 408, 409, 413, 415, 422, 500, 503],
        ..NOTHING
    },
    Operation {
        path: "/events/{id}/bookings",
        tag: "bookings",
        summary: "The organiser's list of an event's bookings, newest first",
        query: BOOKING_QUERY,
        answer: Some("[Booking"),
        answer_headers: &["Link"],
        problems: &[400, 403, 404, 500, 503],
        ..NOTHING
    },
    Operation {
        path: "/events/{id}/availability",
        tag: "availability",
        summary: "What is left of an event",
        answer: Some("Availability"),
        problems: &[404, 500, 503],
        ..NOTHING
    },
    Operation {
        path: "/availability",
        tag: "availability",
        summary: "What is left of up to 100 events; unknown ones are left out",
        query: &["ids"],
        answer: Some("[Availability"),
        problems: LISTING,
        ..NOTHING
    },
    Operation {
        path: "/bookings/{id}",
        tag: "bookings",
        summary: "Find a booking",
        answer: Some("Booking"),
        problems: &[404, 500, 503],
        ..NOTHING
    },
    delete(
        "/bookings/{id}",
        "bookings",
        "Cancel a booking; its seats come back, once",
    ),
    Operation {
        method: "POST",
        path: "/users",
        tag: "users",
        summary: "Create a user",
        headers: KEY,
        request: Some("UserRequest"),
        success: &[201],
        answer: Some("User"),
        answer_headers: MADE_PLAIN,
        problems: CREATING,
        ..NOTHING
    },
    Operation {
        path: "/users/{id}",
        tag: "users",
        summary: "Find a user with the newest 100 bookings; `me` is the signed-in caller",
        answer: Some("User"),
        problems: &[404, 500, 503],
        ..NOTHING
    },
    Operation {
        problems: &[400, 404, 409, 500, 503],
        ..delete(
            "/users/{id}",
            "users",
            "Remove a person: the record, and user, name and e-mail address of the bookings, which stay",
        )
    },
    Operation {
        path: "/users/{id}/bookings",
        tag: "users",
        summary: "The bookings of a user, newest first; `me` is the signed-in caller",
        query: BOOKING_QUERY,
        answer: Some("[Booking"),
        answer_headers: &["Link"],
        problems: FINDING,
        ..NOTHING
    },
];

pub(super) const SHARED: &[Operation] = &[
    Operation {
        path: "/healthz",
        tag: "health",
        summary: "Whether the process lives",
        answer: Some("Health"),
        ..NOTHING
    },
    Operation {
        path: "/readyz",
        tag: "health",
        summary: "Whether the store can be reached and the service is not stopping (else 503); the broker's state is in the body",
        success: &[200, 503],
        answer: Some("Health"),
        ..NOTHING
    },
];

impl Operation {
    pub(super) fn to_json(self) -> Value {
        let mut responses = Map::new();
        let access = Access::of(self.method, self.tag, self.path);
        if access != Access::Open {
            responses.insert("401".to_owned(), problem_response(401));
            responses.insert("429".to_owned(), problem_response(429));
        }
        if let Access::Scope(_) = access {
            responses.insert("403".to_owned(), problem_response(403));
        }
        for status in self.success {
            responses.insert(status.to_string(), self.success_response(*status));
        }
        for status in self.problems {
            responses.insert(status.to_string(), problem_response(*status));
        }
        let mut operation = json!({
            "tags": [self.tag],
            "summary": self.summary,
            "operationId": self.operation_id(),
            "parameters": self.parameters(),
            "security": access.security(),
            "responses": responses,
        });
        if let Some(schema) = self.request {
            operation["requestBody"] = json!({
                "required": true,
                "content": { "application/json": { "schema": reference(schema) } },
            });
        }
        operation
    }

    /// Method and path in words, unique in a document.
    fn operation_id(&self) -> String {
        let words: Vec<_> = self
            .path
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        format!("{}_{}", self.method.to_ascii_lowercase(), words.join("_"))
    }

    fn parameters(&self) -> Vec<Value> {
        let in_path = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| {
                let schema = requests::in_path(self.method);
                json!({ "name": name, "in": "path", "required": true, "schema": schema })
            });
        let in_query = self.query.iter().map(|name| {
            json!({
                "name": name,
                "in": "query",
                "required": *name == "ids",
                "description": meaning(name),
                "schema": requests::parameter(name),
            })
        });
        let in_head = self
            .headers
            .iter()
            .chain(&["X-Request-Id", "traceparent"])
            .map(|name| {
                json!({
                    "name": name,
                    "in": "header",
                    "required": false,
                    "description": meaning(name),
                    "schema": requests::parameter(name),
                })
            });
        in_path.chain(in_query).chain(in_head).collect()
    }

    fn success_response(&self, status: u16) -> Value {
        let mut headers = Map::new();
        for name in self.answer_headers.iter().chain(&["X-Request-Id"]) {
            let header = json!({ "description": meaning(name), "schema": { "type": "string" } });
            headers.insert((*name).to_owned(), header);
        }
        let mut response = json!({ "description": status_text(status), "headers": headers });
        if let Some(schema) = self.answer.filter(|_| !matches!(status, 204 | 304)) {
            let schema = match schema.strip_prefix('[') {
                Some(item) => json!({ "type": "array", "items": reference(item) }),
                None => reference(schema),
            };
            response["content"] = json!({ "application/json": { "schema": schema } });
        }
        response
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn problem_response(status: u16) -> Value {
    let mut headers = Map::new();
    headers.insert(
        "X-Request-Id".to_owned(),
        json!({ "description": meaning("X-Request-Id"), "schema": { "type": "string" } }),
    );
    if matches!(status, 401 | 403) {
        headers.insert(
            "WWW-Authenticate".to_owned(),
            json!({ "description": "what sign-in lacks, RFC 6750", "schema": { "type": "string" } }),
        );
    }
    if matches!(status, 429 | 503) {
        headers.insert(
            "Retry-After".to_owned(),
            json!({ "description": "seconds to wait", "schema": { "type": "integer" } }),
        );
    }
    json!({
        "description": status_text(status),
        "headers": headers,
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    })
}
