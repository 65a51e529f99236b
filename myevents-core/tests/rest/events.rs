//! Events and locations: make, find, put, cancel.

use http::StatusCode;
use serde_json::json;

use crate::app::App;

const AIDA: &str = r#"{"name":"Aida","startdate":100,"enddate":200,"hall_names":[]}"#;

#[tokio::test]
async fn an_event_is_found_by_id_and_by_name_whatever_the_case_of_the_word() {
    let app = App::new();
    let id = app.created(AIDA).await;
    for path in [
        format!("/events/{id}"),
        format!("/events/{}", id.to_uppercase()),
        format!("/events/id/{id}"),
        format!("/events/ID/{id}"),
        "/events/name/Aida".to_owned(),
        "/events/Name/A%69da".to_owned(),
    ] {
        let answered = app.get(&path).await;
        assert_eq!(answered.status, StatusCode::OK, "{path}");
        assert_eq!(answered.json()["ID"], id);
        assert_eq!(answered.header("etag"), "\"v1\"");
    }
    let other = app.get(&format!("/events/colour/{id}")).await;
    assert_eq!(
        (other.status, other.problem()),
        (StatusCode::BAD_REQUEST, "invalid".to_owned())
    );
    assert_eq!(app.get("/events/name/Nobody").await.problem(), "not-found");
}

#[tokio::test]
async fn a_cancelled_event_stays_and_takes_no_change() {
    let app = App::new();
    let id = app.created(AIDA).await;
    let path = format!("/events/{id}");
    for _ in 0..2 {
        assert_eq!(app.delete(&path).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(app.get(&path).await.json()["Cancelled"], true);
    assert_eq!(app.get("/events").await.json(), json!([]));
    assert_eq!(app.get("/events?cancelled=true").await.json()[0]["ID"], id);
    assert_eq!(
        app.ask("PUT", &path, &[], AIDA).await.status,
        StatusCode::CONFLICT
    );
    let again = AIDA
        .replacen('{', &format!("{{\"ID\":\"{id}\","), 1)
        .replace("Aida", "Other");
    assert_eq!(app.post("/events", again).await.status, StatusCode::CONFLICT);
    assert_eq!(app.get("/events/name/Aida").await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.delete("/events/00ff").await.problem(), "not-found");
}

#[tokio::test]
async fn put_creates_and_replaces_by_either_path() {
    let app = App::new();
    for (path, status) in [
        ("/events/00ff", StatusCode::CREATED),
        ("/events/id/00ff", StatusCode::OK),
        ("/events/Id/00ff", StatusCode::OK),
    ] {
        let body = AIDA.replace("Aida", path);
        let answered = app.ask("PUT", path, &[], body).await;
        assert_eq!(answered.status, status, "{path}");
        assert_eq!(answered.json()["ID"], "00ff");
        assert_eq!(answered.json()["Name"], path);
    }
    let foreign = AIDA.replacen('{', "{\"id\":\"00fe\",", 1);
    let answered = app.ask("PUT", "/events/00ff", &[], foreign).await;
    assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY);
    for path in ["/events/zz", "/events/3", "/events/id/zz", "/locations/zz"] {
        assert_eq!(
            app.ask("PUT", path, &[], AIDA).await.status,
            StatusCode::BAD_REQUEST,
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_own_id_is_kept_and_its_reuse_for_something_else_refused() {
    let app = App::new();
    let own = AIDA.replacen('{', "{\"Id\":\"0AFF\",", 1);
    let first = app.post("/events", own.clone()).await;
    assert_eq!(first.json()["ID"], "0aff");
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = app.post("/events", own.clone()).await;
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json(), first.json());
    let other = app.post("/events", own.replace("Aida", "Tosca")).await;
    assert_eq!(
        (other.status, other.problem()),
        (StatusCode::CONFLICT, "conflict".to_owned())
    );
}

#[tokio::test]
async fn a_key_makes_one_record_and_is_refused_for_another_request() {
    let app = App::new();
    let key = [("idempotency-key", "0b0f7a52-8a55-4f3e-9d3f-7a2c1d1e0f00")];
    for (path, body) in [
        ("/events", AIDA),
        ("/locations", r#"{"name":"Aida"}"#),
        ("/users", r#"{"first":"Aida"}"#),
    ] {
        let first = app.ask("POST", path, &key, body).await;
        let again = app.ask("POST", path, &key, body).await;
        assert_eq!(again.status, StatusCode::CREATED, "{path}");
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.json(), first.json());
        assert_eq!(again.header("location"), first.header("location"));
        let other = app.ask("POST", path, &key, body.replace("Aida", "Tosca")).await;
        assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert_eq!(other.problem(), "key-reused");
    }
}

#[tokio::test]
async fn locations_are_made_found_put_and_deleted() {
    let app = App::new();
    let made = app
        .post(
            "/locations",
            r#"{"name":"Opera","time_zone":"Europe/Berlin","hall":{"name":"a","capacity":3}}"#,
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let id = made.json()["ID"].as_str().unwrap().to_owned();
    let path = format!("/locations/{id}");
    assert_eq!(made.header("location"), path);
    assert_eq!(app.get(&path).await.json(), made.json());
    assert_eq!(app.get("/locations").await.json(), json!([made.json()]));

    let event = format!(r#"{{"name":"e","location":{{"id":"{id}"}}}}"#);
    let event = app.post("/events", event).await.json();
    assert_eq!(event["Location"], made.json());

    let put = app
        .ask("PUT", &path, &[("if-match", "\"v1\"")], r#"{"name":"Opera 2"}"#)
        .await;
    assert_eq!(put.status, StatusCode::OK);
    assert_eq!(put.header("etag"), "\"v2\"");
    assert_eq!(app.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.delete(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get(&path).await.problem(), "not-found");
    assert_eq!(app.get("/locations").await.json(), json!([]));
    let unknown = format!(r#"{{"name":"e","location":{{"id":"{id}"}}}}"#);
    assert_eq!(
        app.post("/events", unknown).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn limits_are_read_in_every_spelling_and_shown_in_one() {
    let app = App::new();
    let shown = |event: &serde_json::Value| {
        let fields = event.as_object().unwrap();
        ["MaxSeatsPerBooking", "MaxSeatsPerPerson", "MaxBookingsPerPerson"]
            .map(|name| fields.get(name).cloned())
    };
    for names in [
        ["MaxSeatsPerBooking", "MaxSeatsPerPerson", "MaxBookingsPerPerson"],
        ["maxseatsperbooking", "maxseatsperperson", "maxbookingsperperson"],
        [
            "max_seats_per_booking",
            "max_seats_per_person",
            "max_bookings_per_person",
        ],
        [
            "maxSeatsPerBooking",
            "MAXSEATSPERPERSON",
            "Max_Bookings_Per_Person",
        ],
    ] {
        let body = json!({"name": "limited", names[0]: 4, names[1]: 12, names[2]: 3});
        let made = app.post("/events", body.to_string()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{names:?}");
        let expected = [Some(json!(4)), Some(json!(12)), Some(json!(3))];
        assert_eq!(shown(&made.json()), expected, "{names:?}");
        let path = format!("/events/{}", made.json()["ID"].as_str().unwrap());
        assert_eq!(shown(&app.get(&path).await.json()), expected);
        // Replaced by an event that says nothing of limits: there are none any more, and none is shown.
        for body in [
            r#"{"name":"free"}"#,
            r#"{"name":"free","MaxSeatsPerPerson":null}"#,
        ] {
            let changed = app.ask("PUT", &path, &[], body).await;
            assert_eq!(changed.status, StatusCode::OK);
            assert_eq!(shown(&changed.json()), [None, None, None]);
        }
    }
    for (value, status) in [
        ("0", StatusCode::UNPROCESSABLE_ENTITY),
        ("-1", StatusCode::UNPROCESSABLE_ENTITY),
        ("2147483648", StatusCode::UNPROCESSABLE_ENTITY),
        ("1.5", StatusCode::BAD_REQUEST),
        ("\"3\"", StatusCode::BAD_REQUEST),
    ] {
        for name in ["MaxSeatsPerPerson", "max_bookings_per_person"] {
            let body = format!(r#"{{"name":"limited","{name}":{value}}}"#);
            assert_eq!(app.post("/events", body).await.status, status, "{name} {value}");
        }
    }
}
