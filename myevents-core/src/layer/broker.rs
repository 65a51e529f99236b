//! `EventEmitter` and `EventListener` through a wrapper; settling a delivery goes through it too.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;

use crate::contract::Envelope;
use crate::error::Result;
use crate::layer::{Around, Call, Layered, through};
use crate::ports::{
    BrokerCapabilities, Delivery, DeliveryStream, EventEmitter, EventListener, Settlement, Subscription,
};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: EventEmitter + ?Sized, A: Around> EventEmitter for Layered<P, A> {
    fn capabilities(&self) -> BrokerCapabilities {
        self.inner.capabilities()
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        let emitter = Arc::clone(&self.inner);
        self.around
            .batch(Call::write("emit"), messages.to_vec(), move |messages| {
                let emitter = Arc::clone(&emitter);
                Box::pin(async move { emitter.emit(&messages).await })
            })
            .await
    }

    async fn ping(&self) -> Result<()> {
        through!(self, read "ping broker", [], emitter => emitter.ping())
    }

    async fn close(&self) -> Result<()> {
        through!(self, close "close emitter", [], emitter => emitter.close())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: EventListener + ?Sized, A: Around> EventListener for Layered<P, A> {
    fn capabilities(&self) -> BrokerCapabilities {
        self.inner.capabilities()
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<DeliveryStream> {
        let stream = through!(self, read "subscribe", [wanted = subscription],
            listener => listener.subscribe(wanted))?;
        let around = Arc::clone(&self.around);
        let wrapped = stream.map(move |delivery| {
            let (envelope, attempt, origin) = (
                delivery.envelope.clone(),
                delivery.attempt,
                delivery.origin.clone(),
            );
            let around = Arc::clone(&around);
            Delivery::new(
                envelope,
                attempt,
                origin,
                Box::new(LayeredSettlement { delivery, around }),
            )
        });
        Ok(wrapped.boxed())
    }

    async fn close(&self) -> Result<()> {
        through!(self, close "close listener", [], listener => listener.close())
    }
}

#[derive(Debug)]
struct LayeredSettlement<A> {
    delivery: Delivery,
    around: Arc<A>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<A: Around> Settlement for LayeredSettlement<A> {
    async fn ack(self: Box<Self>) -> Result<()> {
        let Self { delivery, around } = *self;
        around
            .once(Call::write("acknowledge"), Box::pin(delivery.ack()))
            .await
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<()> {
        let Self { delivery, around } = *self;
        around
            .once(Call::write("give back"), Box::pin(delivery.nack(delay)))
            .await
    }

    // Borrows the delivery, so it can neither be spawned nor repeated: it goes straight through.
    async fn extend(&mut self, hold: Duration) -> Result<()> {
        self.delivery.extend(hold).await
    }
}
