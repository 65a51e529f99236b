//! A connection's stream from which nothing is read without a turn.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Shared;
use super::refusal::{Afterwards, PROBE, is_probe, refuse};
use super::turns::Turn;

/// What a gate is put before.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn socket(&self) -> &TcpStream;

    /// Tells the client that it waited in vain, where that takes no more than a few bytes.
    fn refuse(&self);
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn refuse(&self) {
        // Something of this request may have been read, so the connection ends with it.
        refuse(self, Afterwards::Close);
    }
}

impl Stream for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn refuse(&self) {}
}

pub(super) struct Gate<S> {
    stream: S,
    turn: Arc<Turn>,
    shared: Arc<Shared>,
    waiting: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
}

impl<S: Stream> Gate<S> {
    pub(super) fn new(stream: S, turn: Arc<Turn>, shared: Arc<Shared>) -> Self {
        Self {
            stream,
            turn,
            shared,
            waiting: None,
        }
    }

    /// Ready once what is there may be read.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                let given = ready!(waiting.as_mut().poll(context));
                self.waiting = None;
                if !given {
                    self.stream.refuse();
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
            }
            if self.turn.may_read() {
                return Poll::Ready(Ok(()));
            }
            let mut start = [0; PROBE];
            let mut start = ReadBuf::new(&mut start);
            let there = ready!(self.stream.socket().poll_peek(context, &mut start));
            // Its end needs no turn, nor does a fault.
            if !matches!(there, Ok(1..)) || self.turn.try_take() {
                return Poll::Ready(Ok(()));
            }
            if is_probe(start.filled()) {
                self.turn.pass();
                return Poll::Ready(Ok(()));
            }
            let (turn, shared) = (Arc::clone(&self.turn), Arc::clone(&self.shared));
            self.waiting = Some(Box::pin(async move { shared.wait_for_turn(&turn).await }));
        }
    }
}

impl<S: Stream> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waiting.is_some() || !self.turn.may_read() {
            ready!(self.poll_turn(context))?;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: Stream> AsyncWrite for Gate<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
