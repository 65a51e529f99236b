//! Lists: pages, cursors, filters.

use http::StatusCode;
use serde_json::Value;

use crate::app::App;

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|event| event["Name"].as_str().unwrap())
        .collect()
}

fn next(link: &str) -> Option<&str> {
    link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")
}

async fn filled() -> App {
    let app = App::new();
    for (name, start) in [("c", 30), ("a", 10), ("b & b", 20), ("e", 50), ("d", 40)] {
        app.created(&format!(
            r#"{{"name":"{name}","startdate":{start},"enddate":99}}"#
        ))
        .await;
    }
    app
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end() {
    let app = filled().await;
    assert_eq!(
        names(&app.get("/events").await.json()),
        ["a", "b & b", "c", "d", "e"]
    );
    let mut path = "/events?limit=2&from=20&unknown=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = app.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        seen.extend(names(&page.json()).into_iter().map(str::to_owned));
        match next(page.header("link")) {
            Some(link) => path = link.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["b & b", "c", "d", "e"]);
    assert_eq!(names(&app.get("/events?q=B+%26").await.json()), ["b & b"]);
    assert_eq!(names(&app.get("/events?to=10").await.json()), ["a"]);
}

#[tokio::test]
async fn cursors_of_other_lists_and_broken_ones_are_refused() {
    let app = filled().await;
    let page = app.get("/events?limit=1&q=&from=0").await;
    let link = next(page.header("link")).unwrap().to_owned();
    let cursor = link.split("cursor=").nth(1).unwrap();
    let mut cut = cursor.to_owned();
    cut.pop();
    for path in [
        format!("/events?cursor={cursor}"),
        format!("/events?from=1&cursor={cursor}"),
        format!("/locations?cursor={cursor}"),
        format!("/events?from=0&cursor={cut}"),
        "/events?cursor=%2e%2e".to_owned(),
        "/events?cursor=AAAA".to_owned(),
        "/events?limit=0".to_owned(),
        "/events?limit=-1".to_owned(),
        "/events?limit=x".to_owned(),
        "/events?limit=1&limit=1".to_owned(),
        "/events?from=x".to_owned(),
        "/events?from=-1".to_owned(),
        "/events?q=%ff".to_owned(),
        "/events?cancelled=maybe".to_owned(),
    ] {
        let answered = app.get(&path).await;
        assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answered.problem(), "invalid", "{path}");
    }
    assert_eq!(app.get(&link).await.status, StatusCode::OK);
    assert_eq!(app.get("/events?limit=5000").await.status, StatusCode::OK);
}

#[tokio::test]
async fn locations_and_bookings_page_too() {
    let app = App::new();
    for name in ["a", "b", "c"] {
        app.post("/locations", format!(r#"{{"name":"{name}"}}"#)).await;
    }
    let event = app.bookable(Some(9)).await;
    let bookings = format!("/events/{event}/bookings");
    for _ in 0..3 {
        app.post(&bookings, r#"{"seats":1}"#).await;
    }
    for list in ["/locations", &bookings] {
        let first = app.get(&format!("{list}?limit=2")).await;
        assert_eq!(first.json().as_array().unwrap().len(), 2);
        let link = next(first.header("link")).unwrap().to_owned();
        assert!(link.starts_with(list));
        let second = app.get(&link).await;
        assert_eq!(second.json().as_array().unwrap().len(), 1);
        assert!(!second.headers.contains_key("link"));
    }
}

#[tokio::test]
async fn a_page_asked_for_again_shows_every_change_since() {
    let app = filled().await;
    let paths = [
        "/events",
        "/events?limit=3",
        "/events?q=a",
        "/events?cancelled=true",
    ];
    let first = app.get("/events").await;
    assert_eq!(app.get("/events").await.body, first.body);
    let added = app
        .created(r#"{"name":"a new one","startdate":1,"enddate":99}"#)
        .await;
    for path in paths {
        assert_eq!(names(&app.get(path).await.json())[0], "a new one", "{path}");
    }
    let renamed = app
        .ask(
            "PUT",
            &format!("/events/{added}"),
            &[],
            r#"{"name":"a renamed one","startdate":1,"enddate":99}"#,
        )
        .await;
    assert_eq!(renamed.status, StatusCode::OK);
    for path in paths {
        assert_eq!(names(&app.get(path).await.json())[0], "a renamed one", "{path}");
    }
    app.delete(&format!("/events/{added}")).await;
    let last = app.get("/events").await;
    assert_eq!(
        (last.body, last.headers["etag"].clone()),
        (first.body, first.headers["etag"].clone())
    );
    assert_eq!(
        names(&app.get("/events?cancelled=true").await.json())[0],
        "a renamed one"
    );
}
