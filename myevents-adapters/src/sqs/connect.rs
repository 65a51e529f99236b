//! From the settings of a service to an open broker.

use std::sync::Arc;

use myevents_core::Result;

use super::{SqsBroker, SqsConfig};
use crate::connect::{BrokerOptions, OpenBroker};

/// Opens SQS, which may be away.
pub(crate) async fn open(options: &BrokerOptions) -> Result<OpenBroker> {
    Ok(opened(
        SqsBroker::connect(SqsConfig::from_options(options)?).await?,
    ))
}

/// A broker as services use it.
pub(crate) fn opened(broker: SqsBroker) -> OpenBroker {
    OpenBroker {
        emitter: broker.emitter(),
        listener: broker.listener(),
        tools: Arc::new(broker),
    }
}
