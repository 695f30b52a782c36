//! One connection's task: CONNECT, then packets, deliveries and deadlines until it ends.

use std::{io, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use sluice_broker::{Arrival, Broker, Client, Flow};
use sluice_codec::{Connect, DecodeError, ReasonCode, Version, decode, decode_first};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::{HalfOpenGuard, buffers, transport::Transport};

/// Largest CONNECT, bytes.
const CONNECT_BYTES_MAX: usize = 64 * 1024;
/// How long a connection that must be closed has to be told so.
const FAREWELL_WAIT: Duration = Duration::from_millis(50);
/// How long a client that leaves by itself has to close its side.
const LEAVE_WAIT: Duration = Duration::from_secs(2);
/// How long a write may be stuck before the peer counts as lost.
const WRITE_WAIT: Duration = Duration::from_secs(60);
/// A deadline that never comes.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Serves one connection until it ends. What is only needed at its beginning, at its end and when the peer does not read is
/// in boxes of its own: an idle connection pays for this future all the time.
pub(crate) async fn run<T: Transport>(transport: T, broker: Arc<Broker>, arrival: Arrival, half_open: HalfOpenGuard) {
    let Some(mut connection) = Box::pin(open(transport, broker, arrival, half_open)).await else { return };
    let last = connection.serve().await;
    let Connection { mut transport, client, .. } = connection;
    // Its place is free at once, however long the socket takes.
    drop(client);
    if let Some((out, wait)) = last {
        Box::pin(farewell(&mut transport, out, wait)).await;
    }
}

/// Reads CONNECT and answers it; `None` when there is nobody to serve.
async fn open<T: Transport>(
    mut transport: T,
    broker: Arc<Broker>,
    arrival: Arrival,
    half_open: HalfOpenGuard,
) -> Option<Connection<T>> {
    let peer = arrival.peer;
    let mut buffer = BytesMut::new();
    let connect = match timeout_at(half_open.deadline(), first_packet(&mut transport, &mut buffer)).await {
        Ok(Ok(Some(connect))) => connect,
        Ok(Ok(None)) => return None,
        Ok(Err(error)) => {
            tracing::info!(peer = %peer.addr, %error, "a connection ended before CONNECT");
            return None;
        }
        Err(_) => {
            tracing::info!(peer = %peer.addr, "a connection sent no CONNECT in time");
            return None;
        }
    };
    let mut out = BytesMut::new();
    let client = broker.connect(&connect, &arrival, &mut out).await;
    let version = connect.version;
    drop(connect);
    // Answered: from here on it is one of the clients, or one that is told no.
    drop(half_open);
    let Some(client) = client else {
        farewell(&mut transport, out, FAREWELL_WAIT).await;
        return None;
    };
    let mut connection = Connection { transport, client, version, buffer, last_packet: Instant::now() };
    (connection.send(out).await == Flow::Continue).then_some(connection)
}

/// Reads until CONNECT is there; `None` when it never will be.
async fn first_packet<T: Transport>(transport: &mut T, buffer: &mut BytesMut) -> io::Result<Option<Box<Connect>>> {
    loop {
        match decode_first(buffer, CONNECT_BYTES_MAX) {
            Ok(Some((connect, length))) => {
                buffer.advance(length);
                return Ok(Some(connect));
            }
            Ok(None) => {}
            Err(error) => {
                refuse_unread(transport, error).await;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        if !transport.read(buffer).await? {
            return Ok(None);
        }
    }
}

/// A version that is none gets the answer that every version reads; anything else that is no CONNECT gets none.
async fn refuse_unread<T: Transport>(transport: &mut T, error: DecodeError) {
    if error == DecodeError::Version {
        // CONNACK with "unacceptable protocol version". [MQTT-3.1.2-2]
        farewell(transport, BytesMut::from(&[0x20, 0x02, 0x00, 0x01][..]), FAREWELL_WAIT).await;
    }
}

async fn farewell<T: Transport>(transport: &mut T, out: BytesMut, wait: Duration) {
    // A peer that does not read loses it; the socket is closed in either case.
    let _in_time = timeout(wait, async {
        if out.is_empty() || transport.write(out).await.is_ok() {
            transport.finish().await;
        }
    })
    .await;
}

struct Connection<T> {
    transport: T,
    client: Client,
    version: Version,
    /// What was read and is not a whole packet yet; empty, and then without memory, most of the time.
    buffer: BytesMut,
    last_packet: Instant,
}

/// What the task woke up for.
enum Woken {
    Read(io::Result<bool>),
    Marked,
    Deadline,
}

impl<T: Transport> Connection<T> {
    /// Until the connection is over: what is still to be written, and how long the peer has for it.
    async fn serve(&mut self) -> Option<(BytesMut, Duration)> {
        let alarm = sleep_until(self.next_deadline());
        tokio::pin!(alarm);
        // What came behind CONNECT in the same read.
        let mut woken = Woken::Read(Ok(true));
        loop {
            let mut out = buffers::take();
            let flow = match woken {
                Woken::Read(Ok(true)) => self.handle_read(&mut out),
                Woken::Read(Ok(false)) => return None,
                Woken::Read(Err(error)) => {
                    tracing::debug!(client = ?self.client, %error, "a connection broke");
                    return None;
                }
                Woken::Marked => self.client.woken(&mut out),
                Woken::Deadline => self.at_deadline(&mut out),
            };
            self.client.end_turn();
            match flow {
                Flow::Continue if out.is_empty() => buffers::give(out),
                Flow::Continue => {
                    if self.send(out).await == Flow::Close {
                        Box::pin(self.hear_last_words()).await;
                        return None;
                    }
                }
                Flow::Close => return Some((out, FAREWELL_WAIT)),
                Flow::Left => return Some((out, LEAVE_WAIT)),
            }
            if alarm.is_elapsed() || self.due().is_some_and(|due| alarm.deadline() > due) {
                alarm.as_mut().reset(self.next_deadline());
            }
            // In no fixed order: under a flood of deliveries the client is still heard, and its deadline still comes.
            woken = tokio::select! {
                () = self.client.wait() => Woken::Marked,
                read = self.transport.read(&mut self.buffer) => Woken::Read(read),
                () = &mut alarm => Woken::Deadline,
            };
            if matches!(woken, Woken::Deadline)
                && let Some(read) = Box::pin(self.read_what_is_there()).await
            {
                // What came in time counts, however late it is looked at.
                woken = Woken::Read(read);
            }
        }
    }

    /// What lies in the socket, without waiting for more.
    async fn read_what_is_there(&mut self) -> Option<io::Result<bool>> {
        timeout(Duration::ZERO, self.transport.read(&mut self.buffer)).await.ok()
    }

    /// The peer takes nothing more. It may have said before that it leaves, and then its will is not published.
    async fn hear_last_words(&mut self) {
        if let Some(Ok(true)) = self.read_what_is_there().await {
            let _flow = self.handle_read(&mut BytesMut::new());
        }
    }

    /// Handles every whole packet that was read.
    fn handle_read(&mut self, out: &mut BytesMut) -> Flow {
        let mut at = 0;
        let packet_bytes_max = self.client.packet_bytes_max();
        let now = self.client.now();
        let flow = loop {
            match decode(&self.buffer[at..], self.version, packet_bytes_max) {
                Ok(Some(decoded)) => {
                    at += decoded.length;
                    match self.client.handle(decoded.packet, now, out) {
                        Flow::Continue => {}
                        ended => break ended,
                    }
                }
                Ok(None) => break self.client.read_ends(now, out),
                Err(error) => {
                    tracing::info!(client = ?self.client, %error, "a connection is closed for its bytes");
                    break self.client.close(error.reason(), Some(&error.to_string()), out);
                }
            }
        };
        if at > 0 {
            // A whole packet, not the bytes of one that never ends. [MQTT-3.1.2-22]
            self.last_packet = Instant::now();
        }
        if at == self.buffer.len() {
            buffers::give(std::mem::take(&mut self.buffer));
        } else {
            self.buffer.advance(at);
        }
        flow
    }

    /// When a right ends by itself or a message's time comes, if either does.
    fn due(&self) -> Option<Instant> {
        self.client.due_in().map(|left| Instant::now() + left)
    }

    /// When to look again: the client's patience or what is due, whichever comes first.
    fn next_deadline(&self) -> Instant {
        let lost = self.last_packet + self.client.patience().unwrap_or(NEVER);
        self.due().map_or(lost, |due| lost.min(due))
    }

    fn at_deadline(&mut self, out: &mut BytesMut) -> Flow {
        let is_lost = self.client.patience().is_some_and(|patience| self.last_packet.elapsed() >= patience);
        if is_lost {
            return self.client.close(ReasonCode::KeepAliveTimeout, None, out);
        }
        self.client.woken(out)
    }

    /// Writes: mostly at once.
    async fn send(&mut self, mut out: BytesMut) -> Flow {
        match self.transport.write_now(&mut out) {
            Ok(true) => {
                buffers::give(out);
                Flow::Continue
            }
            Ok(false) => Box::pin(self.send_slowly(out)).await,
            Err(_broken) => Flow::Close,
        }
    }

    /// Writes as the peer reads. While it does not, marks are still obeyed: a revocation closes a stuck connection too.
    async fn send_slowly(&mut self, out: BytesMut) -> Flow {
        let waiter = self.client.waiter();
        let until = Instant::now() + WRITE_WAIT;
        let write = self.transport.write(out);
        tokio::pin!(write);
        loop {
            tokio::select! {
                biased;
                written = timeout_at(until, &mut write) => {
                    return if matches!(written, Ok(Ok(()))) { self.client.rewake(); Flow::Continue } else { Flow::Close };
                }
                () = waiter.wait() => {
                    if self.client.may_stay().is_err() {
                        return Flow::Close;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    fn bytes_of<A, B, C, D, F>(_connection: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_is_small() {
        // What a task holds while it waits; the allocator's classes make steps of it.
        assert!(bytes_of(run::<TcpStream>) <= 1_152, "{} bytes", bytes_of(run::<TcpStream>));
    }
}
