//! DynamoDB Local: single puts survive kills. A transaction acknowledged within the last 1.4 ms may not, so that is not tested.

use super::*;

fn ask(server: &Server, operation: &str, body: &str) -> String {
    let target = format!("DynamoDB_20120810.{operation}");
    let credential = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
    let headers = [
        ("x-amz-target", target.as_str()),
        ("content-type", "application/x-amz-json-1.0"),
        ("authorization", credential),
    ];
    let (status, answer) = wire::post(server.port(), &headers, body);
    assert_eq!(status, 200, "{operation}: {answer}");
    answer
}

#[test]
fn starts_and_keeps_its_data() {
    let test = "dynamodb starts_and_keeps_its_data";
    let Some(mut server) = Server::start_or_skip(test, Kind::Dynamodb).unwrap() else {
        return;
    };
    ask(
        &server,
        "CreateTable",
        r#"{"TableName":"kept","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],
            "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST"}"#,
    );
    for id in 0..10 {
        let item = format!(r#"{{"TableName":"kept","Item":{{"id":{{"S":"{id}"}}}}}}"#);
        ask(&server, "PutItem", &item);
    }
    starts_again_where_it_was(&mut server, |server| {
        let answer = ask(
            server,
            "Scan",
            r#"{"TableName":"kept","Select":"COUNT","ConsistentRead":true}"#,
        );
        assert!(answer.contains(r#""Count":10"#), "{answer}");
    });
    leaves_nothing(server);
}
