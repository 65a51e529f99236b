//! Bookings, users, availability and the organiser's list.

use std::collections::BTreeSet;

use http::StatusCode;
use myevents_core::domain::{Event, PersonLimits};
use myevents_core::rest::RestSettings;
use myevents_core::testkit::fixture;
use serde_json::json;

use crate::app::App;

const KEY: [(&str, &str); 1] = [("idempotency-key", "0b0f7a52-8a55-4f3e-9d3f-7a2c1d1e0f00")];

#[tokio::test]
async fn a_booking_is_made_found_and_cancelled_and_its_seats_come_back() {
    let app = App::new();
    let event = app.bookable(Some(3)).await;
    let path = format!("/events/{event}/bookings");
    let body = r#"{"seats":2,"name":"Ada","email":"ada@example.org"}"#;
    let made = app.post(&path, body).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let booking = made.json();
    let here = made.header("location").to_owned();
    assert_eq!(here, format!("/bookings/{}", booking["ID"].as_str().unwrap()));
    assert_eq!(booking["State"], "confirmed");
    assert_eq!(app.get(&here).await.json(), booking);

    let left = app.get(&format!("/events/{event}/availability")).await.json();
    assert_eq!(
        left,
        json!({"EventID": event.to_string(), "Capacity": 3, "Available": 1})
    );
    let refused = app.post(&path, r#"{"seats":2}"#).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.problem(), "sold-out");
    assert_eq!(refused.json()["available"], 1);

    for _ in 0..2 {
        assert_eq!(app.delete(&here).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(app.get(&here).await.json()["State"], "cancelled");
    let all = app.get(&format!("/availability?ids={event},00ff")).await.json();
    assert_eq!(
        all,
        json!([{"EventID": event.to_string(), "Capacity": 3, "Available": 3}])
    );
    assert_eq!(app.delete("/bookings/00ff").await.problem(), "not-found");
    assert_eq!(app.get("/bookings/not-an-id").await.problem(), "not-found");
}

#[tokio::test]
async fn a_key_books_once_and_is_spent_after_a_cancel() {
    let app = App::new();
    let event = app.bookable(Some(5)).await;
    let path = format!("/events/{event}/bookings");
    let first = app.ask("POST", &path, &KEY, r#"{"seats":2}"#).await;
    let again = app.ask("POST", &path, &KEY, r#"{ "SEATS" : 2 }"#).await;
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json(), first.json());

    let other = app.ask("POST", &path, &KEY, r#"{"seats":1}"#).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.problem(), "key-reused");
    let elsewhere = format!("/events/{}/bookings", app.bookable(Some(5)).await);
    let other = app.ask("POST", &elsewhere, &KEY, r#"{"seats":2}"#).await;
    assert_eq!(other.problem(), "key-reused");

    app.delete(first.header("location")).await;
    let spent = app.ask("POST", &path, &KEY, r#"{"seats":2}"#).await;
    assert_eq!(spent.status, StatusCode::CREATED);
    assert_eq!(spent.json()["State"], "cancelled");

    let own = r#"{"seats":1,"id":"0102"}"#;
    assert_eq!(app.post(&path, own).await.json()["ID"], "0102");
    assert_eq!(app.post(&path, own).await.header("idempotency-replayed"), "true");
    let taken = app.post(&path, r#"{"seats":2,"id":"0102"}"#).await;
    assert_eq!(
        (taken.status, taken.problem()),
        (StatusCode::CONFLICT, "conflict".to_owned())
    );
}

#[tokio::test]
async fn each_refusal_has_its_status() {
    let app = App::new();
    let known = format!("/events/{}/bookings", app.bookable(Some(100)).await);
    let unknown_capacity = format!("/events/{}/bookings", app.bookable(None).await);
    for (path, body, status, word) in [
        ("/events/00ff/bookings", r#"{"seats":1}"#, 404, "not-found"),
        ("/events/not-an-id/bookings", r#"{"seats":1}"#, 404, "not-found"),
        (&unknown_capacity, r#"{"seats":1}"#, 409, "capacity-unknown"),
        (&known, r#"{"seats":21}"#, 422, "too-many-seats"),
        (&known, r#"{"seats":1,"userId":"00ff"}"#, 422, "unprocessable"),
        (&known, r#"{"seats":1,"userId":"nobody"}"#, 422, "unprocessable"),
        (&known, r#"{"seats":1,"eventid":"00ff"}"#, 422, "unprocessable"),
    ] {
        let answered = app.post(path, body).await;
        assert_eq!(answered.status.as_u16(), status, "{path} {body}");
        assert_eq!(answered.problem(), word, "{path} {body}");
    }
}

#[tokio::test]
async fn a_user_is_made_carries_bookings_and_is_removed() {
    let app = App::new();
    let event = app.bookable(Some(9)).await;
    let made = app.post("/users", r#"{"first":"Ada","LAST":"L","age":36}"#).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let user = made.json()["ID"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("/users/{user}"));
    let body = format!(r#"{{"seats":1,"user_id":"{user}","name":"Ada"}}"#);
    let booking = app.post(&format!("/events/{event}/bookings"), body).await;
    assert_eq!(booking.status, StatusCode::CREATED);

    let found = app.get(&format!("/users/{user}")).await.json();
    assert_eq!((&found["First"], &found["Age"]), (&json!("Ada"), &json!(36)));
    assert_eq!(found["Bookings"], json!([booking.json()]));
    let list = app.get(&format!("/users/{user}/bookings?state=confirmed")).await;
    assert_eq!(list.json(), json!([booking.json()]));
    let none = app.get(&format!("/users/{user}/bookings?state=cancelled")).await;
    assert_eq!(none.json(), json!([]));

    let gone = app.delete(&format!("/users/{user}")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    for path in [
        format!("/users/{user}"),
        format!("/users/{user}/bookings"),
        "/users/zz".to_owned(),
    ] {
        assert_eq!(app.get(&path).await.problem(), "not-found");
    }
    let kept = app.get(booking.header("location")).await.json();
    assert_eq!(kept["Seats"], 1);
    assert!(kept.get("UserID").is_none() && kept.get("Name").is_none());
}

#[tokio::test]
async fn the_organisers_list_is_closed_unless_opened() {
    let closed = App::with(RestSettings::default());
    let event = closed.bookable(Some(9)).await;
    let answered = closed.get(&format!("/events/{event}/bookings")).await;
    assert_eq!(
        (answered.status, answered.problem()),
        (StatusCode::FORBIDDEN, "forbidden".to_owned())
    );

    let app = App::new();
    let event = app.bookable(Some(9)).await;
    let path = format!("/events/{event}/bookings");
    app.post(&path, r#"{"seats":1,"name":"Ada"}"#).await;
    app.post(&path, r#"{"seats":1,"name":"Bob"}"#).await;
    assert_eq!(app.get(&path).await.json().as_array().unwrap().len(), 2);
    let found = app.get(&format!("{path}?q=ADA")).await.json();
    assert_eq!(
        (found.as_array().unwrap().len(), &found[0]["Name"]),
        (1, &json!("Ada"))
    );
    assert_eq!(app.get("/events/00ff/bookings").await.problem(), "not-found");
}

#[tokio::test]
async fn availability_takes_at_most_100_ids() {
    let app = App::new();
    let event = app.bookable(None).await;
    let left = app.get(&format!("/events/{event}/availability")).await.json();
    assert_eq!(
        left,
        json!({"EventID": event.to_string(), "Capacity": null, "Available": null})
    );
    let many = vec!["00ff"; 101].join(",");
    for query in [
        "".to_owned(),
        "?ids=zz".to_owned(),
        format!("?ids={many}"),
        "?ids=00&ids=01".to_owned(),
    ] {
        let answered = app.get(&format!("/availability{query}")).await;
        assert_eq!(
            (answered.status, answered.problem()),
            (StatusCode::BAD_REQUEST, "invalid".to_owned())
        );
    }
    assert_eq!(app.get("/availability?ids=").await.json(), json!([]));
    assert_eq!(app.get("/events/00ff/availability").await.problem(), "not-found");
}

#[tokio::test]
async fn outside_the_time_of_sales_nothing_is_sold() {
    let app = App::new();
    let far = i64::from(u32::MAX);
    for (start, end, sold) in [
        (Some(far), None, false),
        (None, Some(1), false),
        (Some(1), Some(2), false),
        (Some(1), Some(far), true),
        (None, None, true),
    ] {
        let set = |event: &mut Event| {
            event.sales_start = start.map(fixture::date);
            event.sales_end = end.map(fixture::date);
        };
        let event = app.bookable_as(Some(9), set).await;
        let answered = app
            .post(&format!("/events/{event}/bookings"), r#"{"seats":1}"#)
            .await;
        if sold {
            assert_eq!(answered.status, StatusCode::CREATED, "{start:?} {end:?}");
        } else {
            assert_eq!(answered.status, StatusCode::CONFLICT, "{start:?} {end:?}");
            assert_eq!(answered.problem(), "not-on-sale");
            let left = app.get(&format!("/events/{event}/availability")).await.json();
            assert_eq!(left["Available"], 9);
        }
    }
}

#[tokio::test]
async fn what_one_person_may_book_is_limited_and_so_a_person_is_needed() {
    let app = App::new();
    let by_seats = PersonLimits {
        seats: Some(3),
        bookings: None,
    };
    let by_bookings = PersonLimits {
        seats: None,
        bookings: Some(1),
    };
    for limits in [by_seats, by_bookings] {
        let event = app
            .bookable_as(Some(20), |event| event.person_limits = limits)
            .await;
        let path = format!("/events/{event}/bookings");
        for nobody in [
            r#"{"seats":1}"#,
            r#"{"seats":1,"name":"Ada","email":""}"#,
            r#"{"seats":1,"email":"  ","userId":""}"#,
        ] {
            let nobody = app.post(&path, nobody).await;
            assert_eq!(nobody.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(nobody.problem(), "person-required");
        }
        let ada = r#"{"seats":2,"email":"ada@example.org"}"#;
        let first = app.post(&path, ada).await;
        assert_eq!(first.status, StatusCode::CREATED);
        for same in [ada, r#"{"seats":2,"email":" Ada@Example.ORG "}"#] {
            let second = app.post(&path, same).await;
            assert_eq!(second.status, StatusCode::CONFLICT);
            assert_eq!(second.problem(), "limit-reached");
        }
        let bob = app.post(&path, r#"{"seats":2,"email":"bob@example.org"}"#).await;
        assert_eq!(bob.status, StatusCode::CREATED);
        let left = app.get(&format!("/events/{event}/availability")).await.json();
        assert_eq!(left["Available"], 16);
        // What was given back counts no more.
        app.delete(first.header("location")).await;
        assert_eq!(app.post(&path, ada).await.status, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn a_users_record_carries_the_newest_100_bookings_and_its_list_all() {
    let app = App::new();
    let event = app.bookable(Some(1_000)).await;
    let user = app.post("/users", r#"{"first":"Ada","last":"L","age":36}"#).await;
    let user = user.json()["ID"].as_str().unwrap().to_owned();
    let mut made = BTreeSet::new();
    for _ in 0..105 {
        let body = format!(r#"{{"seats":1,"userId":"{user}"}}"#);
        let booking = app.post(&format!("/events/{event}/bookings"), body).await;
        assert_eq!(booking.status, StatusCode::CREATED);
        made.insert(booking.json()["ID"].as_str().unwrap().to_owned());
    }
    let ids = |list: &serde_json::Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|booking| booking["ID"].as_str().unwrap().to_owned())
            .collect()
    };
    let carried = ids(&app.get(&format!("/users/{user}")).await.json()["Bookings"]);
    assert_eq!(carried.len(), 100);

    let mut listed = Vec::new();
    let mut next = format!("/users/{user}/bookings?limit=40");
    let mut pages = 0;
    loop {
        let page = app.get(&next).await;
        assert_eq!(page.status, StatusCode::OK, "{next}");
        listed.extend(ids(&page.json()));
        pages += 1;
        let link = page.header("link").to_owned();
        let Some(path) = link.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
            break;
        };
        next = path.0.to_owned();
    }
    assert_eq!((pages, listed.len()), (3, 105));
    assert_eq!(listed[..100], carried, "both begin with the newest");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), made);
}
