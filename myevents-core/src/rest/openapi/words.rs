//! What the documents say of parameters, headers and statuses.

pub(super) fn meaning(name: &str) -> &'static str {
    match name {
        "limit" => "the most records of the page, 1 to 1000",
        "cursor" => "where the page starts, from the Link header of the page before",
        "q" => {
            "part of the name, of the location's name or address, or of the holder's name or e-mail address, in any case"
        }
        "object" => "only what was done to the record of this id, hex digits",
        "from" | "since" => "Unix seconds, at or after",
        "to" | "until" => "Unix seconds, at or before",
        "cancelled" => "cancelled events too",
        "state" => "only bookings in this state",
        "ids" => "up to 100 ids, separated by commas",
        "Idempotency-Key" => "a UUID, or 16 to 255 visible ASCII characters: a retry with it is done once",
        "If-Match" => "only over the version of this ETag",
        "If-None-Match" => "on GET: 304 when it is still this ETag; on PUT `*`: create only",
        "X-Request-Id" => "names the request in logs and problems",
        "traceparent" => "W3C trace context, passed on in messages",
        "ETag" => "the version",
        "Link" => "the next page, rel=\"next\"",
        "Location" => "where the record is",
        "Idempotency-Replayed" => "true when an earlier request had made the record",
        _ => "",
    }
}

pub(super) fn status_text(status: u16) -> &'static str {
    match status {
        200 => "done",
        201 => "made",
        204 => "done, with nothing to say",
        304 => "not changed",
        400 => "malformed",
        401 => "sign-in is needed, or the token is no good",
        403 => "not allowed",
        404 => "unknown",
        408 => "the body took too long to arrive",
        409 => "the current state refuses it",
        412 => "another version",
        413 => "too large",
        415 => "not JSON",
        422 => "well-formed but impossible",
        429 => "too much was asked in a short time; send it again after Retry-After",
        500 => "a fault of the service",
        _ => "not just now; send it again after Retry-After",
    }
}
