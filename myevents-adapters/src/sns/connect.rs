//! From the settings of a service to an open broker.

use myevents_core::Result;

use super::broker::{SnsTopic, connect};
use crate::connect::{BrokerOptions, OpenBroker};
use crate::sqs::SqsConfig;
use crate::sqs::connect::opened;

/// Opens SNS and SQS, which may be away.
pub(crate) async fn open(options: &BrokerOptions) -> Result<OpenBroker> {
    let topic = SnsTopic {
        create: options.sqs.create_queues,
        policy_wait: options.sqs.policy_wait,
        ..SnsTopic::new(options.sqs.topic.clone())
    };
    Ok(opened(connect(topic, SqsConfig::from_options(options)?).await?))
}
