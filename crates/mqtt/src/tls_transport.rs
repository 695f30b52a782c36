//! TLS over TCP as a [`Transport`]: what a handshake left behind, driven without a buffer of our own.

use std::io::{self, Read, Write};

use bytes::{BufMut, BytesMut};
use rustls::ServerConnection;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::server::TlsStream;

use crate::transport::Transport;

/// A connection past its handshake.
pub(crate) struct TlsTransport {
    socket: TcpStream,
    /// Apart, because it is large and the task that holds it moves.
    tls: Box<ServerConnection>,
}

impl TlsTransport {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> Self {
        let (socket, mut tls) = stream.into_inner();
        // What is written is bounded by who writes: one wake's packets, sent before the next.
        tls.set_buffer_limit(None);
        Self { socket, tls: Box::new(tls) }
    }

    /// Adds what is decrypted to `buffer`: how many bytes; `None` at the peer's close_notify.
    fn take_plaintext(&mut self, buffer: &mut BytesMut) -> io::Result<Option<usize>> {
        let state =
            self.tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let count = state.plaintext_bytes_to_read();
        if count > 0 {
            buffer.reserve(count);
            let read = io::copy(&mut self.tls.reader().take(count as u64), &mut buffer.writer())?;
            debug_assert_eq!(read, count as u64, "all that was announced");
            return Ok(Some(count));
        }
        Ok(if state.peer_has_closed() { None } else { Some(0) })
    }

    /// Sends what TLS has to send. Cancel safe: what is not sent stays.
    async fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Ready(&self.socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Transport for TlsTransport {
    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<bool> {
        loop {
            match self.take_plaintext(buffer) {
                Ok(None) => return Ok(false),
                Ok(Some(0)) => {}
                Ok(Some(_)) => return Ok(true),
                Err(error) => {
                    // The alert that says why; the connection ends in either case.
                    let _told = self.flush().await;
                    return Err(error);
                }
            }
            // Answers of TLS itself: tickets, key updates.
            self.flush().await?;
            self.socket.readable().await?;
            match self.tls.read_tls(&mut Ready(&self.socket)) {
                // Without close_notify; MQTT knows by its own DISCONNECT whether anything is missing.
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write_now(&mut self, bytes: &mut BytesMut) -> io::Result<bool> {
        self.tls.writer().write_all(bytes)?;
        bytes.clear();
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Ready(&self.socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn write(&mut self, bytes: BytesMut) -> io::Result<()> {
        self.tls.writer().write_all(&bytes)?;
        drop(bytes);
        self.flush().await
    }

    async fn finish(&mut self) {
        self.tls.send_close_notify();
        if self.flush().await.is_ok() && self.socket.shutdown().await.is_ok() {
            // As with TCP: bytes that nobody reads would reset the connection.
            let mut rest = BytesMut::new();
            while matches!(Transport::read(&mut self.socket, &mut rest).await, Ok(true)) {
                rest.clear();
            }
        }
    }
}

/// A socket's reads and writes that never wait, in the form that TLS asks for.
struct Ready<'s>(&'s TcpStream);

impl Read for Ready<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Ready<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
