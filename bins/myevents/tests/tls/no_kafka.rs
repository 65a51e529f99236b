//! TLS towards Kafka where it is not built in.

use crate::upstream::{program, refusal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_over_tls_is_refused_where_it_is_not_built_in() {
    let folder = tempfile::tempdir().unwrap();
    for (setting, value) in [
        ("BROKER_TLS_CA", "/ca.pem"),
        ("KAFKA_MESSAGE_BROKERS", "SSL://broker:9093"),
    ] {
        let settings = [("MESSAGE_BROKER_TYPE".to_owned(), "kafka".to_owned())];
        let said = refusal(&program(&folder, &settings, &[(setting, value)])).await;
        for part in [
            &setting.to_ascii_lowercase()[..],
            "built without feature kafka-tls",
        ] {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
    }
}
