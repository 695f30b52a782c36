//! What carries bytes: TCP, or WebSocket's binary frames; TLS has a file of its own.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
};

use axum::extract::ws::{Message, WebSocket};
use bytes::{Buf, BytesMut};
use futures_util::SinkExt;
use sluice_codec::packet_length;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_util::io::poll_read_buf;

use crate::buffers::{self, BUFFER_BYTES};

/// A stream of bytes both ways, without regard to the bounds of frames. [MQTT-6.0.0-2]
pub(crate) trait Transport: Send {
    /// Waits until there is something and adds it to `buffer`; `false` at the end of the stream. Cancel safe; nothing is
    /// allocated while it waits.
    fn read(&mut self, buffer: &mut BytesMut) -> impl Future<Output = io::Result<bool>> + Send;

    /// Writes what can be written without waiting and takes it out of `bytes`; whether nothing is left for
    /// [`Transport::write`].
    ///
    /// # Errors
    /// As the socket's; the connection is over.
    fn write_now(&mut self, bytes: &mut BytesMut) -> io::Result<bool>;

    /// Writes everything. Not cancel safe: when it is dropped, the connection must be too.
    fn write(&mut self, bytes: BytesMut) -> impl Future<Output = io::Result<()>> + Send;

    /// Says goodbye after the last write.
    fn finish(&mut self) -> impl Future<Output = ()> + Send;
}

impl Transport for TcpStream {
    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<bool> {
        poll_fn(|context| {
            ready!(self.poll_read_ready(context))?;
            if buffer.is_empty() {
                *buffer = buffers::take();
            }
            buffer.reserve(BUFFER_BYTES);
            // A read that fills less than it was given leaves the socket marked as read empty, which spares the next one.
            match poll_read_buf(Pin::new(&mut *self), context, buffer) {
                Poll::Ready(read) => Poll::Ready(read.map(|count| count > 0)),
                Poll::Pending => {
                    if buffer.is_empty() {
                        buffers::give(std::mem::take(buffer));
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn write_now(&mut self, bytes: &mut BytesMut) -> io::Result<bool> {
        while !bytes.is_empty() {
            match self.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) if count == bytes.len() => bytes.clear(),
                Ok(count) => bytes.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn write(&mut self, bytes: BytesMut) -> io::Result<()> {
        self.write_all(&bytes).await
    }

    async fn finish(&mut self) {
        // A socket that is closed with unread bytes resets the connection, and the peer may lose the last packet.
        if self.shutdown().await.is_ok() {
            let mut rest = BytesMut::new();
            while matches!(Transport::read(self, &mut rest).await, Ok(true)) {
                rest.clear();
            }
        }
    }
}

impl Transport for WebSocket {
    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<bool> {
        loop {
            match self.recv().await {
                None | Some(Ok(Message::Close(_))) => return Ok(false),
                Some(Ok(Message::Binary(bytes))) => {
                    buffer.extend_from_slice(&bytes);
                    return Ok(true);
                }
                // [MQTT-6.0.0-1]: anything but binary frames closes.
                Some(Ok(Message::Text(_))) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a text frame on an MQTT connection"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Err(error)) => return Err(io::Error::other(error)),
            }
        }
    }

    fn write_now(&mut self, _bytes: &mut BytesMut) -> io::Result<bool> {
        // Frames are written by `write`.
        Ok(false)
    }

    async fn write(&mut self, mut bytes: BytesMut) -> io::Result<()> {
        // A packet a frame, all of them in one flush: Paho C 1.3.12 waits for its socket before it looks at the rest of a frame, so
        // that the second packet of one, a retained message behind its SUBACK, would lie there until something else came.
        while !bytes.is_empty() {
            let length = packet_length(&bytes).unwrap_or(bytes.len());
            self.feed(Message::Binary(bytes.split_to(length).freeze())).await.map_err(io::Error::other)?;
        }
        self.flush().await.map_err(io::Error::other)
    }

    async fn finish(&mut self) {
        // The peer answers with its own Close frame; a socket closed before that reads as broken to it.
        if self.send(Message::Close(None)).await.is_ok() {
            while let Some(Ok(_)) = self.recv().await {}
        }
    }
}
