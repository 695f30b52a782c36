//! Not a broker: a loop of sends, the yardstick of a fan-out. Takes subscribers one after the other, then a publisher, and
//! sends each PUBLISH of QoS 0 to every subscriber's socket as it came. Prints its port, and when the publisher leaves one
//! JSON object: how many messages, and the median time of the loop in microseconds.

#![allow(clippy::unwrap_used, reason = "a tool that fails by panicking")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use bytes::{Buf, BytesMut};
use sluice_codec::{ConnAck, Packet, ReasonCode, SubAck, Version, decode, decode_first, encode};

/// Largest packet, bytes.
const PACKET_BYTES_MAX: usize = 2 << 20;

struct Peer {
    socket: TcpStream,
    inbound: BytesMut,
    version: Version,
}

impl Peer {
    /// Takes a connection and answers its CONNECT.
    fn accept(listener: &TcpListener) -> Self {
        let (socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        let mut peer = Self { socket, inbound: BytesMut::new(), version: Version::V3_1_1 };
        let (connect, length) = loop {
            if let Some(found) = decode_first(&peer.inbound, PACKET_BYTES_MAX).unwrap() {
                break found;
            }
            assert!(peer.fill(), "a connection ended before CONNECT");
        };
        peer.inbound.advance(length);
        peer.version = connect.version;
        peer.send(&Packet::ConnAck(ConnAck { session_present: false, reason: ReasonCode::Success, properties: None }));
        peer
    }

    fn fill(&mut self) -> bool {
        let mut bytes = [0; 64 * 1024];
        let count = self.socket.read(&mut bytes).unwrap();
        self.inbound.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// The next packet and its bytes; `None` when the peer has left.
    fn next(&mut self) -> Option<(Packet, BytesMut)> {
        loop {
            if let Some(found) = decode(&self.inbound, self.version, PACKET_BYTES_MAX).unwrap() {
                return Some((found.packet, self.inbound.split_to(found.length)));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    fn send(&mut self, packet: &Packet) {
        let mut out = BytesMut::new();
        encode(packet, self.version, &mut out);
        self.socket.write_all(&out).unwrap();
    }
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", listener.local_addr().unwrap().port()).unwrap();
    stdout.flush().unwrap();
    let mut subscribers = Vec::new();
    let mut times_us = Vec::new();
    'peers: loop {
        let mut peer = Peer::accept(&listener);
        while let Some((packet, bytes)) = peer.next() {
            match packet {
                Packet::Subscribe(subscribe) => {
                    let (packet_id, reasons) = (subscribe.packet_id, vec![ReasonCode::Success]);
                    peer.send(&Packet::SubAck(SubAck { packet_id, properties: None, reasons }));
                    subscribers.push(peer.socket);
                    continue 'peers;
                }
                Packet::Publish(_) => {
                    let start = Instant::now();
                    for socket in &mut subscribers {
                        socket.write_all(&bytes).unwrap();
                    }
                    times_us.push(start.elapsed().as_micros());
                }
                _ => break 'peers,
            }
        }
    }
    times_us.sort_unstable();
    let median = times_us.get(times_us.len() / 2).copied().unwrap_or_default();
    writeln!(stdout, r#"{{"messages":{},"subscribers":{},"loop_us_p50":{median}}}"#, times_us.len(), subscribers.len())
        .unwrap();
}
