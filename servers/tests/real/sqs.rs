//! ElasticMQ: messages that it took are in their queue after a kill. moto: SNS answers, and keeps nothing.

use super::*;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// ElasticMQ asks for no signature.
fn sqs(server: &Server, query: &str) -> String {
    let (status, answer) = wire::post(server.port(), &[FORM], query);
    assert_eq!(status, 200, "{query}: {answer}");
    answer
}

/// Makes the queue and answers its URL as a part of a query.
fn queue(server: &Server) -> String {
    sqs(server, "Action=CreateQueue&QueueName=kept");
    format!(
        "QueueUrl=http%3A%2F%2F127.0.0.1%3A{}%2F000000000000%2Fkept",
        server.port()
    )
}

fn count(server: &Server, queue: &str) -> usize {
    let query = format!("Action=GetQueueAttributes&{queue}&AttributeName.1=ApproximateNumberOfMessages");
    let answer = sqs(server, &query);
    let (_, rest) = answer.split_once("<Value>").unwrap();
    rest.split('<').next().unwrap().parse().unwrap()
}

#[test]
fn sqs_starts_and_keeps_its_data() {
    let Some(mut server) = broker("sqs starts_and_keeps_its_data", Kind::Sqs) else {
        return;
    };
    let queue = queue(&server);
    for id in 0..10 {
        sqs(&server, &format!("Action=SendMessage&{queue}&MessageBody={id}"));
    }
    starts_again_where_it_was(&mut server, |server| assert_eq!(count(server, &queue), 10));
    leaves_nothing(server);
}

#[test]
fn a_kill_takes_no_acknowledged_message() {
    let Some(server) = broker("sqs a_kill_takes_no_acknowledged_message", Kind::Sqs) else {
        return;
    };
    let queue = queue(&server);
    let write = |port| {
        let queue = queue.clone();
        move |id: i32| {
            let query = format!("Action=SendMessage&{queue}&MessageBody={id}");
            match wire::try_post(port, &[FORM], &query)? {
                (200, _) => Ok(()),
                (_, answer) => Err(std::io::Error::other(answer)),
            }
        }
    };
    kills_take_nothing_acknowledged(server, write, |server| count(server, &queue));
}

/// moto finds the service by the signature's scope; it checks no signature.
fn sns(server: &Server, query: &str) -> String {
    let credential = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=0";
    let (status, answer) = wire::post(server.port(), &[FORM, ("authorization", credential)], query);
    assert_eq!(status, 200, "{query}: {answer}");
    answer
}

#[test]
fn sns_starts_and_forgets() {
    let Some(mut server) = broker("sns starts_and_forgets", Kind::Sns) else {
        return;
    };
    sns(&server, "Action=CreateTopic&Name=gone");
    assert!(sns(&server, "Action=ListTopics").contains(":gone<"));
    starts_again_where_it_was(&mut server, |server| {
        assert!(!sns(server, "Action=ListTopics").contains(":gone<"));
    });
    leaves_nothing(server);
}
