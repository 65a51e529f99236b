//! The kinds of server: the word used everywhere for each, its variable, and how its URL looks.

use std::fmt;
use std::str::FromStr;

/// A kind of server that a backend talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A store that speaks MongoDB's wire protocol.
    Mongodb,
    /// DynamoDB Local.
    Dynamodb,
    /// RabbitMQ.
    Amqp,
    /// One Kafka node, broker and controller in one.
    Kafka,
    /// ElasticMQ, which speaks SQS.
    Sqs,
    /// moto, which speaks SNS and delivers to queues of its own.
    Sns,
    /// aiosmtpd, a mail server that keeps what it gets.
    Smtp,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Mongodb,
        Self::Dynamodb,
        Self::Amqp,
        Self::Kafka,
        Self::Sqs,
        Self::Sns,
        Self::Smtp,
    ];

    /// Those that tests of this repository talk to now. `cargo xtask backends up` starts these; with `MYEVENTS_REQUIRE=all`
    /// `cargo xtask test` installs them.
    pub const NEEDED: [Self; 7] = Self::ALL;

    /// Those of them that tests share, so that `cargo xtask test` starts them. Tests of the others each start their own,
    /// as they kill it.
    pub const SHARED: [Self; 3] = [Self::Mongodb, Self::Dynamodb, Self::Kafka];

    /// The backend's one word: its feature, its folder, its test file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mongodb => "mongodb",
            Self::Dynamodb => "dynamodb",
            Self::Amqp => "amqp",
            Self::Kafka => "kafka",
            Self::Sqs => "sqs",
            Self::Sns => "sns",
            Self::Smtp => "smtp",
        }
    }

    /// The variable that names a server which somebody else runs. It is none of the services' own keys: they
    /// start with `MYEVENTS_`, and the programs refuse the ones of that prefix that they do not know.
    #[must_use]
    pub const fn environment(self) -> &'static str {
        match self {
            Self::Mongodb => "TEST_MONGODB_URL",
            Self::Dynamodb => "TEST_DYNAMODB_URL",
            Self::Amqp => "TEST_AMQP_URL",
            Self::Kafka => "TEST_KAFKA_BROKERS",
            Self::Sqs => "TEST_SQS_URL",
            Self::Sns => "TEST_SNS_URL",
            Self::Smtp => "TEST_SMTP_URL",
        }
    }

    /// How a client on this machine names a server on this port. For Kafka that is its broker list.
    #[must_use]
    pub fn url(self, port: u16) -> String {
        match self {
            Self::Mongodb => format!("mongodb://127.0.0.1:{port}"),
            Self::Amqp => format!("amqp://guest:guest@127.0.0.1:{port}"),
            Self::Kafka => format!("127.0.0.1:{port}"),
            Self::Smtp => format!("smtp://127.0.0.1:{port}"),
            Self::Dynamodb | Self::Sqs | Self::Sns => format!("http://127.0.0.1:{port}"),
        }
    }

    /// How many ports in a row it takes: its own first, then those of its inner life.
    pub(crate) const fn ports(self) -> u16 {
        match self {
            Self::Mongodb | Self::Dynamodb | Self::Sqs | Self::Sns | Self::Smtp => 1,
            Self::Kafka => 2,
            Self::Amqp => 3,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> anyhow::Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| {
                let words = Self::ALL.map(Self::word).join(", ");
                anyhow::anyhow!("there is no server `{word}`; there are {words}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_kind_and_no_other_word_does() {
        for kind in Kind::ALL {
            assert_eq!(kind.word().parse::<Kind>().unwrap(), kind);
            assert!(kind.environment().starts_with("TEST_"));
        }
        let refusal = "mongo".parse::<Kind>().unwrap_err().to_string();
        assert!(
            refusal.contains("`mongo`") && refusal.contains("mongodb, dynamodb"),
            "{refusal}"
        );
    }
}
