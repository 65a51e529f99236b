//! Problem bodies as clients rely on them.

use crate::app::App;

#[tokio::test]
async fn problem_bodies_keep_their_form() {
    let app = App::new();
    let event = app.bookable(Some(1)).await;
    let path = format!("/events/{event}/bookings");
    let mut bodies = Vec::new();
    for (method, path, body) in [
        ("POST", path.as_str(), r#"{"seats":1.5}"#),
        ("POST", path.as_str(), r#"{"seats":2}"#),
        ("POST", path.as_str(), r#"{"seats":21}"#),
        ("POST", "/events", r#"{"name":"a","startdate":2,"enddate":1}"#),
        ("GET", "/events/00ff", ""),
        ("GET", "/nowhere", ""),
        ("PATCH", "/events", ""),
    ] {
        let answered = app.ask(method, path, &[("x-request-id", "r")], body).await;
        answered.problem();
        bodies.push(answered.json());
    }
    insta::assert_json_snapshot!(bodies);
}

#[tokio::test]
async fn a_store_that_is_away_is_503_and_the_cause_stays_inside() {
    use myevents_core::ports::DatabaseHandler;
    let app = App::new();
    let event = app.bookable(Some(1)).await;
    app.events.close().await.unwrap();
    app.bookings.close().await.unwrap();
    for path in ["/events".to_owned(), format!("/events/{event}/availability")] {
        let answered = app.get(&path).await;
        assert_eq!(answered.status.as_u16(), 503, "{path}");
        assert_eq!(answered.problem(), "unavailable");
        assert_eq!(
            answered.json()["detail"],
            "nothing was changed: send the same request again after Retry-After"
        );
    }
}
