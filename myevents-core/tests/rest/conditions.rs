//! Entity tags and conditions.

use http::StatusCode;

use crate::app::App;

const BODY: &str = r#"{"name":"Aida"}"#;

#[tokio::test]
async fn what_did_not_change_is_answered_304() {
    let app = App::new();
    let id = app.created(BODY).await;
    for path in [
        format!("/events/{id}"),
        "/events".to_owned(),
        "/events/name/Aida".to_owned(),
    ] {
        let etag = app.get(&path).await.header("etag").to_owned();
        for given in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
            let answered = app.ask("GET", &path, &[("if-none-match", &given)], "").await;
            assert_eq!(answered.status, StatusCode::NOT_MODIFIED, "{path} {given}");
            assert_eq!(answered.header("etag"), etag);
            assert!(answered.body.is_empty());
        }
        let put = format!(r#"{{"name":"Aida","duration":{}}}"#, path.len());
        app.ask("PUT", &format!("/events/{id}"), &[], put).await;
        let changed = app.ask("GET", &path, &[("if-none-match", &etag)], "").await;
        assert_eq!(changed.status, StatusCode::OK, "{path}");
    }
    let broken = app.ask("GET", "/events", &[("if-none-match", "v1")], "").await;
    assert_eq!(broken.problem(), "invalid");
}

#[tokio::test]
async fn a_put_writes_only_where_its_condition_holds() {
    let app = App::new();
    let path = "/events/00ff";
    for (name, value, status) in [
        ("if-match", "\"v1\"", 412),
        ("if-match", "*", 412),
        ("if-none-match", "*", 201),
        ("if-none-match", "*", 412),
        ("if-none-match", "\"v1\"", 412),
        ("if-match", "W/\"v1\"", 412),
        ("if-match", "\"v7\"", 412),
        ("if-match", "\"v7\", \"v1\"", 200),
        ("if-match", "\"v1\"", 412),
        ("if-match", "*", 200),
        ("if-match", "v3", 400),
    ] {
        // Each try asks for something new, as putting what is there changes no version.
        let body = format!(r#"{{"name":"{}"}}"#, uuid());
        let answered = app.ask("PUT", path, &[(name, value)], body).await;
        assert_eq!(answered.status.as_u16(), status, "{name}: {value}");
        match status {
            412 => assert_eq!(answered.problem(), "precondition"),
            400 => assert_eq!(answered.problem(), "invalid"),
            _ => assert!(answered.header("etag").starts_with("\"v")),
        }
    }
}

fn uuid() -> String {
    myevents_core::testkit::fixture::message_id().to_string()
}
