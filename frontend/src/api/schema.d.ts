/** Made from `myevents openapi` by `cargo xtask page`; not to be edited. */

export interface paths {
    "/availability": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is left of up to 100 events; unknown ones are left out */
        get: operations["get_availability"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/bookings/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who changed what, newest first */
        get: operations["get_bookings_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/bookings/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find a booking */
        get: operations["get_bookings_id"];
        put?: never;
        post?: never;
        /** Cancel a booking; its seats come back, once */
        delete: operations["delete_bookings_id"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List events by (StartDate, ID); without parameters the first 1,000 */
        get: operations["get_events"];
        put?: never;
        /** Create an event */
        post: operations["post_events"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who changed what, newest first */
        get: operations["get_events_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events/id/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find an event by id */
        get: operations["get_events_id_id"];
        /** Create or replace an event */
        put: operations["put_events_id_id"];
        post?: never;
        /** Cancel an event, for good; the record stays */
        delete: operations["delete_events_id_id"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events/name/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find the earliest event of this name that is not cancelled */
        get: operations["get_events_name_name"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find an event, cancelled or not */
        get: operations["get_events_id"];
        /** Create or replace an event */
        put: operations["put_events_id"];
        post?: never;
        /** Cancel an event, for good; the record stays */
        delete: operations["delete_events_id"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events/{id}/availability": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is left of an event */
        get: operations["get_events_id_availability"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events/{id}/bookings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The organiser's list of an event's bookings, newest first */
        get: operations["get_events_id_bookings"];
        put?: never;
        /** Book seats: all that are asked for or none */
        post: operations["post_events_id_bookings"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the process lives */
        get: operations["get_healthz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/locations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List locations by ID */
        get: operations["get_locations"];
        put?: never;
        /** Create a location */
        post: operations["post_locations"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/locations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find a location */
        get: operations["get_locations_id"];
        /** Create or replace a location */
        put: operations["put_locations_id"];
        post?: never;
        /** Delete a location; events keep their copy */
        delete: operations["delete_locations_id"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the store can be reached and the service is not stopping (else 503); the broker's state is in the body */
        get: operations["get_readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Create a user */
        post: operations["post_users"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find a user with the newest 100 bookings; `me` is the signed-in caller */
        get: operations["get_users_id"];
        put?: never;
        post?: never;
        /** Remove a person: the record, and user, name and e-mail address of the bookings, which stay */
        delete: operations["delete_users_id"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{id}/bookings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The bookings of a user, newest first; `me` is the signed-in caller */
        get: operations["get_users_id_bookings"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description An entry of the audit log as sent. */
        AuditEntry: {
            /** @description What was done, such as `event.updated`. */
            Action: string;
            /** @description The names of the fields that were changed; what is in them is not kept. */
            Fields?: string[];
            /** @description Hex digits. */
            ID: string;
            /** @description Who vouched for a subject. */
            Issuer?: string | null;
            /** @description The kind of the record: `event`, `location`, `booking`, `user`, `api_key`. */
            Object: string;
            /** @description The record's id, hex digits. */
            ObjectID: string;
            /** @description Names the request in the log. */
            RequestID?: string | null;
            /** @description A subject's name at the issuer, or the id of an API key. */
            Subject?: string | null;
            /**
             * Format: int64
             * @description Unix seconds.
             */
            Time: number;
            /** @description The W3C trace id. */
            TraceID?: string | null;
            /**
             * Format: int64
             * @description The record's version after it.
             */
            Version?: number | null;
            /** @description `subject`, `api_key`, `anonymous`, `operator`, or `self` for the person that the change is about. */
            Who: string;
        };
        /** @description What is left of an event. */
        Availability: {
            /**
             * Format: int64
             * @description Seats left; null while unknown.
             */
            Available?: number | null;
            /**
             * Format: int64
             * @description Seats; null while unknown.
             */
            Capacity?: number | null;
            /** @description Hex digits. */
            EventID: string;
        };
        /** @description A booking as sent. */
        Booking: {
            /**
             * Format: int64
             * @description Unix seconds.
             */
            Date: number;
            /** @description The holder's e-mail address. */
            Email?: string | null;
            /** @description Hex digits. */
            EventID: string;
            /** @description Hex digits. */
            ID: string;
            /** @description The holder's name. */
            Name?: string | null;
            /**
             * Format: int32
             * @description Seats.
             */
            Seats: number;
            /** @description `confirmed`, `cancelled`, or a word of a later version. */
            State: string;
            /** @description Hex digits. */
            UserID?: string | null;
        };
        BookingRequest: {
            /** @description the holder's e-mail address */
            email?: string | null;
            /** @description the booking's id; a retry with the same id and content books once: hex digits; what is no id counts as none */
            id?: unknown;
            /** @description the holder's name */
            name?: string | null;
            seats: number;
            /** @description hex digits */
            userId?: string | null;
        };
        /** @description An event as sent. */
        Event: {
            /** @description There only when true. */
            Cancelled?: boolean;
            /**
             * Format: int32
             * @description Minutes.
             */
            Duration: number;
            /**
             * Format: int64
             * @description Unix seconds.
             */
            EndDate: number;
            /** @description The halls it uses, if not all. */
            HallNames?: string[];
            /** @description Hex digits. */
            ID: string;
            /** @description Where it is; one with an empty ID stands for none, as the original page reads `Location.Name` unasked. */
            Location?: components["schemas"]["Location"];
            /**
             * Format: int32
             * @description The most bookings of one person.
             */
            MaxBookingsPerPerson?: number | null;
            /**
             * Format: int32
             * @description The most seats of one booking.
             */
            MaxSeatsPerBooking?: number | null;
            /**
             * Format: int32
             * @description The most seats of one person.
             */
            MaxSeatsPerPerson?: number | null;
            /** @description The name. */
            Name: string;
            /**
             * Format: int64
             * @description Unix seconds.
             */
            SalesEnd?: number | null;
            /**
             * Format: int64
             * @description Unix seconds.
             */
            SalesStart?: number | null;
            /**
             * Format: int64
             * @description Unix seconds.
             */
            StartDate: number;
        };
        EventRequest: {
            /** @description minutes */
            Duration?: number | null;
            /** @description Unix seconds; start and duration say it where it is missing */
            EndDate?: number | null;
            HallNames?: string[] | (string | null);
            /** @description the event's wanted id: hex digits; what is no id counts as none */
            ID?: unknown;
            Location?: {
                /** @description street and town */
                Address?: string | null;
                /** @description hour */
                CloseTime?: number | null;
                /** @description the country */
                Country?: string | null;
                Halls?: components["schemas"]["HallRequest"][] | components["schemas"]["HallRequest"] | null;
                /** @description the location's id: hex digits; what is no id counts as none */
                ID?: unknown;
                /** @description the name */
                Name?: string | null;
                /** @description hour */
                OpenTime?: number | null;
                /** @description IANA name */
                TimeZone?: string | null;
            } | null;
            /** @description the most bookings of one person */
            MaxBookingsPerPerson?: number | null;
            /** @description the most seats of one booking */
            MaxSeatsPerBooking?: number | null;
            /** @description the most seats of one person */
            MaxSeatsPerPerson?: number | null;
            Name: string;
            /** @description Unix seconds */
            SalesEnd?: number | null;
            /** @description Unix seconds */
            SalesStart?: number | null;
            /** @description Unix seconds */
            StartDate?: number | null;
        };
        /** @description A hall as sent. */
        Hall: {
            /**
             * Format: int32
             * @description Seats.
             */
            capacity: number;
            /** @description Where in the building it is. */
            location?: string;
            /** @description The name. */
            name: string;
        };
        HallRequest: {
            /** @description seats */
            capacity?: number | null;
            /** @description where in the building it is */
            location?: string | null;
            /** @description the name */
            name?: string | null;
        };
        Health: Record<string, never>;
        /** @description A location as sent. */
        Location: {
            /** @description Street and town. */
            Address?: string;
            /**
             * Format: int32
             * @description Hour, 0 to 23.
             */
            CloseTime?: number;
            /** @description The country. */
            Country?: string;
            /** @description The halls. */
            Halls?: components["schemas"]["Hall"][];
            /** @description Hex digits; empty in an event that has no location. */
            ID?: string;
            /** @description The name. */
            Name?: string;
            /**
             * Format: int32
             * @description Hour, 0 to 23.
             */
            OpenTime?: number;
            /** @description IANA name. */
            TimeZone?: string | null;
        };
        LocationRequest: {
            /** @description street and town */
            Address?: string | null;
            /** @description hour */
            CloseTime?: number | null;
            /** @description the country */
            Country?: string | null;
            Halls?: components["schemas"]["HallRequest"][] | components["schemas"]["HallRequest"] | null;
            /** @description the location's id: hex digits; what is no id counts as none */
            ID?: unknown;
            Name: string;
            /** @description hour */
            OpenTime?: number | null;
            /** @description IANA name */
            TimeZone?: string | null;
        };
        /** @description RFC 9457 */
        Problem: {
            /** @description with sold-out: the seats left */
            available?: number;
            detail: string;
            /** @description with too-many-seats: the most of one booking */
            max?: number;
            requestId: string;
            status: number;
            title: string;
            /** @enum {string} */
            type: "urn:myevents:problem:invalid" | "urn:myevents:problem:unauthenticated" | "urn:myevents:problem:forbidden" | "urn:myevents:problem:insufficient-scope" | "urn:myevents:problem:not-found" | "urn:myevents:problem:unknown-path" | "urn:myevents:problem:method-not-allowed" | "urn:myevents:problem:timeout" | "urn:myevents:problem:conflict" | "urn:myevents:problem:sold-out" | "urn:myevents:problem:event-cancelled" | "urn:myevents:problem:capacity-unknown" | "urn:myevents:problem:not-on-sale" | "urn:myevents:problem:limit-reached" | "urn:myevents:problem:precondition" | "urn:myevents:problem:too-large" | "urn:myevents:problem:unsupported-media-type" | "urn:myevents:problem:unprocessable" | "urn:myevents:problem:key-reused" | "urn:myevents:problem:too-many-seats" | "urn:myevents:problem:person-required" | "urn:myevents:problem:rate-limited" | "urn:myevents:problem:internal" | "urn:myevents:problem:unsupported" | "urn:myevents:problem:unavailable" | "urn:myevents:problem:outcome-unknown" | "urn:myevents:problem:overloaded";
        };
        /** @description A user as sent. */
        User: {
            /**
             * Format: int32
             * @description Years.
             */
            Age: number;
            /** @description The newest 100 bookings. */
            Bookings: components["schemas"]["Booking"][];
            /** @description First name. */
            First: string;
            /** @description Hex digits. */
            ID: string;
            /** @description Last name. */
            Last: string;
        };
        UserRequest: {
            /** @description years */
            Age?: number | null;
            /** @description first name */
            First?: string | null;
            /** @description the user's wanted id: hex digits; what is no id counts as none */
            ID?: unknown;
            /** @description last name */
            Last?: string | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    get_availability: {
        parameters: {
            query: {
                /** @description up to 100 ids, separated by commas */
                ids: string;
            };
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Availability"][];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_bookings_audit: {
        parameters: {
            query?: {
                /** @description the most records of the page, 1 to 1000 */
                limit?: number | "";
                /** @description where the page starts, from the Link header of the page before */
                cursor?: string;
                /** @description only what was done to the record of this id, hex digits */
                object?: string;
                /** @description Unix seconds, at or after */
                since?: number | "";
                /** @description Unix seconds, at or before */
                until?: number | "";
            };
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the next page, rel="next" */
                    Link?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditEntry"][];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_bookings_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Booking"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_bookings_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done, with nothing to say */
            204: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_events: {
        parameters: {
            query?: {
                /** @description the most records of the page, 1 to 1000 */
                limit?: number | "";
                /** @description where the page starts, from the Link header of the page before */
                cursor?: string;
                /** @description part of the name, of the location's name or address, or of the holder's name or e-mail address, in any case */
                q?: string;
                /** @description Unix seconds, at or after */
                from?: number | "";
                /** @description Unix seconds, at or before */
                to?: number | "";
                /** @description cancelled events too */
                cancelled?: boolean | ("" | "0" | "1");
            };
            header?: {
                /** @description on GET: 304 when it is still this ETag; on PUT `*`: create only */
                "If-None-Match"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description the next page, rel="next" */
                    Link?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"][];
                };
            };
            /** @description not changed */
            304: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description the next page, rel="next" */
                    Link?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    post_events: {
        parameters: {
            query?: never;
            header?: {
                /** @description a UUID, or 16 to 255 visible ASCII characters: a retry with it is done once */
                "Idempotency-Key"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventRequest"];
            };
        };
        responses: {
            /** @description made */
            201: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description true when an earlier request had made the record */
                    "Idempotency-Replayed"?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the body took too long to arrive */
            408: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the current state refuses it */
            409: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too large */
            413: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not JSON */
            415: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description well-formed but impossible */
            422: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_events_audit: {
        parameters: {
            query?: {
                /** @description the most records of the page, 1 to 1000 */
                limit?: number | "";
                /** @description where the page starts, from the Link header of the page before */
                cursor?: string;
                /** @description only what was done to the record of this id, hex digits */
                object?: string;
                /** @description Unix seconds, at or after */
                since?: number | "";
                /** @description Unix seconds, at or before */
                until?: number | "";
            };
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the next page, rel="next" */
                    Link?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditEntry"][];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_events_id_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description on GET: 304 when it is still this ETag; on PUT `*`: create only */
                "If-None-Match"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"];
                };
            };
            /** @description not changed */
            304: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    put_events_id_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description only over the version of this ETag */
                "If-Match"?: string;
                /** @description on GET: 304 when it is still this ETag; on PUT `*`: create only */
                "If-None-Match"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventRequest"];
            };
        };
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"];
                };
            };
            /** @description made */
            201: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the body took too long to arrive */
            408: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the current state refuses it */
            409: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description another version */
            412: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too large */
            413: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not JSON */
            415: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description well-formed but impossible */
            422: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_events_id_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done, with nothing to say */
            204: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_events_name_name: {
        parameters: {
            query?: never;
            header?: {
                /** @description on GET: 304 when it is still this ETag; on PUT `*`: create only */
                "If-None-Match"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"];
                };
            };
            /** @description not changed */
            304: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_events_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description on GET: 304 when it is still this ETag; on PUT `*`: create only */
                "If-None-Match"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"];
                };
            };
            /** @description not changed */
            304: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    put_events_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description only over the version of this ETag */
                "If-Match"?: string;
                /** @description on GET: 304 when it is still this ETag; on PUT `*`: create only */
                "If-None-Match"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventRequest"];
            };
        };
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"];
                };
            };
            /** @description made */
            201: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Event"];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the body took too long to arrive */
            408: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the current state refuses it */
            409: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description another version */
            412: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too large */
            413: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not JSON */
            415: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description well-formed but impossible */
            422: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_events_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done, with nothing to say */
            204: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_events_id_availability: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Availability"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_events_id_bookings: {
        parameters: {
            query?: {
                /** @description the most records of the page, 1 to 1000 */
                limit?: number | "";
                /** @description where the page starts, from the Link header of the page before */
                cursor?: string;
                /** @description part of the name, of the location's name or address, or of the holder's name or e-mail address, in any case */
                q?: string;
                /** @description only bookings in this state */
                state?: string;
                /** @description Unix seconds, at or after */
                from?: number | "";
                /** @description Unix seconds, at or before */
                to?: number | "";
            };
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the next page, rel="next" */
                    Link?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Booking"][];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    post_events_id_bookings: {
        parameters: {
            query?: never;
            header?: {
                /** @description a UUID, or 16 to 255 visible ASCII characters: a retry with it is done once */
                "Idempotency-Key"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BookingRequest"];
            };
        };
        responses: {
            /** @description made */
            201: {
                headers: {
                    /** @description true when an earlier request had made the record */
                    "Idempotency-Replayed"?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Booking"];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the body took too long to arrive */
            408: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the current state refuses it */
            409: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too large */
            413: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not JSON */
            415: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description well-formed but impossible */
            422: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_healthz: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    get_locations: {
        parameters: {
            query?: {
                /** @description the most records of the page, 1 to 1000 */
                limit?: number | "";
                /** @description where the page starts, from the Link header of the page before */
                cursor?: string;
            };
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the next page, rel="next" */
                    Link?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Location"][];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    post_locations: {
        parameters: {
            query?: never;
            header?: {
                /** @description a UUID, or 16 to 255 visible ASCII characters: a retry with it is done once */
                "Idempotency-Key"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LocationRequest"];
            };
        };
        responses: {
            /** @description made */
            201: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description true when an earlier request had made the record */
                    "Idempotency-Replayed"?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Location"];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the body took too long to arrive */
            408: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the current state refuses it */
            409: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too large */
            413: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not JSON */
            415: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description well-formed but impossible */
            422: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_locations_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description on GET: 304 when it is still this ETag; on PUT `*`: create only */
                "If-None-Match"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Location"];
                };
            };
            /** @description not changed */
            304: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    put_locations_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description only over the version of this ETag */
                "If-Match"?: string;
                /** @description on GET: 304 when it is still this ETag; on PUT `*`: create only */
                "If-None-Match"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LocationRequest"];
            };
        };
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Location"];
                };
            };
            /** @description made */
            201: {
                headers: {
                    /** @description the version */
                    ETag?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Location"];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the body took too long to arrive */
            408: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the current state refuses it */
            409: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description another version */
            412: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too large */
            413: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not JSON */
            415: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description well-formed but impossible */
            422: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_locations_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done, with nothing to say */
            204: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_readyz: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    post_users: {
        parameters: {
            query?: never;
            header?: {
                /** @description a UUID, or 16 to 255 visible ASCII characters: a retry with it is done once */
                "Idempotency-Key"?: string;
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserRequest"];
            };
        };
        responses: {
            /** @description made */
            201: {
                headers: {
                    /** @description true when an earlier request had made the record */
                    "Idempotency-Replayed"?: string;
                    /** @description where the record is */
                    Location?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the body took too long to arrive */
            408: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the current state refuses it */
            409: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too large */
            413: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not JSON */
            415: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description well-formed but impossible */
            422: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_users_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_users_id: {
        parameters: {
            query?: never;
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done, with nothing to say */
            204: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not allowed */
            403: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description the current state refuses it */
            409: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_users_id_bookings: {
        parameters: {
            query?: {
                /** @description the most records of the page, 1 to 1000 */
                limit?: number | "";
                /** @description where the page starts, from the Link header of the page before */
                cursor?: string;
                /** @description part of the name, of the location's name or address, or of the holder's name or e-mail address, in any case */
                q?: string;
                /** @description only bookings in this state */
                state?: string;
                /** @description Unix seconds, at or after */
                from?: number | "";
                /** @description Unix seconds, at or before */
                to?: number | "";
            };
            header?: {
                /** @description names the request in logs and problems */
                "X-Request-Id"?: string;
                /** @description W3C trace context, passed on in messages */
                traceparent?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description done */
            200: {
                headers: {
                    /** @description the next page, rel="next" */
                    Link?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Booking"][];
                };
            };
            /** @description malformed */
            400: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description sign-in is needed, or the token is no good */
            401: {
                headers: {
                    /** @description what sign-in lacks, RFC 6750 */
                    "WWW-Authenticate"?: string;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description unknown */
            404: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description too much was asked in a short time; send it again after Retry-After */
            429: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description a fault of the service */
            500: {
                headers: {
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description not just now; send it again after Retry-After */
            503: {
                headers: {
                    /** @description seconds to wait */
                    "Retry-After"?: number;
                    /** @description names the request in logs and problems */
                    "X-Request-Id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
