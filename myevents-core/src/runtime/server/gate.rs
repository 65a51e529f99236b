//! A plain connection of HTTP/1 from which nothing is read without a turn.
//!
//! HTTP/2 and HTTPS wait for their first turn only: what they read is not only requests, and part of it may be read already.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Shared;
use super::refusal::{Afterwards, PROBE, is_probe, refuse};
use super::turns::Turn;

pub(super) struct Gate {
    stream: TcpStream,
    turn: Arc<Turn>,
    shared: Arc<Shared>,
    waiting: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
    /// Some of an answer may not have gone yet.
    writing: bool,
}

impl Gate {
    pub(super) fn new(stream: TcpStream, turn: Arc<Turn>, shared: Arc<Shared>) -> Self {
        Self {
            stream,
            turn,
            shared,
            waiting: None,
            writing: false,
        }
    }

    /// Notes whether all of `length` bytes went.
    fn wrote(&mut self, polled: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        self.writing = !matches!(polled, Poll::Ready(Ok(written)) if written == length);
        polled
    }

    /// Ready once what is there may be read.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                let given = ready!(waiting.as_mut().poll(context));
                self.waiting = None;
                if !given {
                    // Something of this request may have been read, so the connection ends with it.
                    if !self.writing {
                        refuse(&mut self.stream, context, Afterwards::Close);
                    }
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
            }
            if self.turn.may_read() {
                return Poll::Ready(Ok(()));
            }
            let mut start = [0; PROBE];
            let mut start = ReadBuf::new(&mut start);
            let there = ready!(self.stream.poll_peek(context, &mut start));
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

impl AsyncRead for Gate {
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

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(polled, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        let length = slices.iter().map(|slice| slice.len()).sum();
        self.wrote(polled, length)
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
