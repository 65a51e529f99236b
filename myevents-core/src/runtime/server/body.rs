//! Bodies: a request's with a deadline, as who sends it too slowly gets an error instead of holding a place; an answer's that
//! counts as open until it was handed on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body as AnyBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::Counted;
use super::turns::Turn;

/// A body that ends in an error at its deadline.
pub(super) struct TimedBody {
    inner: Incoming,
    deadline: Instant,
    /// Made only once the body is waited for: most bodies come with their head.
    timer: Option<Pin<Box<Sleep>>>,
    turn: Arc<Turn>,
    waits: bool,
}

impl TimedBody {
    pub(super) fn new(inner: Incoming, within: Duration, turn: Arc<Turn>) -> Self {
        Self {
            inner,
            deadline: Instant::now() + within,
            timer: None,
            turn,
            waits: false,
        }
    }

    /// Who waits for the client is not busy.
    fn wait(&mut self, waits: bool) {
        if self.waits != waits {
            self.waits = waits;
            match waits {
                true => self.turn.pause(),
                false => self.turn.resume(),
            }
        }
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        self.wait(false);
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.wait(false);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err("the body was sent too slowly".into()))),
            Poll::Pending => {
                self.wait(true);
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body, with which its request stays open.
pub(super) struct CountedBody {
    inner: AnyBody,
    _counted: Counted,
}

impl CountedBody {
    pub(super) fn new(inner: AnyBody, counted: Counted) -> Self {
        Self {
            inner,
            _counted: counted,
        }
    }
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
