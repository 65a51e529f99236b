//! From the settings of a service to an open broker.

use std::sync::Arc;

use myevents_core::Result;

use super::{AmqpBroker, AmqpConfig};
use crate::connect::{BrokerOptions, OpenBroker};

/// Opens RabbitMQ, which may be away.
pub(crate) fn open(options: &BrokerOptions) -> Result<OpenBroker> {
    let broker = AmqpBroker::connect(AmqpConfig::from_options(options)?)?;
    Ok(OpenBroker {
        emitter: broker.emitter(),
        listener: broker.listener(),
        tools: Arc::new(broker),
    })
}
